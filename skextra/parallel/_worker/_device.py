"""The device of a worker process, and how its tasks learn of it."""

# In a worker process: the device that it was started for.
_device = None


def leased_device() -> str | None:
    """Return the device on which the running task has a slot.

    Returns
    -------
    device : str or None
        A name that torch understands in this process: a worker with a CUDA device sees no other
        one, so that it is always ``"cuda:0"`` there. None outside of a task, and in a call without
        the option ``devices``.

    Examples
    --------
    >>> import skextra
    >>> from joblib import Parallel, delayed
    >>> from skextra.parallel import leased_device
    >>> parallel = Parallel(n_jobs=2, backend="skextra", devices=["cpu:0"])
    >>> parallel(delayed(leased_device)() for _ in range(2))
    ['cpu:0', 'cpu:0']
    """
    return "cuda:0" if _is_cuda(_device) else _device


def bind(device):
    """Have a new worker process know its device, before it runs anything."""
    global _device
    _device = device


def visible_devices(environment):
    """Return the variable that leaves only the worker's own device visible to CUDA.

    CUDA reads it when it is first used.

    Parameters
    ----------
    environment : mapping
        The parent's, which may itself see only some devices.

    Returns
    -------
    variables : dict
        Empty if the worker has no device of its own.
    """
    if not _is_cuda(_device):
        return {}
    index = int(_device.partition(":")[2] or 0)
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return {"CUDA_VISIBLE_DEVICES": str(index)}
    names = visible.split(",")
    # A device that the parent does not see is not there for the worker either.
    return {"CUDA_VISIBLE_DEVICES": names[index].strip() if index < len(names) else ""}


def _is_cuda(device):
    return device is not None and device.partition(":")[0] == "cuda"

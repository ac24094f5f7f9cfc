"""What a training borrows from the process: generators, threads, a device."""

import contextlib
import ctypes
import functools
import os
import threading

import torch
from threadpoolctl import ThreadpoolController

from skextra.neural_network._training._company import Company
from skextra.parallel import leased_device

# torch has one default generator a process. Fits in threads of one process take turns, so that
# each draws the sequence of its own seed.
_GENERATOR_LOCK = threading.RLock()


_has_computed = False  # whether torch may have started threads


def _after_fork():
    """Give a forked process a lock of its own, and one thread if it has lost the others.

    The thread that holds the lock is not in the forked process, nor are the threads of OpenMP
    that its parent has started: it would wait for both for ever.
    """
    global _GENERATOR_LOCK
    _GENERATOR_LOCK = threading.RLock()
    if _has_computed:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)

# Pixels of a batch up to which one thread is about as fast as two, and not slowed by neighbours.
SMALL_BATCH = 64 * 8 * 8


def training_turn():
    """Return a context in which no other thread of the process trains."""
    return _GENERATOR_LOCK


@contextlib.contextmanager
def private_generator(state_or_seed, device):
    """Run torch's default generators from a seed or state, then put back what was there.

    Parameters
    ----------
    state_or_seed : int or tensor
        A seed, or what this context manager's `get_state` returned at the end of another run.
    device : torch.device
        The accelerator whose generator is kept as well.

    Yields
    ------
    get_state : callable
        Returns the state of the CPU generator.
    """
    devices = [device] if device.type == "cuda" else []
    with _GENERATOR_LOCK, torch.random.fork_rng(devices=devices):
        if isinstance(state_or_seed, torch.Tensor):
            torch.default_generator.set_state(state_or_seed)
        else:
            torch.default_generator.manual_seed(state_or_seed)
            if devices:
                torch.cuda.manual_seed(state_or_seed)
        yield torch.default_generator.get_state


def generator_states(device):
    """Return the states of the generators that a training on a device draws from."""
    states = {"cpu": torch.default_generator.get_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generator_states(states, device):
    """Put the generators in the states that `generator_states` returned."""
    torch.default_generator.set_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


@contextlib.contextmanager
def threads_for(n_pixels):
    """Let torch compute batches of so many pixels without waste.

    Small batches are computed on one thread: only the calling thread is limited, and what it had
    comes back. Larger ones keep the threads there are, which do not spin in company.

    Yields
    ------
    look : callable
        To be called before each batch: looks whether other programs want the cores.
    """
    global _has_computed
    _has_computed = True
    if n_pixels <= SMALL_BATCH:
        with one_thread():
            yield _look_at_nothing
    else:
        with Company(_openmp().lib_controllers) as company:
            yield company.look


def _look_at_nothing():
    """Stand in where one thread computes: it waits for no other."""


@contextlib.contextmanager
def one_thread():
    """Let the calling thread start no other threads of OpenMP.

    A process that forks after they were started cannot use them in the child: it would wait for
    ever for threads that were not forked.
    """
    torch.get_num_threads()  # torch sets the number when a thread first asks, and would undo this
    libraries = _openmp().lib_controllers
    before = [library.get_num_threads() for library in libraries]
    # MKL follows OpenMP only until the program has called torch.set_num_threads.
    before_mkl = _limit_mkl()(1)
    try:
        for library in libraries:
            library.set_num_threads(1)
        yield
    finally:
        for library, n_threads in zip(libraries, before, strict=True):
            library.set_num_threads(n_threads)
        _limit_mkl()(before_mkl)


@functools.cache
def _limit_mkl():
    """Return the function that limits the MKL in torch for the calling thread.

    It takes the number of threads, 0 for no limit, and returns the last one. Where torch was
    built without MKL it does nothing.
    """
    library = ctypes.CDLL(torch._C.__file__)
    return getattr(library, "MKL_Set_Num_Threads_Local", lambda n_threads: 0)


@functools.cache
def _openmp():
    return ThreadpoolController().select(user_api="openmp")


def torch_device(device):
    """Return the torch device that `device` names; "auto" is the leased one, else the best."""
    if device != "auto":
        try:
            return torch.device(device)
        except RuntimeError as error:
            raise ValueError(f"device={device!r} is no device of torch: {error}") from error
    if (leased := leased_device()) is not None:
        return torch.device(leased)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def multiplies_bfloat16(device):
    """Return whether a device is a CPU with instructions for matrices of bfloat16."""
    # float32 is right everywhere, only slower with AMX. The default goes when torch 2.11, the
    # first that says so in public, is the oldest that is supported.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)
    return device.type == "cpu" and capabilities().get("amx_bf16", False)


@contextlib.contextmanager
def explaining_lack_of_memory(doing, batch_size, device):
    """Say which batch size failed where the memory of a device does not suffice."""
    try:
        yield
    except RuntimeError as error:
        is_cpu = "DefaultCPUAllocator" in str(error)
        if not is_cpu and not isinstance(error, torch.OutOfMemoryError):
            raise
        raise torch.OutOfMemoryError(
            f"The memory of {device} does not suffice for {doing} with batches of {batch_size} "
            f"images. Give a smaller batch_size or image_size. ({error})"
        ) from error

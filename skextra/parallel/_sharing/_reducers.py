"""How large arrays and tensors are pickled: as a buffer in a segment and what to make of it.

A reducer is called with an object and the buffers of the pickle, and returns what ``__reduce__``
would, or NotImplemented where the object is to be pickled as usual.
"""

import functools
import mmap
import os
import pickle
import sys

import numpy as np

from skextra.parallel._sharing._segments import order_of

_IMMUTABLE = {str, bytes, int, float, bool, type(None)}


def reducers():
    """Return the reducers by the type that they are for: exactly that, not its subclasses."""
    found = {np.ndarray: _reduce_array, np.memmap: _reduce_memmap}
    torch = sys.modules.get("torch")
    if hasattr(torch, "Tensor") and hasattr(torch, "nn"):  # else it is just being imported
        found[torch.Tensor] = found[torch.nn.Parameter] = _reduce_tensor
    return found


def _reduce_array(array, buffers):
    if array.nbytes <= buffers.sharing.max_nbytes:
        return NotImplemented
    if array.dtype.hasobject:
        return _reduce_objects(array, buffers)
    reduced = _reduce_mapped(array, buffers.sharing)
    if reduced is not None:
        return reduced
    buffer = buffers.place(array, array)
    if buffer is None:
        return NotImplemented
    return _as_array, (buffer, array.dtype, array.shape, order_of(array))


def _as_array(buffer, dtype, shape, order):
    return buffer.view(dtype).reshape(shape, order=order)


def _reduce_memmap(array, buffers):
    # What somebody maps for writing stays his file, however small.
    if array.nbytes > buffers.sharing.max_nbytes or array.mode in ("r+", "w+"):
        reduced = _reduce_mapped(array, buffers.sharing)
        if reduced is not None:
            return reduced
    plain = np.asarray(array)  # the file of a memmap that is pickled as such is lost
    reduced = _reduce_array(plain, buffers)
    return plain.__reduce_ex__(4) if reduced is NotImplemented else reduced


def _reduce_mapped(array, sharing):
    """Refer to the file that an array is mapped from; None if there is none to refer to."""
    view = array
    while view is not None and not isinstance(getattr(view, "base", None), mmap.mmap):
        view = getattr(view, "base", None)
    # Changes to a copy-on-write mapping are not in its file. What has no name has one in /proc.
    if not isinstance(view, np.memmap) or view.mode == "c" or view.filename is None:
        return None
    name = os.fspath(view.filename)
    folder = os.path.basename(os.path.dirname(name))
    if name.startswith("/proc/") or folder.startswith("skextra-"):  # one of our segments
        return None
    low, high = np.lib.array_utils.byte_bounds(array)
    offset = low - np.lib.array_utils.byte_bounds(view)[0] + view.offset
    if high == low or any(stride < 0 for stride in array.strides):
        return None
    if not sharing.maps(view):
        return None
    try:
        if os.stat(name).st_size < offset + high - low:
            return None
    except OSError:  # removed
        return None
    mode = "c" if view.mode == "r" else "r+"
    return _open_file, (name, mode, offset, high - low, array.dtype, array.shape, array.strides)


def _open_file(name, mode, offset, nbytes, dtype, shape, strides):
    content = np.memmap(name, np.uint8, mode, offset, (nbytes,))
    first = content[: dtype.itemsize].view(dtype)
    return np.lib.stride_tricks.as_strided(first, shape, strides, subok=True)


def _reduce_objects(array, buffers):
    """Pickle an array of strings once for all tasks; others are pickled with each."""
    immutable = _IMMUTABLE
    if "pandas" in sys.modules and hasattr(sys.modules["pandas"], "NA"):
        immutable = {*_IMMUTABLE, type(sys.modules["pandas"].NA)}
    if array.dtype != object or not set(map(type, array.flat)) <= immutable:
        return NotImplemented
    buffer = buffers.place(array, array, _encode)
    return NotImplemented if buffer is None else (pickle.loads, (buffer,))


def _encode(array):
    return np.frombuffer(pickle.dumps(array, protocol=5), np.uint8)


def _reduce_tensor(tensor, buffers):
    torch = sys.modules["torch"]
    plain = (
        tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
        and not tensor.is_conj()
        and not tensor.is_neg()
        and tensor.is_leaf
        and not tensor.__dict__
        and not tensor._backward_hooks
        and tensor.nbytes > buffers.sharing.max_nbytes
    )
    if not plain:
        return NotImplemented
    data = tensor.detach()
    # Channels last and the like: dense in another order of the dimensions.
    order = sorted(range(data.ndim), key=data.stride, reverse=True)
    dense = data.permute(order)
    strides = data.stride()
    if not dense.is_contiguous():
        dense = data.contiguous()
        strides = dense.stride()
    buffer = buffers.place(tensor, dense.reshape(-1).view(torch.uint8).numpy())
    if buffer is None:
        return NotImplemented
    kind = functools.partial(torch.nn.Parameter, requires_grad=tensor.requires_grad)
    if type(tensor) is torch.Tensor:
        kind = functools.partial(torch.Tensor.requires_grad_, requires_grad=tensor.requires_grad)
    return _as_tensor, (buffer, data.dtype, tuple(data.shape), strides, kind)


def _as_tensor(buffer, dtype, shape, strides, kind):
    import torch

    content = torch.from_numpy(np.asarray(buffer)).view(dtype)
    return kind(content.as_strided(shape, strides))

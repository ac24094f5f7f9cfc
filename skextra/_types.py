"""Types that the annotations share. Only type checkers import this module."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import Module

# Arrays of any namespace, tables, sparse matrices and collections of Dask have no type in common.
Data: TypeAlias = ArrayLike | Any
# An ndarray for most X, a lazy Dask array for a collection, else an array of the namespace of X.
Predicted: TypeAlias = np.ndarray | Any
Names: TypeAlias = Sequence[str] | np.ndarray
FilePath: TypeAlias = str | PathLike[str]
RandomState: TypeAlias = int | np.random.RandomState | None
AxesLike: TypeAlias = Axes | Sequence[Any] | np.ndarray
NetworkMaker: TypeAlias = Callable[..., Module]
Augmentation: TypeAlias = Callable[[Tensor], Tensor]

"""The only file that imports scikit-learn's private names.

scikit-learn may move these between minor versions. Whatever the package needs beyond the public
interface comes through here, so that such a move is mended in one place.
"""

import os

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context as fit_context
from sklearn.utils._array_api import (
    _convert_to_numpy,
    _find_matching_floating_dtype,
    check_same_namespace,
    get_namespace,
    get_namespace_and_device,
)
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.parallel import _get_threadpool_controller as threadpool_controller
from sklearn.utils.validation import _assert_all_finite as assert_all_finite
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "assert_all_finite",
    "check_partial_fit_first_call",
    "check_same_namespace",
    "check_sample_weight",
    "fit_context",
    "floating_dtype",
    "from_numpy",
    "is_foreign",
    "threadpool_controller",
    "to_numpy",
    "validate_params",
]


def to_numpy(array):
    """Return an array of any namespace as a NumPy array; sparse matrices stay as they are."""
    if isinstance(array, np.ndarray) or sparse.issparse(array):
        return array
    xp, is_array_api = get_namespace(array)
    return _convert_to_numpy(array, xp) if is_array_api else np.asarray(array)


def from_numpy(array, like):
    """Return a NumPy array in the namespace and on the device of `like`.

    Strings, and anything while scikit-learn's ``array_api_dispatch`` is off, stay in NumPy.
    """
    if array.dtype.kind in "OSU" or type(like) is np.ndarray:
        return array
    xp, is_array_api, device = get_namespace_and_device(like)
    return xp.asarray(array, device=device) if is_array_api else array


def floating_dtype(like):
    """Return the NumPy dtype of what is fitted to or predicted for `like`.

    float64, unless the process may use array API dispatch: scikit-learn's ``array_api_dispatch``
    is on, or SCIPY_ARRAY_API=1 allows it. Then it is the dtype of `like` if that is float32 or
    float64, else the default of its namespace and device, which may have no float64; scikit-learn
    checks that NumPy arrays without dispatch get the same dtype as other arrays with it.
    """
    if sparse.issparse(like):
        return np.dtype(np.float64)
    xp, is_array_api, _ = get_namespace_and_device(like)
    if not is_array_api and os.environ.get("SCIPY_ARRAY_API") != "1":
        return np.dtype(np.float64)
    dtype = _find_matching_floating_dtype(like, xp=xp)
    return np.dtype(np.float64 if dtype == xp.float64 else np.float32)


def is_foreign(array, other):
    """Whether two arrays are of different namespaces, neither of them NumPy or SciPy."""
    if any(isinstance(each, np.ndarray) or sparse.issparse(each) for each in (array, other)):
        return False
    return get_namespace(array)[0] is not get_namespace(other)[0]

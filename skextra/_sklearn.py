"""The only file that imports scikit-learn's private names, or asks for its version.

scikit-learn may move these between minor versions. Whatever the package needs beyond the public
interface comes through here, so that such a move is mended in one place. Each branch for older
versions names the version with which it goes.
"""

import os
from importlib.metadata import metadata
from inspect import signature

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import _fit_context as fit_context
from sklearn.utils._array_api import (
    _convert_to_numpy,
    _find_matching_floating_dtype,
    _is_numpy_namespace,
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
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.utils._array_api import check_same_namespace
except ImportError:  # goes when scikit-learn 1.9 is the oldest that is supported

    def check_same_namespace(X, estimator, *, attribute, method):
        """Raise a ValueError unless X is in the namespace and on the device of an attribute."""
        if not get_config()["array_api_dispatch"]:
            return
        fitted, _, fitted_device = get_namespace_and_device(getattr(estimator, attribute))
        given, _, given_device = get_namespace_and_device(X)
        same = fitted == given and fitted_device == given_device
        if not (same or (_is_numpy_namespace(fitted) and _is_numpy_namespace(given))):
            raise ValueError(
                f"Inputs passed to {type(estimator).__name__}.{method}() must use the same "
                "namespace and the same device as those passed to fit(): fit() had "
                f"{fitted.__name__} on {fitted_device}, {method}() has {given.__name__} on "
                f"{given_device}."
            )


if "allow_all_zero_weights" in signature(_check_sample_weight).parameters:
    check_sample_weight = _check_sample_weight
else:  # goes when scikit-learn 1.9 is the oldest that is supported

    def check_sample_weight(sample_weight, X, **options):
        """Validate sample weights as the newest scikit-learn does: not all may be zero."""
        weights = _check_sample_weight(sample_weight, X, **options)
        if not np.any(weights):
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return weights


try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # goes when scikit-learn 1.9 is the oldest that is supported

    class CallbackSupportMixin:
        """Stands where scikit-learn has no callbacks: nobody can register one."""

        def _init_callback_context(self, **_):
            return _NoCallbacks()

    def with_callbacks(method):
        """Return the method as it is: there are no callbacks to be ended."""
        return method

    class _NoCallbacks:
        """The context of a task, for callbacks that do not exist."""

        def subcontext(self, **_):
            return self

        def call_on_fit_task_begin(self, **_):
            return None

        def call_on_fit_task_end(self, **_):
            return False  # whether to stop


__all__ = [
    "CallbackSupportMixin",
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
    "hook_pipelines",
    "is_foreign",
    "print_elapsed_time",
    "threadpool_controller",
    "to_numpy",
    "validate_params",
    "with_callbacks",
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
    may_dispatch = get_config()["array_api_dispatch"] or os.environ.get("SCIPY_ARRAY_API") == "1"
    if not may_dispatch or sparse.issparse(like):
        return np.dtype(np.float64)
    xp, _, _ = get_namespace_and_device(like)
    dtype = _find_matching_floating_dtype(like, xp=xp)
    return np.dtype(np.float64 if dtype == xp.float64 else np.float32)


def is_foreign(array, other):
    """Whether two arrays are of different namespaces, neither of them NumPy or SciPy."""
    if any(isinstance(each, np.ndarray) or sparse.issparse(each) for each in (array, other)):
        return False
    return get_namespace(array)[0] is not get_namespace(other)[0]


def hook_pipelines(get_memory, stand_in):
    """Give the pipelines of this process a memory, and their steps what stands in for them.

    Nothing is changed in a pipeline: what it looks up while it fits and predicts is other.

    Parameters
    ----------
    get_memory : callable
        Returns what a pipeline that has no ``memory`` is to fit its steps with, or None.
    stand_in : callable
        Called with a step by which a pipeline transforms rows before its last step sees them;
        returns it, or an object with the same methods.
    """
    from sklearn import __version__, pipeline

    try:
        check_memory, iterate = pipeline.check_memory, pipeline.Pipeline._iter
    except AttributeError as error:
        raise RuntimeError(
            f"reuse_steps=True does not know the pipelines of scikit-learn {__version__}: leave "
            f"the option out, or give the pipeline a memory of its own ({error})"
        ) from error

    def check_memory_or_hook(memory):
        hooked = get_memory() if memory is None else None
        return check_memory(memory) if hooked is None else hooked

    def iterate_or_hook(self, with_final=True, **kwargs):
        steps = iterate(self, with_final=with_final, **kwargs)
        if with_final or kwargs:  # for another purpose than to transform rows
            return steps
        return ((index, name, stand_in(step)) for index, name, step in steps)

    pipeline.check_memory, pipeline.Pipeline._iter = check_memory_or_hook, iterate_or_hook


def print_elapsed_time(source, message):
    """Return a context that prints how long a step took, if there is a message."""
    from sklearn.utils._user_interface import _print_elapsed_time

    return _print_elapsed_time(source, message)


@property
def doc_link_template(self):
    """The address of an estimator's API page, to which the "?" of its HTML leads.

    It is empty, and scikit-learn then draws no "?", unless the metadata of the package name the
    address of its documentation.
    """
    for link in metadata("skextra").get_all("Project-URL", []):
        label, address = link.split(", ", 1)
        if label == "Documentation":
            return address.rstrip("/") + "/api/generated/skextra.{estimator_name}.html"
    return ""

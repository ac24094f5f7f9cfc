"""How many threads the libraries in a worker may use: its share of the cores."""

import os
import sys

# What joblib does not set: these libraries ask neither OpenMP nor BLAS. LightGBM, and nested calls
# of joblib, ask `joblib.cpu_count`, which looks at the first.
_COUNT = "LOKY_MAX_CPU_COUNT"
_MORE_VARIABLES = (
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def with_more_limits(environment, share, is_explicit):
    """Add the variables of libraries that joblib does not know of.

    Parameters
    ----------
    environment : dict of str to str
        The variables that joblib sets.
    share : int
        How many threads a worker may use.
    is_explicit : bool
        Whether the caller has said so; else variables that are set already hold.

    Returns
    -------
    environment : dict of str to str
        With the other variables.
    """
    more = {}
    for name in _MORE_VARIABLES:
        given = None if is_explicit else os.environ.get(name)
        more[name] = str(share) if given is None else given
    given = os.environ.get(_COUNT, "")
    more[_COUNT] = str(min(share, int(given)) if given.isdigit() and int(given) > 0 else share)
    return environment | more


class ThreadLimits:
    """Holds the libraries that are loaded already to what the environment says.

    They read the environment once, when they were loaded, which may have been in the fork server;
    those that are loaded later read it themselves.
    """

    def __init__(self):
        self._controller = None
        self._n_modules = 0  # when the controller looked for libraries

    def apply(self, environment):
        """Set the limits of the calling thread."""
        from threadpoolctl import ThreadpoolController

        if self._n_modules != len(sys.modules):
            self._controller = ThreadpoolController()
            self._n_modules = len(sys.modules)

        def limit(variable):
            # OpenMP takes a list, one number for each level of nesting.
            first = environment.get(variable, "").split(",")[0]
            return int(first) if first.isdigit() and int(first) > 0 else None

        limits = {
            "openmp": limit("OMP_NUM_THREADS"),
            "blas": limit("OPENBLAS_NUM_THREADS"),
            "mkl_rt": limit("MKL_NUM_THREADS"),
            "libblis": limit("BLIS_NUM_THREADS"),
        }
        found = {key: value for key, value in limits.items() if value is not None}
        self._controller.limit(limits=found)
        torch = sys.modules.get("torch")
        if limits["openmp"] is not None and hasattr(torch, "set_num_threads"):
            torch.set_num_threads(limits["openmp"])

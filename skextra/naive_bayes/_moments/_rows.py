"""The moments of rows in memory, whatever they are stored as."""

from scipy import sparse

from skextra.naive_bayes._moments._dense import accumulate
from skextra.naive_bayes._moments._sparse import accumulate_sparse


def moments_of_rows(X, codes, sample_weight, n_classes, n_jobs=None):
    """Return the moments of dense, CSR or CSC rows, as `_dense.accumulate` does."""
    collect = accumulate_sparse if sparse.issparse(X) else accumulate
    return collect(X, codes, sample_weight, n_classes, n_jobs)

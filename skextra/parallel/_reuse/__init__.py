"""Steps of pipelines that are fitted once for all the fits of one call (``reuse_steps=True``).

The parent has a `Keeper` (`_keeper`): a thread that keeps what workers have computed, in memory
without a name, and says who computes what. On a cluster, each node has one (`_node`). In a worker,
scikit-learn's pipelines ask a `StepMemory` (`_steps`), which finds out what a step depends on
(`_identity`), asks the keeper (`_turn`), and reads or writes entries (`_entry`).
"""

import warnings


def open_keeper(max_nbytes=None):
    """Return a keeper for one configured ``Parallel``.

    Parameters
    ----------
    max_nbytes : int or None
        How much it keeps; by default a quarter of the free memory.
    """
    from skextra.parallel._reuse._keeper import open_keeper

    return open_keeper(max_nbytes)


def warn_of_problem(problem):
    """Say what kept steps from being shared.

    Parameters
    ----------
    problem : str or None
        What a worker has reported, if one has.
    """
    if problem is not None:
        warnings.warn(
            f"reuse_steps: some steps could not be kept and were fitted for each task: {problem}",
            stacklevel=3,
        )

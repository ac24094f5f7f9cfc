"""Steps of pipelines that are fitted once for all the fits of one call (``reuse_steps=True``).

The parent has a `Keeper` (`_keeper`): a thread that keeps what workers have computed, in memory
without a name, and says who computes what. In a worker, scikit-learn's pipelines ask a
`StepMemory` (`_steps`), which finds out what a step depends on (`_identity`), asks the keeper
(`_turn`), and reads or writes entries (`_entry`).
"""

import warnings


def open_keeper(max_nbytes=None):
    """Return a keeper for one configured ``Parallel``.

    Parameters
    ----------
    max_nbytes : int or None
        How much it keeps; by default a quarter of the free memory.
    """
    from skextra.parallel._reuse._keeper import Keeper, can_keep
    from skextra.parallel._reuse._memory import free_nbytes

    if not can_keep():
        raise ValueError(
            "reuse_steps=True needs memory that processes of Linux share; leave it out on this "
            "system, or give the pipeline a memory of its own"
        )
    return Keeper(free_nbytes() // 4 if max_nbytes is None else max_nbytes)


def close_keeper(keeper):
    """Close a keeper, and say what went wrong."""
    keeper.close()
    if keeper.problem is not None:
        warnings.warn(
            f"reuse_steps: some steps could not be kept and were fitted for each task: "
            f"{keeper.problem}",
            stacklevel=3,
        )

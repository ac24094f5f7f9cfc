"""The keepers of a node of a cluster: one for each call whose attempts run there."""

import contextlib
import threading
import time

from skextra.parallel._reuse._keeper import open_keeper

# Nobody tells a node that a call is over: its program may have been killed. A keeper closes if for
# so long no attempt of its call runs here.
_LINGER_SECONDS = 10

_lock = threading.Lock()
_uses = {}  # by call


class _Use:
    """The keeper of a call, and the attempts that use it."""

    def __init__(self, max_nbytes, limit):
        self.n_attempts, self.left = 0, 0.0
        self.keeper = open_keeper(max_nbytes, limit, self._is_over)

    def _is_over(self):
        return not self.n_attempts and time.monotonic() > self.left + _LINGER_SECONDS


@contextlib.contextmanager
def keeper_of(call, max_nbytes, limit):
    """Return, as a context, the keeper of a call; it stays open while attempts use it.

    Parameters
    ----------
    call : str
        Which call of which client.
    max_nbytes : int or None
        How much is kept; by default a quarter of the memory that is free here.
    limit : int or None
        How much of it the Dask worker may use.
    """
    with _lock:
        for other in [name for name, use in _uses.items() if not use.keeper.is_open]:
            del _uses[other]
        if call not in _uses:
            _uses[call] = _Use(max_nbytes, limit)
        use = _uses[call]
        use.n_attempts += 1
    try:
        yield use.keeper
    finally:
        with _lock:
            use.left = time.monotonic()
            use.n_attempts -= 1

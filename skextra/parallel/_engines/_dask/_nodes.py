"""The nodes of a cluster: how many slots each has."""

import asyncio
import time

# How often the scheduler of the cluster is asked which nodes there are.
_LOOK_SECONDS = 0.5


def _usable(n_slots, options):
    """Return how many of the slots of a node attempts with these options can use."""
    if options.devices is None:
        return n_slots
    return min(n_slots, len(options.devices) * options.tasks_per_device)


class Nodes:
    """The nodes of a cluster, which come and go.

    Parameters
    ----------
    client : distributed.Client
        The client of the cluster.
    """

    def __init__(self, client):
        self._client = client
        self._n_slots_of = {}  # by the address of the node
        self._none_since = None
        self._has_looked = asyncio.Event()

    @property
    def seconds_without(self):
        """For how long there has been no node; None if there is one."""
        since = self._none_since
        return None if since is None else time.monotonic() - since

    def n_usable(self, options):
        """Return how many slots attempts with these options can use."""
        return sum(_usable(n_slots, options) for n_slots in list(self._n_slots_of.values()))

    # From here on everything runs on the loop of the client.

    async def exist(self):
        """Return whether there is any node, as soon as that is known."""
        await self._has_looked.wait()
        return bool(self._n_slots_of)

    async def watch(self, on_growth):
        """Look which nodes there are, for ever.

        Parameters
        ----------
        on_growth : callable
            Called with the number of slots more than there have ever been.
        """
        most = None
        while True:
            try:
                slots = await self._client.nthreads()
                self._n_slots_of = {node: n_slots for node, n_slots in slots.items() if n_slots}
            except Exception:  # no scheduler, for now: it is the client that connects again
                self._n_slots_of = {}
            self._has_looked.set()
            if self._n_slots_of:
                self._none_since = None
            elif self._none_since is None:
                self._none_since = time.monotonic()
            n_slots = sum(self._n_slots_of.values())
            if most is not None and n_slots > most:
                on_growth(n_slots - most)
            most = max(most or 0, n_slots)
            await asyncio.sleep(_LOOK_SECONDS)

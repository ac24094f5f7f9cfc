"""The nodes of a cluster: how many slots each has, and which is to get the next attempt."""

import asyncio
import collections
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
        self._n_sent_to = collections.Counter()  # the same: attempts that are there
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

    def choose(self, options):
        """Return the node that has the fewest attempts per slot, and count one more there.

        Dask itself would keep most of many like tasks on its scheduler until a slot is free for
        each, and it would not send a task to a node that came later than the data of the task.
        What it is told here is no more than a wish: idle nodes steal, and those that go lose it.

        Returns
        -------
        node : str or None
            Its address; None without nodes.
        """
        slots = self._n_slots_of
        if not slots:
            return None
        node = min(slots, key=lambda node: self._n_sent_to[node] / _usable(slots[node], options))
        self._n_sent_to[node] += 1
        return node

    def release(self, node):
        """Count one attempt less on what `choose` has returned."""
        if node is not None:
            self._n_sent_to[node] -= 1

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

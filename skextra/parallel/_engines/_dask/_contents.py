"""Where the contents of a call lie on the cluster: put there once, and again if they are lost."""

import asyncio
import copy
import itertools


class Placement:
    """Puts contents on a cluster.

    Parameters
    ----------
    client : distributed.Client
        The client; everything here runs on its loop.
    """

    def __init__(self, client):
        self._client = client
        self._lock = asyncio.Lock()  # attempts that start together need the same contents
        self._numbers = itertools.count()

    async def place(self, message):
        """Return what a task is to be given for the contents that a message refers to.

        A content is kept as long as the cluster's future of it, which the content holds. A small
        one travels with the first attempt that needs it, as many are needed once only.

        Parameters
        ----------
        message : bytes-like
            The pickled calls of an attempt.

        Returns
        -------
        contents : list of Content or distributed.Future
            In any order.
        """
        contents = list(dict.fromkeys(message.segments))
        async with self._lock:
            missing = {}
            for content in contents:
                content.n_uses += 1
                is_there = content.place is not None and content.place.status == "finished"
                if not is_there and not (content.is_small and content.n_uses == 1):
                    content.place = None
                    missing[f"skextra-{content.key}-{next(self._numbers)}"] = content
            if missing:
                # Copies: a cluster in this process would keep the future that keeps the content.
                copies = {key: copy.copy(content) for key, content in missing.items()}
                futures = await self._client.scatter(copies, broadcast=True)
                for key, content in missing.items():
                    content.place = futures[key]
        return [content if content.place is None else content.place for content in contents]

"""The Dask client of a call: the user's own, or one for the address that the user gave."""

import asyncio

_own = {}  # by address, or by cluster: the clients that were opened here


def open_client(cluster):
    """Return a client of a cluster.

    Parameters
    ----------
    cluster : distributed.Client, or what `distributed.Client` takes as an address
        What the option ``cluster`` says.

    Raises
    ------
    ImportError, ValueError, ConnectionError
        If there is no Dask, no such client, or nobody at the address.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        raise ModuleNotFoundError(
            'the option cluster needs Dask, which is not there: pip install "skextra[cluster]"',
            name=error.name,
        ) from error
    if isinstance(cluster, Client):
        return _checked(cluster)
    for key, client in list(_own.items()):
        if client.status != "running":
            del _own[key]
    if cluster not in _own:
        try:
            _own[cluster] = Client(cluster, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ConnectionError(
                f"cluster={cluster!r}: no Dask scheduler could be reached there: {error}"
            ) from error
    return _own[cluster]


def _checked(client):
    if client.status != "running":
        raise ConnectionError(
            f"cluster={client!r}: this client is {client.status}; open another one."
        )
    if client.asynchronous:
        raise ValueError(
            "cluster: this client was opened with asynchronous=True, and Parallel waits for "
            "results; open one without."
        )
    return client


def count_slots(client):
    """Return how many tasks the nodes of a cluster run at once; 0 if it cannot be reached."""
    try:
        return sum(client.nthreads().values())
    except OSError:  # its scheduler is gone; the engine waits for it
        return 0


async def result_of(future):
    """Return the result of a future. It harms nobody if the wait is cancelled.

    A client asks for several results in one request, and a wait that is cancelled cancels that
    request: other waits, of the user's own too, would end with it, or never.

    Parameters
    ----------
    future : distributed.Future
        The future, of a client on whose loop this runs.

    Raises
    ------
    ConnectionError
        If somebody else has cancelled the request.
    Exception
        The error that the future ended with.
    """

    async def wait():
        return await future

    waiting = asyncio.ensure_future(wait())
    # Nobody else looks at the error of a wait that goes on though it was cancelled.
    waiting.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        if asyncio.current_task().cancelling():
            raise
        raise ConnectionError("the request for a result was cancelled") from None

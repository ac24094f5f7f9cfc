"""What the client of a cluster and its nodes say to each other, and which versions may."""

import contextlib
import platform
import zlib
from dataclasses import dataclass, field

# Where the others are compared in full, a bug-fix release of Python changes no result.
_PYTHON = "python"
# Callbacks of scikit-learn report through it to a socket of the machine that they were made on.
_CALLBACKS = b"sklearn.callback._transport"
# Compressing more would take longer than many a network.
_MAX_COMPRESSED_NBYTES = 2**20


@dataclass(frozen=True)
class Header:
    """What all attempts of a call have in common.

    Nothing in it is of the client's environment, directory or paths.

    Parameters
    ----------
    call : str
        Another one for each call of each client.
    machine : tuple of str
        Which machine the client runs on.
    versions : dict of str to str
        Those of the client: Python, and what calls compute with.
    settings : bytes
        The pickled `Settings`, in which a node fills in its own environment, directory and paths.
    modules : list of str
        The heavy modules that the client has imported, and that its tasks may well need.
    initializer, task_timeout, devices, tasks_per_device, is_journaled
        As in `SessionOptions`.
    """

    call: str
    machine: tuple
    versions: dict
    settings: bytes
    initializer: bytes | None = None
    task_timeout: float | None = None
    devices: tuple | None = None
    tasks_per_device: int = 1
    is_journaled: bool = False
    modules: list = field(default_factory=list)


@dataclass
class Reply:
    """What became of an attempt on a node.

    Parameters
    ----------
    node : str
        The address of the Dask worker.
    answers : list of (int, bytes)
        Up to how many calls the results are known, and the message with the next ones.
    seconds : float
        How long the calls took.
    failed : bool
        Whether the last answer is an error.
    death : Death or None
        How the worker process died, if it did.
    position : int or None
        Which call it was in.
    held : Held or None
        Which modules of the user's the process had imported.
    refusal : (str, str, str) or None
        What has another version there: its name, the version there and the client's. Nothing
        was run.
    problem : str or None
        Why the node could not keep a step of a pipeline, if it could not.
    out_of_reach : bool
        Whether the calls have callbacks that could not reach the client. Nothing was run.
    """

    node: str
    answers: list = field(default_factory=list)
    seconds: float = 0.0
    failed: bool = False
    death: object = None
    position: int | None = None
    held: object = None
    refusal: tuple | None = None
    problem: str | None = None
    out_of_reach: bool = False


def this_machine():
    """Return what tells this machine from others: its name, and when it was started."""
    boot = ""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read()
    return platform.node(), boot


def has_callbacks(message):
    """Whether the calls of a message may report to callbacks of scikit-learn."""
    return _CALLBACKS in message


def shrink(message):
    """Compress what is not too long for that; calls of a search have most bytes in common.

    Parameters
    ----------
    message : bytes-like
        Not beginning with an "x", as no message and no pickle does.
    """
    return zlib.compress(message, 1) if len(message) <= _MAX_COMPRESSED_NBYTES else bytes(message)


def expand(message):
    """Return what was given to `shrink`."""
    return zlib.decompress(message) if message[:1] == b"x" else message


def other_version(of_client, version_here, is_journaled):
    """Find what a client and this node have in different versions.

    Parameters
    ----------
    of_client : dict of str to str
        The client's versions, by name.
    version_here : callable
        Returns the version of a name here, None if it is not here.
    is_journaled : bool
        Whether results go to a journal, whose keys hold the exact versions.

    Returns
    -------
    difference : (str, str, str) or None
        The name, the version here, the version of the client.
    """
    for name, theirs in of_client.items():
        ours = version_here(name)
        if ours is None or ours == theirs:
            continue
        if name == _PYTHON and not is_journaled and _minor(ours) == _minor(theirs):
            continue
        return name, ours, theirs
    return None


def _minor(version):
    return version.split(".")[:2]

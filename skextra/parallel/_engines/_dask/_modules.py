"""Modules of the user's on the nodes: one that is missing there, or that is in another state."""

from skextra._fingerprint._modules import find, read_file
from skextra.parallel._messages import ERROR, unpack_error


class ModuleCheck:
    """Compares the modules that nodes have imported with those of this program, in one call."""

    def __init__(self):
        self._checked = {}  # by module and the hash of its file there: whether it is the same

    def find_error(self, reply, message):
        """Return the error that explains or refuses a reply, None if there is none.

        Parameters
        ----------
        reply : Reply
            The reply.
        message : bytes-like
            The calls that it answers.
        """
        imported = {} if reply.held is None else reply.held.imported()
        # A process holds what other calls have imported too, even those of other clients. Calls
        # that name none of it use none of it.
        if any(module.encode() in message for module in imported):
            for module, content in imported.items():
                key = module, content
                if key not in self._checked:
                    self._checked[key] = _is_same(module, content)
                if not self._checked[key]:
                    return _refuse(module, reply.node)
        if reply.failed and reply.answers and reply.answers[-1][1][:1] == ERROR:
            try:
                error = unpack_error(reply.answers[-1][1])
            except Exception:  # the caller gets that when it reads the answer
                return None
            return explain_missing(error, f"the node {reply.node}")
        return None


def _is_same(module, content):
    found = find(module)
    if found is None or found.file is None:  # of the node only
        return True
    return read_file(found.file)[0] == content


def _refuse(module, node):
    return RuntimeError(
        f"The node {node} has the module {module} in another state than this program: send its "
        "file there with client.upload_file, or restart this program if the file was edited here."
    )


def explain_missing(error, node):
    """Return an error that says what to do about a module that a node lacks, else None.

    Parameters
    ----------
    error : Exception
        What a task, or reading it, has raised.
    node : str
        Where, in words.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = find(error.name)
    if module is None:  # it is missing here too, so that the error says it all
        return None
    package = error.name.partition(".")[0]
    if module.file is None:
        advice = f"Install {package} where the workers run, in the version that this program has."
    else:
        advice = (
            "Send its file there with client.upload_file (a package as a zip file), or install it "
            "where the workers run."
        )
    explained = ModuleNotFoundError(
        f"A task needs the module {error.name}, which {node} does not have. {advice}",
        name=error.name,
    )
    explained.__cause__ = error
    return explained

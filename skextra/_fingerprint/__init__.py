"""What a result depends on, as bytes: the journal and the checkpoints both ask here.

`fingerprint` counts values by their content and code as a build system does: a module of the
user's by the content of its file and of the files of what it imports (`_modules`, `_imports`),
an installed distribution by its version (`_versions`), and code that has no file, such as a
script's, by what it is (`_code`). What cannot be told apart is refused with a `FingerprintError`.
"""

import weakref

from skextra._fingerprint._errors import FingerprintError
from skextra._fingerprint._hashing import make_hash
from skextra._fingerprint._loaded import edited_module, note_imports
from skextra._fingerprint._modules import Snapshot, python_state
from skextra._fingerprint._values import fingerprint_of, plain_state

__all__ = ["FingerprintError", "Fingerprinter", "fingerprint", "note_imports"]


def fingerprint(value):
    """Return bytes that stand for a value and for all that it does.

    Parameters
    ----------
    value : object
        Anything made of plain values, containers, arrays, tables, functions, classes, modules,
        estimators, and objects that can be pickled. Lambdas and closures count by what they do.

    Returns
    -------
    fingerprint : bytes of length 20
        The same in every process as long as the content, the code that it refers to, and the
        versions of Python, of skextra and of the installed packages are the same.

    Raises
    ------
    FingerprintError
        If that cannot be told, as of a lock or a generator.

    Examples
    --------
    >>> from skextra._fingerprint import fingerprint
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1)
    True
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    """
    return Fingerprinter().fingerprint(value)


class Fingerprinter:
    """Fingerprints of many values, such as those of one call of the backend.

    Each file is looked at once, and code without a file is walked through once as long as the
    names in it refer to the same objects.

    Attributes
    ----------
    files : dict
        The hash of the file of each module of the user's that a fingerprint so far depends on.
    descriptions : dict
        How what many calls have in common is written out, by its fingerprints.
    common : tuple or None
        The arguments that the last call had in common with those before it, and what was made of
        them.
    """

    def __init__(self):
        self._snapshot = Snapshot()
        self._code = {}
        self.descriptions = {}
        self.common = None
        self._clones = {}
        self._shared = {}  # what many values have in common, and its fingerprint, by identity

    @property
    def files(self):
        """The hash of the file of each module of the user's that counted so far."""
        return self._snapshot.files

    def edited_module(self):
        """Return the name and the file of a module that this process may hold in another state.

        What is counted is the file; for what runs in this process, ask here whether it is that.
        None if it is.
        """
        return edited_module(self.files)

    def fingerprint(self, value):
        """Return the fingerprint of a value."""
        return make_hash(python_state(), self.part(value))

    def part(self, value):
        """Return the fingerprint of a part of a value, without the version of Python."""
        try:
            return fingerprint_of(value, self._snapshot, self._code)
        except RecursionError as error:
            raise FingerprintError(value, "it is nested too deeply") from error

    def clone(self, value):
        """Return the fingerprint of a part of which many calls have copies, as of an estimator.

        It is found once for all whose attributes are equal and plain.
        """
        state = plain_state(value, self._snapshot)
        if state is None:
            return self.part(value)
        if state not in self._clones:
            self._clones[state] = self.part(value)
        return self._clones[state]

    def shared(self, value, content=None):
        """Return the fingerprint of a part that does not change, found once per object.

        Parameters
        ----------
        value : object
            The part.
        content : callable, default=None
            What of it counts; by default the value itself.
        """
        known, found = self._shared.get(id(value), (None, None))
        if isinstance(known, weakref.ref):
            known = known()
        if known is not value or found is None:
            found = self.part(value if content is None else content(value))
            self._shared[id(value)] = _reference(value), found
        return found


def _reference(value):
    try:
        return weakref.ref(value)
    except TypeError:  # a list, say; it has to live on, or another may get its identity
        return value

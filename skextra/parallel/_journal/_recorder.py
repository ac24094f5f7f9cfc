"""Which tasks of a call are in its journal, and what is to be written there."""

import collections
import functools
import reprlib
import sqlite3
import sys
import threading
import warnings
import weakref

from skextra._fingerprint._hashing import make_hash
from skextra._fingerprint._values import digest
from skextra.parallel._journal._file import close_journal, open_journal, versions
from skextra.parallel._messages import RESULT, pack_simply
from skextra.parallel._searches import is_fit

_MARK = "_skextra_journaled"
# Arguments of a fit that have no influence on what it returns, or only if it fails.
_NO_INFLUENCE = {
    "callback_ctx",
    "caller",
    "candidate_progress",
    "error_score",
    "split_progress",
    "verbose",
}
_DATA, _OF_A_SPLIT = ("X", "y"), ("train", "test")
_SMALL = {type(None), bool, int, float, str}


def journaled(function):
    """Let a function's results be written to the journal, and taken from there.

    The fits of scikit-learn's searches always are. Any other function is only if marked: its
    result must depend on its arguments alone, and running it must have no other effect.

    Parameters
    ----------
    function : callable
        The function.

    Returns
    -------
    function : callable
        The same function, or a partial of it where it cannot be marked.

    Examples
    --------
    >>> from skextra.parallel import journaled
    >>> @journaled
    ... def simulate(seed):
    ...     return seed**2
    >>> simulate(3)
    9
    """
    try:
        setattr(function, _MARK, True)
    except AttributeError:  # built in
        function = functools.partial(function)
        setattr(function, _MARK, True)
    return function


class Entry:
    """Where in the journal the result of a call belongs, and what readers want to know of it."""

    def __init__(self, key, occurrence, row, error_score):
        self.key, self.occurrence, self.row = key, occurrence, row
        self.error_score = error_score  # of a fit


class Recorder:
    """What one configured ``Parallel`` has of a journal.

    Parameters
    ----------
    path : path-like
        Of the journal.
    """

    def __init__(self, path):
        self._file = open_journal(path)
        self._lock = threading.Lock()
        self._occurrences = collections.Counter()
        self._shared = {}  # what many fits of a call have in common, and its digest, by identity
        self._known = {}
        self._estimators = {}  # how estimators are written, by their digest
        self._versions = digest(sorted(versions().items()))
        self._n_calls = self._n_found = 0
        self._only_fits = True
        self._problem = None

    def find(self, call):
        """Look a call up.

        Parameters
        ----------
        call : (function, args, kwargs)
            The call.

        Returns
        -------
        entry : Entry or None
            None if calls of this function are not journaled.
        message : bytes or None
            The result, if the journal has it.
        """
        function = call[0]
        is_a_fit = is_fit(function)
        if not is_a_fit and not getattr(function, _MARK, False):
            return None, None
        with self._lock:
            try:
                key, row = self._fit(call) if is_a_fit else self._other(call)
            except Exception as error:
                self._note(f"not every call can be written to it: {error}")
                return None, None
            self._n_calls += 1
            self._only_fits &= is_a_fit
            occurrence = self._occurrences[key]
            self._occurrences[key] += 1
            try:
                message = self._file.find(key, occurrence)
            except sqlite3.Error as error:
                self._note(f"reading from it failed: {error}")
                return None, None
            self._n_found += message is not None
        error_score = call[2].get("error_score") if is_a_fit else None
        return Entry(key, occurrence, row, error_score), message

    def record(self, results):
        """Write results, each with its entry; a search that cannot write goes on without."""
        try:
            rows = [
                (entry.key, entry.occurrence, entry.row, pack_simply(RESULT, [result]))
                for entry, result in results
                if not _is_failure(result, entry.error_score)
            ]
            if rows:
                self._file.add(rows)
        except Exception as error:
            self._note(f"writing to it failed, and some results are not in it: {error}")

    def end_call(self):
        """Take nothing to be unchanged any more: its owner has it back."""
        with self._lock:
            self._shared.clear()

    def report(self):
        """Say how much was found, and what went wrong."""
        path = self._file.path
        if self._n_found:
            what = "fits" if self._only_fits else "tasks"
            text = f"{self._n_found} of {self._n_calls} {what} were in the journal {path}"
            print(text, file=sys.stderr)
        elif self._n_calls and self._file.n_before:
            warnings.warn(
                f"Nothing in the journal {path} matched: the data, the parameters, the code or "
                "the versions have changed, or the splits are random and not seeded.",
                stacklevel=2,
            )
        if self._problem is not None:
            warnings.warn(f"The journal {path}: {self._problem}", stacklevel=2)

    def close(self):
        """Let others use the journal."""
        close_journal(self._file)

    def _note(self, problem):
        self._problem = self._problem or problem

    def _fit(self, call):
        function, args, kwargs = call
        given = dict(zip(("estimator", "X", "y"), args, strict=False)) | kwargs
        given = {name: value for name, value in given.items() if name not in _NO_INFLUENCE}
        estimator, parameters = given.pop("estimator"), given.pop("parameters", None)
        splits = [self._once(given.pop(name, None)) for name in _OF_A_SPLIT]
        data = [self._once(given.pop(name, None)) for name in _DATA]
        of_estimator = digest(estimator, self._known)
        candidate = make_hash(
            function.__qualname__,
            self._versions,
            self._once(getattr(function, "config", None)),
            of_estimator,
            digest(None if parameters is None else _sorted(parameters), self._known),
            *(self._once(part) for pair in _sorted(given) for part in pair),
        )
        if of_estimator not in self._estimators:
            self._estimators[of_estimator] = reprlib.repr(estimator)
        row = {
            "function": function.__qualname__,
            "estimator": self._estimators[of_estimator],
            "candidate": make_hash(candidate, *data),
            "parameters": pack_simply(RESULT, parameters),
            "fold": (kwargs.get("split_progress") or (None,))[0],
        }
        return make_hash(candidate, *data, *splits), row

    def _other(self, call):
        key = digest(["call", self._versions, *call], self._known)
        return key, {"function": getattr(call[0], "__qualname__", repr(call[0]))}

    def _once(self, value):
        """Digest what fits have in common, once a call."""
        if type(value) in _SMALL:
            return digest(value)
        known, found = self._shared.get(id(value), (None, None))
        if isinstance(known, weakref.ref):
            known = known()
        if known is not value or found is None:
            found = digest(_sorted(value) if type(value) is dict else value, self._known)
            self._shared[id(value)] = _reference(value), found
        return found


def _reference(value):
    try:
        return weakref.ref(value)
    except TypeError:  # a list, say; it has to live on, or another may get its identity
        return value


def _is_failure(result, error_score):
    """Whether a fit failed, or its scorer did: then it is to be tried again."""
    if not isinstance(result, dict) or "test_scores" not in result:
        return False
    if result.get("fit_error") is not None:
        return True
    scores = result["test_scores"]
    scores = scores.values() if isinstance(scores, dict) else [scores]
    return any(
        score == error_score or (score != score and error_score != error_score) for score in scores
    )


def _sorted(mapping):
    return None if mapping is None else sorted(mapping.items(), key=lambda pair: str(pair[0]))

"""The parent's half of a journal: which calls are in it, and what is to be written there."""

from __future__ import annotations

import collections
import functools
import sqlite3
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from skextra._fingerprint import Fingerprinter, FingerprintError
from skextra._fingerprint._hashing import make_hash
from skextra._fingerprint._modules import python_state
from skextra._fingerprint._witness import explain
from skextra.parallel._journal._file import (
    JournalError,
    close_journal,
    kind_of,
    open_journal,
    program_history,
)
from skextra.parallel._journal._functions import is_covered
from skextra.parallel._journal._identity import Identity
from skextra.parallel._messages import RESULT, pack_simply, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

_MARK = "_skextra_journaled"


def journaled(function: F) -> F:
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
    """The place of a call's result in the journal.

    Parameters
    ----------
    identity : Identity
        Of the call.
    key : bytes
        That of the identity with what holds for the whole call.
    occurrence : int
        How many equal calls came before.
    files : dict
        The hashes of the files that the key was made of.
    error_score : object
        What a fit that fails gets as its score.
    """

    def __init__(self, identity, key, occurrence, files, error_score):
        self.row, self.key, self.occurrence = identity.row, key, occurrence
        self.files, self.error_score = files, error_score


class Recorder:
    """What one configured ``Parallel`` has of a journal.

    Parameters
    ----------
    path : path-like
        Of the journal.
    initializer : tuple, default=None
        What workers run before their first task, with its arguments: every result may depend on
        it.
    unseeded : Counter, default=None
        How often each call without a seed came so far, in all calls of one configuration: so
        every repeat is a result of its own, and the next program finds them in the same order.
    """

    def __init__(self, path, initializer=None, unseeded=None):
        self._file = open_journal(path)
        self._lock = threading.Lock()
        self._thread = threading.current_thread()
        self._initializer = initializer
        self._unseeded = collections.Counter() if unseeded is None else unseeded
        self._seeded = collections.Counter()
        self._fingerprinter = self._base = None
        self._n_calls = self._n_found = 0
        self._only_fits = True
        self._kinds = set()  # of the calls, to say whether the journal has any such
        self._problems = []

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
        covered = is_covered(function)
        if not covered and not getattr(function, _MARK, False):
            return None, None
        with self._lock:
            try:
                entry = self._entry(call)
            except FingerprintError as error:
                self._note(f"some calls are not written to it and not looked up: {error}")
                entry = None
            message = None if entry is None else self._message(entry)
            self._only_fits &= "fold" in (entry.row if entry is not None else {})
            self._n_found += message is not None
        self._say(now=True)
        return entry, message

    def _entry(self, call):
        if self._fingerprinter is None:
            self._fingerprinter = Fingerprinter()
            self._base = make_hash(python_state(), self._fingerprinter.part(self._initializer))
        identity = Identity(call, self._fingerprinter)
        explain(self._fingerprinter.files)
        key = make_hash(self._base, identity.key)
        self._n_calls += 1
        self._kinds.add(kind_of(identity.row["function"], identity.row.get("estimator")))
        places = self._seeded if identity.is_seeded else self._unseeded
        occurrence, places[key] = places[key], places[key] + 1
        error_score = call[2].get("error_score")
        return Entry(identity, key, occurrence, self._fingerprinter.files, error_score)

    def _message(self, entry):
        """Return the result that the journal has; None for one that cannot be read."""
        try:
            message = self._file.find(entry.key, entry.occurrence)
        except sqlite3.Error as error:
            self._note(f"reading from it failed: {error}")
            return None
        if message is None:
            return None
        try:
            unpack(message)
        except Exception as error:
            self._note(
                "results in it cannot be read, and their calls are done again: "
                f"{type(error).__name__}: {error}"
            )
            return None
        return message

    def record(self, results):
        """Write results, each with its entry and what its worker held.

        A search that cannot write goes on without. A result of other code than its key says is
        left out.

        Parameters
        ----------
        results : list of (Entry, object, Held or None)
            The results.
        """
        try:
            rows = []
            for entry, result, held in results:
                if _is_failure(result, entry.error_score):
                    continue
                reason = None if held is None else held.other_state(entry.files)
                if reason is not None:
                    self._note(f"some results are not written to it: {reason}")
                    continue
                message = pack_simply(RESULT, [result])
                rows.append((entry.key, entry.occurrence, entry.row, message))
            if rows:
                self._file.add(rows)
        except JournalError as error:
            self._note(str(error))
        except Exception as error:
            self._note(f"writing to it failed, and some results are not in it: {error}")

    def end_call(self):
        """Take nothing to be unchanged any more: its owner has it back."""
        with self._lock:
            self._fingerprinter = None
            self._seeded.clear()

    def report(self):
        """Say how much was found, and what went wrong."""
        path = self._file.path
        history = program_history(path)
        if self._n_found:
            history.has_found = True
            what = "fits" if self._only_fits else "tasks"
            text = f"{self._n_found} of {self._n_calls} {what} were in the journal {path}"
            print(text, file=sys.stderr)
        elif self._n_calls and not history.has_found and self._kinds & history.kinds:
            history.has_found = True  # once per program
            warnings.warn(
                f"Nothing in the journal {path} matched: the data, the parameters, the code or "
                "the versions have changed, or the splits are random and not seeded.",
                stacklevel=2,
            )
        self._say()

    def close(self):
        """Let others use the journal."""
        close_journal(self._file)

    def _note(self, problem):
        if all(problem != known for known, _ in self._problems):
            self._problems.append((problem, False))

    def _say(self, now=False):
        """Warn of each problem once; while the call runs, only in the caller's own thread."""
        if now and threading.current_thread() is not self._thread:
            return
        pending = [problem for problem, is_said in self._problems if not is_said]
        self._problems = [(problem, True) for problem, _ in self._problems]
        for problem in pending:
            warnings.warn(f"The journal {self._file.path}: {problem}", stacklevel=3)


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

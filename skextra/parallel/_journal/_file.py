"""Finished tasks on disk, so that a search that was killed goes on where it was."""

import contextlib
import os
import sqlite3
import threading
import time
import warnings
from pathlib import Path

from skextra._fingerprint._versions import versions
from skextra.parallel._journal._lock import take_lock

# "skxj" in the header of the file, where SQLite has a place for it.
APPLICATION_ID = 0x736B786A
FORMAT = 1
_NETWORK_FILE_SYSTEMS = {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "gpfs", "lustre"}
_NETWORK_FILE_SYSTEMS |= {"nfs", "nfs4", "ncpfs", "smb3", "smbfs", "beegfs", "panfs"}
# After so long what was written goes from SQLite's log into the file itself, which may be moved.
_CHECKPOINT_SECONDS = 0.25
# The keys of so many results are kept in memory (12 MB): most calls of a new search are in none.
_MOST_KEYS = 100_000
_SCHEMA = """
CREATE TABLE header (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    occurrence INTEGER NOT NULL,
    function TEXT NOT NULL,
    estimator TEXT,
    candidate BLOB,
    parameters BLOB,
    fold INTEGER,
    finished REAL NOT NULL,
    result BLOB NOT NULL,
    UNIQUE (key, occurrence)
);
"""

_OF_A_CALL = "function", "estimator", "candidate", "parameters", "fold"
_COLUMNS = "key", "occurrence", "finished", "result", *_OF_A_CALL
_ADD = f"INSERT OR REPLACE INTO results ({', '.join(_COLUMNS)}) "
_ADD += f"VALUES ({', '.join('?' * len(_COLUMNS))})"


# O_BINARY: Windows takes a file for text otherwise.
_OTHER_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class JournalError(RuntimeError):
    """A journal is used by another program, or the file is damaged or no journal."""


class JournalFile:
    """A journal that this process writes to; nobody else may meanwhile.

    Parameters
    ----------
    path : Path
        The file. It is made, for its owner only, if it is not there.
    """

    def __init__(self, path):
        self.path = path
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._timer = None  # of the next checkpoint
        self._has_added = False
        # The lock of the system, which ends with the process, however that ends. SQLite has its
        # own on top, for single transactions.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _OTHER_FLAGS, 0o600)
        try:
            self._take()
            is_new = self._check()
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                self._prepare(is_new)
                self._keys = self._known_keys()
                _remember_history(path, self._connection)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            os.close(self._descriptor)
            raise JournalError(f"The journal {path} cannot be used: {error}.") from error
        except BaseException:
            os.close(self._descriptor)
            raise

    def _take(self):
        try:
            take_lock(self._descriptor)
        except NotImplementedError as error:
            text = f"The journal {self.path} cannot be written: {error}. Journal reads it."
            raise JournalError(text) from None
        except BlockingIOError:
            text = (
                f"The journal {self.path} is in use by another program, or by a fork of this one."
            )
            raise JournalError(text) from None

    def _check(self):
        """Return whether the file is new; raise if it is no journal, and leave it as it is."""
        start = self._start(100)
        if not start:
            return True
        check_header(self.path, start)
        if Path(f"{self.path}-journal").exists():
            # A writer was killed in the middle of a transaction: SQLite takes that back.
            with contextlib.closing(open_for_reading(self.path, "rw")) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not self._start(1):
                return True
        with contextlib.closing(open_for_reading(self.path)) as connection:
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise JournalError(f"The journal {self.path} is damaged: {damage}.")
            check_format(self.path, connection)
        return False

    def _start(self, n_bytes):
        # Not os.pread, which Windows lacks.
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.read(self._descriptor, n_bytes)

    def _prepare(self, is_new):
        execute = self._connection.execute
        # The log that readers need not wait for wants memory that all share: one machine.
        mode = "DELETE" if _is_on_network(self.path) else "WAL"
        if is_new:  # nothing is lost with it: it is synchronized once, when it is whole
            execute("PRAGMA synchronous = OFF")
        execute("BEGIN")
        if is_new:
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            for statement in _SCHEMA.split(";")[:-1]:
                execute(statement)
            execute("INSERT INTO header VALUES ('format', ?)", (str(FORMAT),))
        header = dict(execute("SELECT name, value FROM header"))
        for name, version in versions().items():
            if header.get(name) != version:
                execute("INSERT OR REPLACE INTO header VALUES (?, ?)", (name, version))
        warn_of_lost_log(self.path, header.get("written_at"), stacklevel=6)
        here = os.path.realpath(self.path)
        execute("INSERT OR REPLACE INTO header VALUES ('written_at', ?)", (here,))
        execute("COMMIT")
        execute(f"PRAGMA journal_mode = {mode}")
        if is_new:
            os.fsync(self._descriptor)
        # What is in the log survives the end of the program, however it ends. The log itself is
        # synchronized with each checkpoint, so that a machine that fails loses a second's results.
        execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'WAL' else 'FULL'}")
        if not is_new:  # where it is written is to be in the file itself
            execute("PRAGMA wal_checkpoint")

    def _known_keys(self):
        """Return the keys of all results, if they are few enough to keep; else None."""
        n_results = self._connection.execute("SELECT count(*) FROM results").fetchone()[0]
        if n_results > _MOST_KEYS:
            return None
        return {key for (key,) in self._connection.execute("SELECT key FROM results")}

    def find(self, key, occurrence):
        """Return the message with a result, or None."""
        if self._keys is not None and key not in self._keys:
            return None
        query = "SELECT result FROM results WHERE key = ? AND occurrence = ?"
        row = self._one(query, key, occurrence)
        return None if row is None else row[0]

    def add(self, results):
        """Write results, all or none; when this returns, no end of this program loses them.

        Parameters
        ----------
        results : list of (key, occurrence, row, message)
            Of each where it belongs, what readers want to know, and the message with it.
        """
        self._check_place()
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(_ADD, [_as_row(*result) for result in results])
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            if self._keys is not None:
                self._keys.update(key for key, *_ in results)
            if not self._has_added:  # a moved file has these at least
                self._has_added = True
                self._connection.execute("PRAGMA wal_checkpoint")
            elif self._timer is None:
                self._timer = threading.Timer(_CHECKPOINT_SECONDS, self._checkpoint)
                self._timer.daemon = True
                self._timer.start()

    def _checkpoint(self):
        """Put what the log holds into the file, and both on disk."""
        with self._lock:
            if self._timer is None:  # closed meanwhile
                return
            self._timer = None
            with contextlib.suppress(sqlite3.Error):  # of a full disk, the next result says more
                self._connection.execute("PRAGMA wal_checkpoint")

    def _check_place(self):
        """Raise unless the open file is still the one at its path."""
        try:
            if os.path.samestat(os.stat(self.path), os.fstat(self._descriptor)):
                return
            what = "replaced by another file"
        except OSError:
            what = "removed or moved"
        raise JournalError(
            f"it was {what} while results were written to it; no more are written, and those "
            "so far are in the removed file."
        )

    def _one(self, query, *values):
        with self._lock:
            return self._connection.execute(query, values).fetchone()

    def close(self):
        """Let others use it."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            with contextlib.suppress(sqlite3.Error):  # a file that is gone, or a full disk
                self._connection.execute("DELETE FROM header WHERE name = 'written_at'")
            self._connection.close()
        os.close(self._descriptor)


def _as_row(key, occurrence, row, message):
    return key, occurrence, time.time(), message, *map(row.get, _OF_A_CALL)


class History:
    """What was in a journal before this program opened it.

    Attributes
    ----------
    kinds : set of (str, str)
        The functions of its results, and the classes of the estimators.
    has_found : bool
        Whether this program has found any of them, or been told that it did not.
    """

    def __init__(self, kinds):
        self.kinds = kinds
        self.has_found = False


def kind_of(function, estimator):
    """Return what two calls have in common that differ in parameters or data only."""
    return function, (estimator or "").partition("(")[0]


_histories = {}  # by path


def program_history(path):
    """Return the history of the journal at a path."""
    return _histories[path]


def _remember_history(path, connection):
    # Of one that was removed and made again, nothing is known.
    known = connection.execute("SELECT count(*) FROM results").fetchone()[0] and path in _histories
    if not known:
        kinds = connection.execute("SELECT DISTINCT function, estimator FROM results")
        _histories[path] = History({kind_of(*row) for row in kinds})


_files = {}  # the open ones: how many use them
_files_lock = threading.Lock()
_of_parents = []  # what a fork may neither use nor close


def open_journal(path):
    """Return the journal at a path, shared by all who use it in this process."""
    path = Path(path).expanduser().resolve()
    with _files_lock:
        file, n_users = _files.get(path, (None, 0))
        if file is None:
            file = JournalFile(path)
        _files[path] = file, n_users + 1
        return file


def is_open_here(path):
    """Whether this process writes to the journal at a path."""
    with _files_lock:
        return Path(path).expanduser().resolve() in _files


def close_journal(file):
    """Say that one of its users needs it no longer."""
    if file.pid != os.getpid():
        return
    with _files_lock:
        _, n_users = _files.pop(file.path)
        if n_users > 1:
            _files[file.path] = file, n_users - 1
        else:
            file.close()


def _forget_after_fork():
    global _files_lock
    _files_lock = threading.Lock()
    _of_parents.extend(_files.values())
    _files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def check_header(path, start):
    """Raise unless a file begins as journals do."""
    is_sqlite = start[:16] == b"SQLite format 3\0" and len(start) == 100
    if not is_sqlite or int.from_bytes(start[68:72], "big") != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of skextra; it was left as it is.")


def check_format(path, connection):
    """Raise unless this version of the package can read the journal."""
    row = connection.execute("SELECT value FROM header WHERE name = 'format'").fetchone()
    if row is None or row[0] != str(FORMAT):
        found = "none" if row is None else row[0]
        text = (
            f"The journal {path} has the format {found}; this version of skextra reads {FORMAT}."
        )
        raise JournalError(text)


def warn_of_lost_log(path, written_at, stacklevel):
    """Say that results may lie elsewhere: the file was moved away from a writer's log."""
    if written_at is None or written_at == os.path.realpath(path):
        return
    log = f"{written_at}-wal"
    if os.path.exists(log) and os.path.getsize(log):
        warnings.warn(
            f"The journal {path} was moved from {written_at} after its program was killed: the "
            f"last results may lie beside that, in {log}. Move it too, to {path}-wal, before you "
            "use the journal.",
            stacklevel=stacklevel + 1,
        )


def open_for_reading(path, mode="ro"):
    """Open a journal such that nothing is written to it.

    In the mode "rw", SQLite tidies up after a writer that was killed, and after itself. In the
    mode "immutable" it needs no place to write to, and does not look at its log.
    """
    query = "immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?{query}", uri=True)
    connection.execute("PRAGMA query_only = 1")
    return connection


def _is_on_network(path):
    """Whether a file is on a file system that other machines see too."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:  # no Linux: it may be
        return True
    best, kind = "", ""
    for line in lines:
        left, _, right = line.partition(" - ")
        mount = left.split()[4].replace("\\040", " ")
        if path.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind in _NETWORK_FILE_SYSTEMS

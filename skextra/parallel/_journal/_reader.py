"""What a journal holds, for those who want to look."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skextra.parallel._journal._file import (
    JournalError,
    check_format,
    check_header,
    is_open_here,
    open_for_reading,
    warn_of_lost_log,
)
from skextra.parallel._messages import unpack

if TYPE_CHECKING:
    import pandas as pd

    from skextra._types import FilePath


class Journal:
    """Read the journal of a search, finished or not.

    Reading needs no lock: a search may be writing to it meanwhile. The results in it are pickles,
    so read only a journal that you have written yourself.

    Parameters
    ----------
    path : path-like
        The file given as the option ``journal`` of the backend.

    Attributes
    ----------
    path : Path
        The file.
    versions : dict
        The versions of what the results depend on, when they were written last.

    Examples
    --------
    >>> import os, tempfile
    >>> from joblib import parallel_config
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skextra.parallel import Journal
    >>> search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}, cv=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "search.sqlite")
    ...     with parallel_config("skextra", n_jobs=2, journal=path):
    ...         _ = search.fit(*load_iris(return_X_y=True))
    ...     journal = Journal(path)
    ...     print(len(journal), journal.to_dataframe()["split0_test_score"].round(2).tolist())
    6 [0.92, 0.92]
    """

    path: Path
    versions: dict[str, str]

    def __init__(self, path: FilePath) -> None:
        self.path = Path(path).expanduser()
        with self._connection() as connection:
            self.versions = dict(connection.execute("SELECT name, value FROM header"))
        del self.versions["format"]
        warn_of_lost_log(self.path, self.versions.pop("written_at", None), stacklevel=2)

    def __len__(self) -> int:
        """Return the number of results in the journal."""
        with self._connection() as connection:
            return connection.execute("SELECT count(*) FROM results").fetchone()[0]

    def __repr__(self) -> str:
        return f"<Journal {os.fspath(self.path)!r} with {len(self)} results>"

    def rows(self) -> list[dict[str, Any]]:
        """Return what is in the journal, in the order in which it was finished.

        Returns
        -------
        rows : list of dict
            Of each result: ``function`` and ``estimator`` (its name and its representation),
            ``parameters``, ``fold``, ``finished`` (seconds since 1970) and ``result``, what the
            function returned. The middle ones are None if it is not a fit of a search.
        """
        return [{name: row[name] for name in row.keys() - {"candidate"}} for row in self._read()]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the fits in the shape of ``cv_results_``.

        Returns
        -------
        table : pandas.DataFrame
            A row for each candidate that has at least one fit, with the columns of
            ``pandas.DataFrame(search.cv_results_)`` but the ranks, and ``n_splits``, how many of
            its fits have been finished. Scores of folds that are not in the journal are NaN, and
            the means are over those that are.
        """
        import pandas as pd

        groups = []
        latest = {}
        for row in self._read():
            if row["candidate"] is None:
                continue
            group = latest.get(row["candidate"])
            # The same fold again: another round of a halving search, or another splitting.
            if group is None or (row["fold"] in group and row["fold"] is not None):
                group = latest[row["candidate"]] = {}
                groups.append((row["parameters"], group))
            fold = len(group) if row["fold"] is None else row["fold"]
            group[fold] = row["result"]
        return pd.DataFrame([_candidate(parameters, folds) for parameters, folds in groups])

    def _read(self):
        with self._connection() as connection:
            connection.row_factory = sqlite3.Row
            for row in connection.execute("SELECT * FROM results ORDER BY number").fetchall():
                values = {
                    name: row[name] for name in ("function", "estimator", "fold", "finished")
                }
                values["candidate"] = row["candidate"]
                parameters = row["parameters"]
                values["parameters"] = None if parameters is None else _readable(parameters)
                result = _readable(row["result"])
                values["result"] = result if isinstance(result, Unreadable) else result[0]
                yield values

    @contextlib.contextmanager
    def _connection(self):
        # Closing a file ends the locks that this process has on it, those of its writer too.
        if not is_open_here(self.path):
            with open(self.path, "rb") as file:
                check_header(self.path, file.read(100))
        try:
            with (
                self._place() as (path, mode),
                contextlib.closing(open_for_reading(path, mode)) as connection,
            ):
                check_format(self.path, connection)
                yield connection
        except (sqlite3.Error, pickle.UnpicklingError) as error:
            raise JournalError(f"The journal {self.path} cannot be read: {error}.") from error

    @contextlib.contextmanager
    def _place(self):
        """Say where to read and how; where nothing can be written, from a copy if need be."""
        log = Path(f"{self.path}-wal")
        if os.access(self.path.absolute().parent, os.W_OK):
            yield self.path, "rw" if os.access(self.path, os.W_OK) else "ro"
        elif not log.exists() or not log.stat().st_size:
            yield self.path, "immutable"
        else:
            with tempfile.TemporaryDirectory(prefix="skextra-journal-") as folder:
                copy = Path(folder, self.path.name)
                shutil.copyfile(self.path, copy)
                shutil.copyfile(log, f"{copy}-wal")
                yield copy, "rw"


class Unreadable:
    """In place of what a journal holds and this program cannot read.

    Parameters
    ----------
    reason : str
        Why.
    """

    def __init__(self, reason):
        self.reason = reason

    def __repr__(self):
        return f"<unreadable: {self.reason}>"


def _readable(message):
    """Read a part of a row, such as an object of a class that only its program has."""
    try:
        return unpack(message)
    except Exception as error:
        return Unreadable(f"{type(error).__name__}: {error}")


def _candidate(parameters, folds):
    """Return a row of ``cv_results_`` from what the fits of a candidate returned."""
    import numpy as np

    row = {}
    series = {"fit_time": {}, "score_time": {}}
    readable = {fold: r for fold, r in sorted(folds.items()) if not isinstance(r, Unreadable)}
    for fold, result in readable.items():
        for kind in ("test_scores", "train_scores"):
            scores = result.get(kind)
            if scores is None:
                continue
            named = scores if isinstance(scores, dict) else {"score": scores}
            for name, score in named.items():
                series.setdefault(f"{kind.partition('_')[0]}_{name}", {})[fold] = score
        for name in ("fit_time", "score_time"):
            series[name][fold] = result.get(name, np.nan)
    for name in ("fit_time", "score_time"):
        values = list(series.pop(name).values()) or [np.nan]
        row[f"mean_{name}"], row[f"std_{name}"] = np.mean(values), np.std(values)
    if not isinstance(parameters, Unreadable):
        row |= {f"param_{name}": value for name, value in (parameters or {}).items()}
    row["params"] = parameters or {}
    for name, scores in sorted(series.items()):
        for fold, score in scores.items():
            row[f"split{fold}_{name}"] = score
        values = list(scores.values())
        row[f"mean_{name}"], row[f"std_{name}"] = np.mean(values), np.std(values)
    row["n_splits"] = len(readable)
    return row

"""The table of journaled functions: each is run, killed, and goes on where it was."""

import collections
import importlib
import re

import pytest

from skextra.parallel import Journal
from skextra.parallel._journal._functions import FUNCTIONS, is_covered

# By the name of a function: a program that hands it to joblib, and how many calls there are.
RUNS = {
    "_fit_and_score": ("cross_val_score(model, X, y, cv=6)", 6),
    "_fit_and_predict": ("cross_val_predict(model, X, y, cv=6).sum()", 6),
    "cross_val_predict": ("StackingClassifier([('a', model), ('b', other)], cv=3).fit(X, y)", 2),
    "_permutation_test_score": (
        "permutation_test_score(model, X, y, cv=2, n_permutations=6, random_state=0)[1].sum()",
        6,
    ),
    "_incremental_fit_estimator": (
        "learning_curve(model, X, y, cv=6, exploit_incremental_learning=True)[2].sum()",
        6,
    ),
    "_fit_and_score_over_thresholds": ("TunedThresholdClassifierCV(model, cv=6).fit(X, y)", 6),
    "_rfe_single_fit": ("RFECV(linear, cv=6).fit(X, y)", 6),
    "_fit_single_estimator": (
        "VotingClassifier([('a', model), ('b', other), ('c', linear)]).fit(X, y)",
        3,
    ),
    "_parallel_build_estimators": (
        "BaggingClassifier(model, n_estimators=6, random_state=0).fit(X, y)",
        2,
    ),
    "_fit_classifier_calibrator_pair": ("CalibratedClassifierCV(model, cv=6).fit(X, y)", 6),
    "_calculate_permutation_scores": (
        "permutation_importance(fitted, X, y, n_repeats=2, random_state=0)",
        4,
    ),
    "_fit_binary": ("OneVsRestClassifier(model).fit(X, labels)", 4),
    "_fit_ovo_binary": ("OneVsOneClassifier(model).fit(X, labels)", 6),
    "_fit_estimator": ("MultiOutputClassifier(model).fit(X, np.c_[y, y, 1 - y, 1 - y, y])", 5),
}

PROGRAM = """
import os, sys, time
import numpy as np
import skextra
from joblib import parallel_config
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFECV
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    TunedThresholdClassifierCV, cross_val_predict, cross_val_score, learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB

draw = np.random.default_rng(0)
X, y = draw.normal(size=(60, 4)), np.tile([0, 1], 30)
labels = np.tile([0, 1, 2, 3], 15)
model, other, linear = GaussianNB(), GaussianNB(var_smoothing=0.1), LogisticRegression()
fitted = GaussianNB().fit(X, y)
with parallel_config("skextra", n_jobs=2, journal="j.sqlite"):
    result = {run}
if hasattr(result, "predict_proba"):
    result = result.predict_proba(X).sum() if not isinstance(
        result.predict_proba(X), list) else result.predict(X).sum()
elif hasattr(result, "predict"):
    result = result.predict(X).sum()
print(result)
"""


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_name_is_that_of_scikit_learn(module, name):
    """A new scikit-learn that renames a function of the table is noticed here."""
    assert is_covered(getattr(importlib.import_module(module), name))


def test_every_row_of_table_is_run():
    assert {name for _, name in FUNCTIONS} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_killed_run_goes_on(name, run_script, tmp_path, path, eventually):
    """All but one result are in the journal of a killed run; the next does that one only."""
    import sqlite3

    run, n_calls = RUNS[name]
    text = PROGRAM.replace("{run}", run)
    lines, err = run_script(text).finish()
    file = tmp_path / "j.sqlite"
    counts = collections.Counter(row["function"] for row in Journal(file).rows())
    assert counts[name] >= n_calls, counts
    # What a kill leaves behind, whatever the moment: some of the results.
    with sqlite3.connect(file) as connection:
        query = "DELETE FROM results WHERE number IN (SELECT max(number) FROM results)"
        connection.execute(query)
    connection.close()
    n_left = sum(counts.values()) - 1
    (tmp_path / "temporary").rename(tmp_path / "before")
    again, err = run_script(text).finish()
    assert again == lines
    assert len(Journal(file)) == n_left + 1
    found = [int(n) for n in re.findall(r"(\d+) of \d+ \w+ were in the journal", err)]
    assert sum(found) == n_left

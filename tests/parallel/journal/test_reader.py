"""What a journal tells those who look."""

import subprocess
import sys
import textwrap

import cloudpickle
import numpy as np
import pandas as pd
from joblib import parallel_config
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
)

from skextra.parallel import Journal
from skextra.parallel._journal._file import close_journal, open_journal
from skextra.parallel._messages import RESULT, pack
from tests.parallel import searches
from tests.parallel.searches import X, run, y

cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(searches)


def test_the_table_has_the_shape_of_cv_results(path):
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [1, 2], "fit_intercept": [True, False]},
        scoring=["accuracy", "roc_auc"],
        refit=False,
        return_train_score=True,
    )
    expected = pd.DataFrame(run(search, path).cv_results_)
    table = Journal(path).to_dataframe().sort_values(["param_C", "param_fit_intercept"])
    table = table.set_index(expected.index[[1, 0, 3, 2]]).loc[expected.index]
    assert set(table.columns) - {"n_splits"} == {c for c in expected.columns if "rank" not in c}
    for name in expected.columns:
        if "mean" in name or "std" in name or "split" in name:
            np.testing.assert_allclose(table[name], expected[name], rtol=1e-9, atol=1e-12)
    assert table["params"].tolist() == expected["params"].tolist()


def test_the_rows_of_a_journal(path):
    with parallel_config("skextra", n_jobs=2, journal=path):
        cross_val_score(LogisticRegression(), X, y, cv=3)
    journal = Journal(path)
    assert repr(journal) == f"<Journal '{path}' with 3 results>"
    assert journal.versions["numpy"] == np.__version__
    rows = journal.rows()
    assert len(rows) == len(journal) == 3
    assert {row["function"] for row in rows} == {"_fit_and_score"}
    assert {row["estimator"] for row in rows} == {"LogisticRegression()"}
    assert all(row["result"]["fit_error"] is None for row in rows)
    assert journal.to_dataframe()["n_splits"].tolist() == [3]


def test_reading_does_not_need_pandas_before_it_is_asked():
    text = """
        import sys
        import skextra.parallel
        skextra.parallel.Journal
        assert "pandas" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=True)


def test_reading_in_the_program_that_writes_takes_no_lock_from_it(path):
    def read_elsewhere():
        text = f"from skextra.parallel import Journal; print(len(Journal({str(path)!r})))"
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True)
        return int(done.stdout)

    file = open_journal(path)
    try:
        for i in range(2):
            file.add([(b"key", i, {"function": "f"}, bytes(pack(RESULT, [i])))])
            assert len(Journal(path)) == i + 1
            # As the last to use it, this would put the log away that is still written to.
            assert read_elsewhere() == i + 1
    finally:
        close_journal(file)

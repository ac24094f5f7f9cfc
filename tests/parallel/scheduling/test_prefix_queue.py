"""Fits that share steps follow one another, and wait for none that another worker computes."""

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection._validation import _fit_and_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra.parallel._scheduling._attempt import Attempt
from skextra.parallel._scheduling._batch import Batch
from skextra.parallel._scheduling._prefix_queue import PrefixQueue
from skextra.parallel._searches import prefix_of_fit

FOLDS = [[0], [1], [2]]
PIPELINE = make_pipeline(StandardScaler(), LogisticRegression())


def fit(C, fold, estimator=PIPELINE, **others):
    parameters = {"logisticregression__C": C, **others}
    arguments = {"train": FOLDS[fold], "test": [3], "parameters": parameters}
    return _fit_and_score, (estimator,), arguments


def attempt(*calls):
    return Attempt(Batch(list(calls), None), range(len(calls)))


def place(attempt):
    arguments = attempt.batch.calls[0][2]
    return arguments["parameters"]["logisticregression__C"], FOLDS.index(arguments["train"])


def filled(running, n_candidates=3):
    """Fill a queue as scikit-learn does: candidate by candidate, the folds inside."""
    queue = PrefixQueue(running)
    for C in range(n_candidates):
        for fold in range(3):
            queue.append(attempt(fit(C, fold)))
    return queue


def test_one_worker_gets_fold_after_fold():
    queue = filled(set())
    order = [place(queue.popleft()) for _ in range(9)]
    assert order == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]


def test_two_workers_keep_to_a_fold_each():
    running, order = [], []
    queue = filled(running)
    while queue:
        del running[:-1]  # the one that began first ends
        running.append(queue.popleft())
        order.append(place(running[-1]))
    assert order == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (0, 2), (1, 2), (2, 2)]


def test_retry_comes_before_others_of_its_fold():
    queue = filled(set(), n_candidates=2)
    retry = attempt(fit(9, 1))
    queue.appendleft(retry)
    assert len(queue) == 7
    order = [place(queue.popleft()) for _ in range(7)]
    assert order == [(0, 0), (1, 0), (9, 1), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert not queue


def test_other_tasks_keep_their_order():
    queue = PrefixQueue(set())
    others = [attempt((abs, (i,), {})) for i in range(3)] + [attempt(fit(0, 0), fit(0, 1))]
    for other in others:
        queue.append(other)
    assert [queue.popleft() for _ in range(4)] == others


def test_prefix_is_of_all_but_the_last_step():
    first = prefix_of_fit(fit(1, 0))
    assert prefix_of_fit(fit(2, 0)) == first
    assert prefix_of_fit(fit(1, 0, logisticregression=LogisticRegression())) == first
    assert prefix_of_fit(fit(1, 1)) != first
    assert prefix_of_fit(fit(1, 0, standardscaler__with_mean=False)) != first
    assert prefix_of_fit(fit(1, 0, estimator=GaussianNB())) is None
    assert prefix_of_fit((abs, (1,), {})) is None

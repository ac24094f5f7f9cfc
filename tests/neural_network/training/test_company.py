"""Threads that do not spin beside other busy programs."""

import os
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from threadpoolctl import ThreadpoolController

from skextra import TumorCNNClassifier
from skextra.neural_network._training import _company
from skextra.neural_network._training._company import Company, n_runnable_threads

LIBRARIES = ThreadpoolController().select(user_api="openmp").lib_controllers


@pytest.fixture
def machine(monkeypatch):
    """A machine of two CPUs, and a function that says how many threads are runnable."""
    monkeypatch.setattr(_company, "n_cpus", lambda: 2)
    ask = torch.get_num_threads  # a thread that never asks gets torch's number later
    monkeypatch.setattr(torch, "get_num_threads", lambda: min(ask(), 0) or 2)

    def set_runnable(n_runnable):
        monkeypatch.setattr(_company, "n_runnable_threads", lambda: n_runnable)

    return set_runnable


def n_threads():
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says how many threads are runnable"
)
def test_machine_says_how_many_threads_are_runnable(monkeypatch):
    assert n_runnable_threads() >= 1
    monkeypatch.setattr(_company, "_RUNNABLE", "/nowhere")
    assert n_runnable_threads() is None


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_spare_threads_outnumber_cpus_while_there_is_company(machine):
    machine(3)
    before = n_threads()
    with Company(LIBRARIES) as company:
        assert company._over is not None
        assert n_threads() >= before + 3  # a team of three
        company.look()
        assert n_threads() <= before + 3
    deadline = time.monotonic() + 20
    while n_threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert n_threads() <= before


@pytest.mark.parametrize(
    ("n_runnable", "starts"), [(None, False), (1, False), (2, False), (3, True)]
)
def test_own_threads_are_no_company(machine, n_runnable, starts):
    machine(n_runnable)
    with Company(LIBRARIES) as company:
        assert (company._over is not None) is starts


def test_one_thread_waits_for_nobody(machine, monkeypatch):
    machine(9)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with Company(LIBRARIES) as company:
        assert company._over is None


def test_spare_threads_end_some_time_after_company(machine):
    machine(3)
    with Company(LIBRARIES) as company:
        machine(1)
        looks = 0
        while company._over is not None and looks < 100:
            company.look()
            looks += 1
        assert looks == _company._N_QUIET
        machine(2)  # a thread of others, and this one, while its team sleeps or spins
        company.look()
        assert company._over is None


def test_company_changes_no_bit(monkeypatch):
    X, y = load_digits().images[:130], load_digits().target[:130]
    X = X.repeat(2, axis=1).repeat(2, axis=2)  # 16x16: no small batches
    answers = []
    for n_runnable in (0, 10**6):
        monkeypatch.setattr(_company, "n_runnable_threads", lambda n=n_runnable: n)
        model = TumorCNNClassifier(architecture="resnet", max_epochs=1, random_state=0)
        answers.append(model.fit(X, y).predict_proba(X))
    assert np.array_equal(*answers)

"""Slots on devices, with names of processors in place of accelerators."""

import fcntl
import os
import random
import signal
import sys
import time

import cloudpickle
import pytest
from joblib import Parallel, delayed, parallel_config

from skextra.parallel import leased_device
from skextra.parallel._engines._processes._device_slots import DeviceSlots

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def parallel(n_jobs=4, **options):
    return Parallel(n_jobs=n_jobs, backend="skextra", batch_size=1, **options)


def test_without_devices_there_is_none():
    assert leased_device() is None
    assert parallel()(delayed(leased_device)() for _ in range(4)) == [None] * 4


def test_tasks_are_spread_over_the_devices():
    def work():
        time.sleep(0.05)
        return leased_device()

    found = parallel(2, devices=["cpu:0", "cpu:1"])(delayed(work)() for _ in range(20))
    assert set(found) == {"cpu:0", "cpu:1"}
    assert parallel()(delayed(leased_device)() for _ in range(4)) == [None] * 4


@pytest.mark.parametrize("tasks_per_device", [1, 2])
def test_never_more_than_the_slots_at_once(tmp_path, tasks_per_device):
    def work(i):
        kind = random.Random(i).random()
        device = leased_device()
        for slot in range(tasks_per_device):
            file = open(tmp_path / f"{device}-{slot}", "w")  # noqa: SIM115  its end frees it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                continue
        else:
            raise AssertionError(f"more than {tasks_per_device} on {device}")
        time.sleep(0.002)
        if kind < 0.1 and not (tmp_path / f"died-{i}").exists():
            (tmp_path / f"died-{i}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        file.close()
        return device

    options = {"devices": ("cpu:0", "cpu:1"), "tasks_per_device": tasks_per_device}
    found = parallel(**options)(delayed(work)(i) for i in range(100))
    assert set(found) == {"cpu:0", "cpu:1"}
    assert len(list(tmp_path.glob("died-*"))) > 5


def test_slots_of_killed_calls_come_back():
    for _ in range(3):
        generator = parallel(devices=["cpu:0"], return_as="generator")(
            delayed(time.sleep)(0.01 if i < 1 else 30) for i in range(3)
        )
        next(generator)
        with pytest.warns(UserWarning, match="tasks"):
            generator.close()
    assert parallel(devices=["cpu:0"])(delayed(leased_device)() for _ in range(3)) == ["cpu:0"] * 3


def test_sessions_share_the_slots():
    slots = DeviceSlots()
    devices = ("a", "b")
    assert [slots.choose(devices, 1)] == ["a"]
    slots.take("a")
    assert slots.choose(devices, 1) == "b"
    slots.take("b")
    assert slots.choose(devices, 1) is None
    assert slots.choose(devices, 2) == "a"
    slots.free("b")
    assert slots.choose(devices, 2) == "b"


def visible():
    return leased_device(), os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("of_parent", "device", "expected"),
    [(None, "cuda:1", "1"), (None, "cuda", "0"), ("4,7", "cuda:1", "7"), ("4", "cuda:1", "")],
)
def test_cuda_sees_only_the_device_of_the_task(monkeypatch, of_parent, device, expected):
    if of_parent is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", of_parent)
    found = parallel(devices=[device])(delayed(visible)() for _ in range(2))
    assert found == [("cuda:0", expected)] * 2
    assert parallel()(delayed(visible)() for _ in range(2)) == [(None, of_parent)] * 2


def test_the_device_is_hidden_before_torch_looks():
    def work():
        import torch

        return os.environ["CUDA_VISIBLE_DEVICES"], torch.cuda.is_initialized()

    assert parallel(devices=["cuda:3"])([delayed(work)()] * 2) == [("3", False)] * 2


def test_default_n_jobs_is_number_of_slots():
    with parallel_config("skextra", devices=["cpu:0", "cpu:1"], tasks_per_device=2):
        assert Parallel().n_jobs == 4
    with parallel_config("skextra", devices=["cpu:0"]):
        assert Parallel()(delayed(leased_device)() for _ in range(2)) == ["cpu:0"] * 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"devices": "cuda:0"}, TypeError),
        ({"devices": []}, TypeError),
        ({"devices": [0]}, TypeError),
        ({"devices": ["cpu:0"], "tasks_per_device": 0}, ValueError),
    ],
)
def test_a_wrong_option_is_a_clear_error(options, error):
    with pytest.raises(error, match=r"devices must be|tasks_per_device must be"):
        parallel(**options)([delayed(abs)(1)])

"""Generators, threads and devices are borrowed and given back."""

import re
import threading

import pytest
import torch

from skextra.neural_network._training._runtime import (
    SMALL_BATCH,
    explaining_lack_of_memory,
    private_generator,
    threads_for,
    torch_device,
)
from tests.neural_network.small_nets import CPU


def test_the_private_generator_leaves_the_global_one_where_it_was():
    before = torch.random.get_rng_state()
    with private_generator(0, CPU) as get_state:
        first = torch.rand(3)
        state = get_state()
        later = torch.rand(3)
    assert torch.equal(torch.random.get_rng_state(), before)
    with private_generator(0, CPU):
        assert torch.equal(torch.rand(3), first)
    with private_generator(state, CPU):
        assert torch.equal(torch.rand(3), later)


def test_small_batches_get_one_thread_and_the_rest_of_the_process_keeps_its_own():
    before, seen = torch.get_num_threads(), []
    with threads_for(SMALL_BATCH):
        assert torch.get_num_threads() == 1
        other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        other.start()
        other.join()
    with threads_for(SMALL_BATCH + 1):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before
    assert seen == [before]


def test_threads_come_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), threads_for(1):
        raise KeyError
    assert torch.get_num_threads() == before


def test_lack_of_memory_says_which_batch_size_failed():
    with (
        pytest.raises(torch.OutOfMemoryError, match=r"cpu.*training.*batches of 7 images"),
        explaining_lack_of_memory("training", 7, CPU),
    ):
        torch.empty(2**60)


def test_other_errors_pass_as_they_are():
    with (
        pytest.raises(RuntimeError, match=r"^shapes$"),
        explaining_lack_of_memory("training", 7, CPU),
    ):
        raise RuntimeError("shapes")


def test_a_device_that_torch_does_not_know_is_named():
    with pytest.raises(ValueError, match="device='gpu'"):
        torch_device("gpu")


def test_limit_holds_in_new_threads_and_for_mkl():
    seen = []

    def compute():
        with threads_for(1):
            torch.ones(2**20).add_(1)
            seen.append(torch.get_num_threads())
            seen.extend(
                re.findall(r"mkl_get_max_threads\(\) : (\d)", torch.__config__.parallel_info())
            )

    before = torch.get_num_threads()
    torch.set_num_threads(2)  # from here on MKL no longer follows OpenMP
    try:
        compute()
        new = threading.Thread(target=compute)
        new.start()
        new.join()
    finally:
        torch.set_num_threads(before)
    assert {int(n_threads) for n_threads in seen} == {1}

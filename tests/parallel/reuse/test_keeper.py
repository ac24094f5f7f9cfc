"""The keeper: who computes, who waits, and what is kept."""

import os
import threading

import numpy as np
import pytest

from skextra.parallel._reuse._entry import Entry, read_entry
from skextra.parallel._reuse._keeper import Keeper
from skextra.parallel._reuse._turn import Turn

KEYS = [bytes([i]) * 20 for i in range(5)]


@pytest.fixture
def keeper():
    keeper = Keeper(100_000)
    yield keeper
    keeper.close()


def publish(keeper, key, value):
    with Turn(keeper.address, key) as turn:
        assert turn.computes
        return send(turn, value)


def send(turn, value):
    entry = Entry(value, None)
    has_room = turn.reserve(entry.nbytes)
    if has_room:
        descriptor = entry.write()
        turn.publish(descriptor)
        os.close(descriptor)
    return has_room


def find(keeper, key):
    """Return what is kept, or what a worker is told to do."""
    with Turn(keeper.address, key) as turn:
        if turn.descriptor is not None:
            return read_entry(turn.descriptor)[0]
        return "compute" if turn.computes else "alone"


@pytest.fixture
def ask(keeper, eventually):
    """Start a thread that asks for a key, and return what gives its answer."""

    def start(key):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(find(keeper, key)))
        n_before = len(keeper._requests)
        thread.start()
        eventually(lambda: len(keeper._requests) > n_before or answers)
        return lambda: thread.join(20) or answers[0]

    return start


def test_entry_is_found_by_its_key_only(keeper):
    assert publish(keeper, KEYS[0], "a")
    assert find(keeper, KEYS[0]) == "a"
    assert find(keeper, KEYS[1]) == "compute"


def test_others_wait_for_the_one_that_computes(keeper, ask):
    with Turn(keeper.address, KEYS[0]) as turn:
        answers = [ask(KEYS[0]), ask(KEYS[0])]
        assert send(turn, "a")
    assert [answer() for answer in answers] == ["a", "a"]


def test_next_one_computes_after_a_death(keeper, ask):
    turn = Turn(keeper.address, KEYS[0])
    answer = ask(KEYS[0])
    turn.__exit__()  # as when the process ends
    assert answer() == "compute"
    assert find(keeper, KEYS[0]) == "compute"


def test_death_of_one_that_waits_changes_nothing(keeper, eventually):
    with Turn(keeper.address, KEYS[0]) as turn:
        n_before = len(keeper._requests)
        pid = os.fork()
        if pid == 0:
            find(keeper, KEYS[0])
            os._exit(0)
        eventually(lambda: len(keeper._requests) > n_before)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        eventually(lambda: len(keeper._requests) == n_before)
        assert send(turn, "a")
    assert find(keeper, KEYS[0]) == "a"


def test_nobody_waits_for_what_cannot_be_shared(keeper, ask):
    with Turn(keeper.address, KEYS[0]) as turn:
        answer = ask(KEYS[0])
        turn.decline()
        assert answer() == "alone"
    assert find(keeper, KEYS[0]) == "alone"


def test_least_recently_used_entry_goes_first(keeper):
    for key in KEYS[:3]:
        assert publish(keeper, key, np.zeros(4_000))
    find(keeper, KEYS[0])
    assert publish(keeper, KEYS[3], np.zeros(4_000))
    found = [type(find(keeper, key)) is np.ndarray for key in KEYS[:4]]
    assert found == [True, False, True, True]
    assert keeper._nbytes <= keeper.max_nbytes


def test_evicted_entry_stays_whole_for_its_readers(keeper):
    publish(keeper, KEYS[0], np.ones(9_000))
    found = find(keeper, KEYS[0])
    publish(keeper, KEYS[1], np.zeros(9_000))
    assert find(keeper, KEYS[0]) == "compute"
    assert found.sum() == 9_000


def test_too_large_entry_is_for_everybody_to_compute(keeper, ask):
    with Turn(keeper.address, KEYS[0]) as turn:
        answer = ask(KEYS[0])
        assert not send(turn, np.zeros(20_000))
        assert answer() == "alone"
    assert find(keeper, KEYS[0]) == "alone"


def test_room_of_a_dead_writer_is_free_again(keeper, eventually):
    with Turn(keeper.address, KEYS[0]) as turn:
        assert turn.reserve(90_000)
        assert not publish(keeper, KEYS[1], np.zeros(9_000))
    eventually(lambda: keeper._nbytes == 0)
    assert publish(keeper, KEYS[2], np.zeros(9_000))


def test_closed_keeper_leaves_no_descriptor_and_nobody_waiting(ask, keeper):
    turn = Turn(keeper.address, KEYS[0])
    assert send(turn, np.zeros(4_000))
    keeper.close()
    assert not turn.reserve(1)
    turn.decline()
    turn.report("no memory")
    turn.__exit__()
    with pytest.raises(OSError, match=r"."):
        Turn(keeper.address, KEYS[0])
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    assert not [link for link in links if os.path.islink(link) and "step" in os.readlink(link)]


def test_fork_of_the_parent_keeps_no_memory(keeper, eventually):
    publish(keeper, KEYS[0], np.zeros(4_000))
    eventually(lambda: keeper._entries)  # it has arrived
    pid = os.fork()
    if pid == 0:
        names = os.listdir("/proc/self/fd")
        links = [
            os.readlink(f"/proc/self/fd/{n}")
            for n in names
            if os.path.exists(f"/proc/self/fd/{n}")
        ]
        os._exit(any("step" in link for link in links))
    assert os.waitpid(pid, 0)[1] == 0
    assert type(find(keeper, KEYS[0])) is np.ndarray

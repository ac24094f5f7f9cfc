"""The six primitives of multiprocessing: the scripts that the guide shows keep their promises."""

import importlib
import itertools
import math
import multiprocessing
import queue
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "docs" / "examples" / "primitives"
PAGE = ROOT / "docs" / "user_guide" / "primitives.rst"
# What each script prints, whatever the machine.
PRINTED = {
    "process_heartbeat": "13848 primes below 150,000",
    "pipe_dialogue": "Killed while it owed an answer: EOFError at once, exit code -9",
    "queue_consumers": "In order again: True",
    "lock_counter": "With a lock:    400,000",
    "semaphore_seats": "6 workers, never more than 2 inside",
    "pool_factorials": "Any word of a task whose worker was killed: False",
}


@pytest.fixture
def load(monkeypatch):
    """Import a script, as the processes it starts will too."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield importlib.import_module
    for name in PRINTED:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def context():
    return multiprocessing.get_context("forkserver")


def test_every_script_is_named_on_the_page():
    assert {path.stem for path in SCRIPTS.glob("*.py")} == PRINTED.keys()
    page = PAGE.read_text()
    for name in PRINTED:
        assert f"literalinclude:: ../examples/primitives/{name}.py" in page


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
@pytest.mark.parametrize("name", PRINTED)
def test_it_runs_as_a_script(name, start_method, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPTS / f"{name}.py"), start_method],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert PRINTED[name] in done.stdout
    assert "DIFFERENT" not in done.stdout


def test_process_a_heart_beats_during_a_computation(load, context):
    n_primes, beats = load("process_heartbeat").compute_with_heartbeat(context, 100_000)
    assert n_primes == 9592
    assert len(beats) >= 2
    assert beats == sorted(beats)


def test_pipe_answers_every_question_until_hung_up(load, context):
    means, exit_code = load("pipe_dialogue").talk(context, [2, 4, 9, 1])
    assert means == [2, 3, 5, 4]
    assert exit_code == 0


def test_pipe_killed_process_is_an_error_at_once(load, context):
    reply, exit_code = load("pipe_dialogue").ask_the_dying(context)
    assert isinstance(reply, EOFError)
    assert exit_code == -signal.SIGKILL


def test_queue_consumes_every_item_once_in_order(load, context):
    script = load("queue_consumers")
    work = random.Random(0).sample(range(200), 200)
    arrived = script.share_out(context, work)
    assert sorted(number for number, _, _ in arrived) == list(range(200))
    assert {name for _, name, _ in arrived} == set(range(script.N_CONSUMERS))
    restored = list(script.in_order(arrived))
    assert [number for number, _, _ in restored] == list(range(200))
    assert [result for _, _, result in restored] == [sum(i * i for i in range(n)) for n in work]


def test_queue_order_is_restored_at_first_chance(load):
    given = []

    def arriving():
        for number in (2, 0, 1, 4, 3):
            given.append(number)
            yield (number,)

    seen = [(number, len(given)) for (number,) in load("queue_consumers").in_order(arriving())]
    assert seen == [(0, 2), (1, 3), (2, 3), (3, 5), (4, 5)]


def test_queue_consumer_killed_while_idle_takes_the_lock(load, context, eventually):
    items = context.Queue()
    args = ("idle", items, None, None)
    consumer = context.Process(target=load("queue_consumers").consume, args=args)
    consumer.start()

    def waits_with_the_lock():
        if acquired := items._rlock.acquire(block=False):
            items._rlock.release()
        return not acquired

    eventually(waits_with_the_lock)
    consumer.kill()
    consumer.join()
    items.put((0, 1))
    with pytest.raises(queue.Empty):
        items.get(timeout=0.2)
    items.close()


def test_lock_no_increment_is_lost(load, context):
    script = load("lock_counter")
    assert script.N_PROCESSES == 4
    assert script.N_INCREMENTS == 100_000
    assert script.count(context, script.add_locked, context.Lock()) == 400_000


def test_lock_a_killed_holder_never_gives_it_back(load, context):
    assert not load("lock_counter").acquire_after_a_kill(context, timeout_seconds=0.2)


def test_semaphore_admits_two_and_never_more(load, context):
    script = load("semaphore_seats")
    counts = script.watch(context)
    assert len(counts) == 1 + 2 * 6
    assert max(counts) == 2
    assert min(counts) == counts[0] == counts[-1] == 0
    changes = [later - earlier for earlier, later in itertools.pairwise(counts)]
    assert sorted(changes) == [-1] * 6 + [1] * 6


def test_pool_every_factorial_is_right(load, context):
    script = load("pool_factorials")
    with context.Pool(script.N_PROCESSES) as pool:
        for numbers in (script.SMALL, script.LARGE):
            assert len(numbers) == 12_000
            right = list(map(math.factorial, numbers))
            for name, results, seconds in script.compare(pool, numbers):
                assert results == right, name
                assert seconds > 0


def test_pool_says_nothing_of_a_killed_worker(load, context):
    script = load("pool_factorials")
    with context.Pool(script.N_PROCESSES) as pool:
        assert not script.answers_for_the_dead(pool, timeout_seconds=0.2)
        # Another worker has taken its place, but the task went with the first.
        assert pool.apply(script.factorial, (5,)) == 120

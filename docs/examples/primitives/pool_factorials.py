"""Pool: 12,000 factorials over two processes against one, and when that pays.

python docs/examples/primitives/pool_factorials.py [forkserver|spawn]
"""

import multiprocessing
import os
import signal
import sys
import time

N_FACTORIALS, N_PROCESSES = 12_000, 2
SMALL = [i % 50 for i in range(N_FACTORIALS)]  # a few microseconds each
LARGE = [i % 700 for i in range(N_FACTORIALS)]  # some tens of microseconds each


def factorial(n):
    """Multiply 1 to n, one by one, as something to do."""
    product = 1
    for factor in range(2, n + 1):
        product *= factor
    return product


def kill_myself(_):
    """Die as a worker does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def timed(function, *args):
    """Return a result, and the seconds it took."""
    started = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - started


def compare(pool, numbers):
    """Return name, factorials and seconds of each way to compute the factorials of numbers."""

    def in_one_process():
        return list(map(factorial, numbers))

    return [
        ("one process", *timed(in_one_process)),
        ("pool, one number a message", *timed(pool.map, factorial, numbers, 1)),
        ("pool, 500 numbers a message", *timed(pool.map, factorial, numbers, 500)),
    ]


def answers_for_the_dead(pool, timeout_seconds):
    """Have a task kill its worker; return whether the pool says anything about it."""
    try:
        pool.map_async(kill_myself, [None]).get(timeout_seconds)
    except multiprocessing.TimeoutError:
        return False
    return True


def main(start_method="forkserver"):
    """Time small and large factorials, then lose a worker."""
    context = multiprocessing.get_context(start_method)
    started = time.perf_counter()
    with context.Pool(N_PROCESSES) as pool:
        pool.map(factorial, range(N_PROCESSES), 1)
        print(f"Pool of {N_PROCESSES} started in {time.perf_counter() - started:.2f} s")
        for title, numbers in (("Small", SMALL), ("Large", LARGE)):
            print(f"{title}: {N_FACTORIALS:,} factorials of 0 to {max(numbers)}")
            rows = compare(pool, numbers)
            _, expected, alone_seconds = rows[0]
            for name, results, seconds in rows:
                speed = alone_seconds / seconds
                equal = "equal" if results == expected else "DIFFERENT"
                print(f"  {name:28s} {seconds:6.3f} s, {speed:4.2f} times the speed, {equal}")
        answered = answers_for_the_dead(pool, timeout_seconds=0.5)
        print(f"Any word of a task whose worker was killed: {answered}")


if __name__ == "__main__":
    main(*sys.argv[1:])

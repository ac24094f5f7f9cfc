"""Process: a heartbeat that goes on beside a computation which never pauses for it.

python docs/examples/primitives/process_heartbeat.py [forkserver|spawn]
"""

import itertools
import multiprocessing
import sys
import time

INTERVAL_SECONDS = 0.02


def beat(stop, writer):
    """Send the time every 20 ms until told to stop; the clock is the same in all processes."""
    with writer:
        writer.send(time.monotonic())
        while not stop.wait(INTERVAL_SECONDS):
            writer.send(time.monotonic())


def count_primes(limit):
    """Count the primes below a limit, slowly and without ever letting go of the interpreter."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def compute_with_heartbeat(context, limit):
    """Return the number of primes, and the seconds into the computation of each heartbeat."""
    stop = context.Event()
    reader, writer = context.Pipe(duplex=False)
    heart = context.Process(target=beat, args=(stop, writer), daemon=True)
    heart.start()
    writer.close()  # the heart has the only one now: the pipe ends when it does
    reader.recv()  # the first beat: it is alive

    started = time.monotonic()
    n_primes = count_primes(limit)
    ended = time.monotonic()

    stop.set()
    beats = []
    try:
        while True:
            beats.append(reader.recv())
    except EOFError:
        heart.join()
    reader.close()
    return n_primes, [moment - started for moment in beats if started <= moment <= ended]


def main(start_method="forkserver"):
    """Count primes and show how the heart beat meanwhile."""
    n_primes, beats = compute_with_heartbeat(multiprocessing.get_context(start_method), 150_000)
    print(f"{n_primes} primes below 150,000, and {len(beats)} heartbeats while they were counted")
    silences = [later - earlier for earlier, later in itertools.pairwise([0.0, *beats])]
    print(f"Longest time from one to the next: {1000 * max(silences):.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])

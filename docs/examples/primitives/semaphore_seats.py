"""Semaphore: six workers, of whom never more than two are inside.

python docs/examples/primitives/semaphore_seats.py [forkserver|spawn]
"""

import multiprocessing
import sys

N_WORKERS, N_SEATS = 6, 2


def visit(seats, pair, log):
    """Take a seat, wait until the other seat is taken too, and leave."""
    with seats:
        log.change(+1)
        pair.wait(timeout=60)  # passes only when two are inside at the same time
        log.change(-1)


class Log:
    """How many are inside after each time one came or went, in memory that processes share."""

    def __init__(self, context):
        self.lock = context.Lock()
        self.counts = context.RawArray("i", 1 + 2 * N_WORKERS)  # nobody at first
        self.length = context.RawValue("i", 1)

    def change(self, by):
        """Note that one came (+1) or went (-1)."""
        with self.lock:
            last = self.length.value - 1
            self.counts[last + 1] = self.counts[last] + by
            self.length.value += 1


def watch(context):
    """Return how many were inside, from the first that came to the last that went."""
    seats = context.BoundedSemaphore(N_SEATS)
    pair = context.Barrier(N_SEATS)
    log = Log(context)
    workers = [context.Process(target=visit, args=(seats, pair, log)) for _ in range(N_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return log.counts[: log.length.value]


def main(start_method="forkserver"):
    """Show how many were inside, and the largest number."""
    counts = watch(multiprocessing.get_context(start_method))
    print(f"Inside, at every change: {' '.join(map(str, counts))}")
    print(f"{N_WORKERS} workers, never more than {max(counts)} inside")


if __name__ == "__main__":
    main(*sys.argv[1:])

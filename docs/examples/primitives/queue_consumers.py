"""Queue: several consumers, every item taken exactly once, the order restored at the end.

python docs/examples/primitives/queue_consumers.py [forkserver|spawn]
"""

import itertools
import multiprocessing
import sys

N_ITEMS, N_CONSUMERS = 600, 3


def consume(name, items, results, all_have_one):
    """Take numbered items until there is a None; send back the number, who had it, the result."""
    first = True
    while (numbered := items.get()) is not None:
        if first:
            all_have_one.wait(timeout=60)  # so that none is done before another has started
            first = False
        number, item = numbered
        # Later items are less work than earlier ones, and overtake them.
        results.put((number, name, sum(i * i for i in range(item))))


def in_order(numbered):
    """Yield tuples that begin with 0, 1, 2, ... by that number, each as soon as it can be."""
    early, expected = {}, 0
    for entry in numbered:
        early[entry[0]] = entry
        while expected in early:
            yield early.pop(expected)
            expected += 1


def share_out(context, work):
    """Return what came back from the consumers, in the order in which it came."""
    items, results = context.Queue(), context.Queue()
    all_have_one = context.Barrier(N_CONSUMERS)
    consumers = [
        context.Process(target=consume, args=(name, items, results, all_have_one))
        for name in range(N_CONSUMERS)
    ]
    for process in consumers:
        process.start()
    for numbered in enumerate(work):
        items.put(numbered)
    for _ in consumers:
        items.put(None)  # each takes one of these, and no more after it
    arrived = [results.get(timeout=60) for _ in work]
    for process in consumers:
        process.join()
    return arrived


def main(start_method="forkserver"):
    """Share sums of squares out and show who did what, and in what order it came."""
    work = range(N_ITEMS, 0, -1)
    arrived = share_out(multiprocessing.get_context(start_method), work)
    restored = list(in_order(arrived))

    taken = [sum(name == consumer for _, name, _ in arrived) for consumer in range(N_CONSUMERS)]
    print(f"{N_ITEMS} items, taken by the {N_CONSUMERS} consumers: {taken}")
    numbers = sorted(number for number, _, _ in arrived)
    print(f"Each exactly once: {numbers == list(range(N_ITEMS))}")
    overtaken = sum(one[0] > other[0] for one, other in itertools.pairwise(arrived))
    print(f"Came after one with a higher number: {overtaken}")
    expected = [sum(i * i for i in range(item)) for item in work]
    print(f"In order again: {[result for _, _, result in restored] == expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])

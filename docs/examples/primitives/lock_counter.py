"""Lock: four processes add 100,000 times 1 each, with a lock and without.

python docs/examples/primitives/lock_counter.py [forkserver|spawn]
"""

import multiprocessing
import sys
import threading

N_PROCESSES, N_INCREMENTS = 4, 100_000


def add_locked(counter, barrier, lock):
    """Add 1 to shared memory many times, alone each time."""
    barrier.wait(timeout=60)
    for _ in range(N_INCREMENTS):
        with lock:
            counter.value += 1


def add_unlocked(counter, barrier):
    """Add 1 likewise, but between reading and writing others may have written too."""
    barrier.wait(timeout=60)
    for _ in range(N_INCREMENTS):
        counter.value += 1


def count(context, add, *lock):
    """Return the sum after four processes have added at the same time."""
    counter = context.RawValue("q", 0)  # shared memory, without the lock that a Value has
    barrier = context.Barrier(N_PROCESSES)  # nobody is done before the last has started
    processes = [
        context.Process(target=add, args=(counter, barrier, *lock)) for _ in range(N_PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return counter.value


def hold(lock, taken):
    """Take a lock and never give it back."""
    with lock:
        taken.send(True)
        threading.Event().wait()


def acquire_after_a_kill(context, timeout_seconds):
    """Kill a process that holds a lock; return whether another can get it afterwards."""
    lock = context.Lock()
    reader, writer = context.Pipe(duplex=False)
    holder = context.Process(target=hold, args=(lock, writer))
    holder.start()
    with reader, writer:
        reader.recv()
    holder.kill()
    holder.join()
    return lock.acquire(timeout=timeout_seconds)


def main(start_method="forkserver"):
    """Count with and without a lock, then lose the holder of one."""
    context = multiprocessing.get_context(start_method)
    print(f"With a lock:    {count(context, add_locked, context.Lock()):,}")
    print(f"Without a lock: {count(context, add_unlocked):,}")
    acquired = acquire_after_a_kill(context, timeout_seconds=0.5)
    print(f"Acquired after its holder was killed: {acquired}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Pipe: question and answer between two processes, and what the end of one looks like.

python docs/examples/primitives/pipe_dialogue.py [forkserver|spawn]
"""

import multiprocessing
import os
import signal
import sys


def answer(connection):
    """Answer every number with the mean of all so far, until the other side closes."""
    count = total = 0
    while True:
        try:
            number = connection.recv()
        except EOFError:
            return
        if number is None:  # a question that kills
            os.kill(os.getpid(), signal.SIGKILL)
        count, total = count + 1, total + number
        connection.send(total / count)


def start(context):
    """Start a process that answers; return it and our end of the pipe."""
    ours, theirs = context.Pipe()  # duplex: both ends send and receive
    process = context.Process(target=answer, args=(theirs,))
    process.start()
    theirs.close()  # with a copy here the pipe would outlive the process at its other end
    return process, ours


def talk(context, numbers):
    """Return the answers to some numbers, and the exit code after hanging up."""
    process, connection = start(context)
    with connection:
        means = []
        for number in numbers:
            connection.send(number)
            means.append(connection.recv())
    process.join()
    return means, process.exitcode


def ask_the_dying(context):
    """Ask a question that kills; return what comes instead of an answer, and the exit code."""
    process, connection = start(context)
    with connection:
        connection.send(None)
        try:
            reply = connection.recv()
        except (EOFError, ConnectionResetError) as error:
            reply = error
    process.join()
    return reply, process.exitcode


def main(start_method="forkserver"):
    """Talk, hang up, and lose the other side."""
    context = multiprocessing.get_context(start_method)
    means, exit_code = talk(context, [2, 4, 9])
    print(f"Sent 2, 4, 9; received {', '.join(f'{mean:g}' for mean in means)}")
    print(f"Hung up: the other side ended with exit code {exit_code}")
    reply, exit_code = ask_the_dying(context)
    print(f"Killed while it owed an answer: {type(reply).__name__} at once, exit code {exit_code}")


if __name__ == "__main__":
    main(*sys.argv[1:])

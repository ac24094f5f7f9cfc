"""What becomes of the calls of an attempt whose worker died: decided by a pure function."""

from dataclasses import dataclass

from skextra.parallel._errors import WorkerCrashError, describe_exit
from skextra.parallel._scheduling._attempt import Attempt


@dataclass(frozen=True)
class Decision:
    """What to do after a death.

    Parameters
    ----------
    retries : list of Attempt
        What to run next, in this order.
    given_up : list of (int, Exception)
        The indices of calls, in their batch, that are not run again, and why.
    """

    retries: list
    given_up: list


def after_death(attempt, position, death, n_deaths, options):
    """Decide which calls are run again, which alone, and which are given up.

    Parameters
    ----------
    attempt : Attempt
        The attempt; its results that outlived the worker are known.
    position : int or None
        The call of the attempt that the worker was in; None if it was between two calls.
    death : Death
        How the worker died.
    n_deaths : int
        How many workers have died in that call, this one included.
    options : SessionOptions
        `max_retries` and `task_timeout`.

    Returns
    -------
    decision : Decision
        What to do.
    """
    if position is None:
        return _after_death_between_calls(attempt, death, options)
    # Calls before the position are tiny ones whose results died with the worker.
    rest = [attempt.part(attempt.n_known, position), attempt.part(position + 1)]
    rest = [part for part in rest if part.indices]
    batch, index = attempt.batch, attempt.indices[position]
    # A call that takes too long is not repeated: it would most likely do so again.
    if n_deaths > options.max_retries or death.overdue:
        error = death.error(batch.describe(index), n_deaths, options.task_timeout)
        return Decision(rest, [(index, error)])
    # Memory that others use is the usual cause of a death, so that the last try has none beside.
    exclusive = death.out_of_memory or n_deaths == options.max_retries
    return Decision([Attempt(batch, (index,), exclusive), *rest], [])


def _after_death_between_calls(attempt, death, options):
    """Repeat all calls that are left, each in an attempt of its own.

    The worker was killed between two attempts, for example, or it died of reading one of the
    calls. If as many workers die of a call as may, that call is at fault.
    """
    n_unread = 1 if attempt.n_known else attempt.n_unread + 1
    indices = attempt.indices[attempt.n_known :]
    if n_unread <= max(options.max_retries, 1):
        retries = [
            Attempt(attempt.batch, (index,), attempt.exclusive, n_unread) for index in indices
        ]
        return Decision(retries, [])
    end = describe_exit(death.exit_code, death.out_of_memory)
    given_up = []
    for index in indices:
        call = attempt.batch.describe(index)
        text = f"{n_unread} worker processes died before they began {call}: {end}."
        error = WorkerCrashError(text, death.exit_code, stderr=death.stderr)
        given_up.append((index, error))
    return Decision([], given_up)

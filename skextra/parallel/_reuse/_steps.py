"""The worker's half: the memory that pipelines fit their steps with."""

import collections
import functools
import os
import resource
import time
import weakref

from skextra._sklearn import hook_pipelines, print_elapsed_time
from skextra.parallel._reuse._entry import Entry, digest_of, read_entry
from skextra.parallel._reuse._identity import (
    Identities,
    has_other_influences,
    random_states,
    same_attributes,
)
from skextra.parallel._reuse._turn import Turn

# Work that takes less than so many times what it takes to share it is done by everybody: by the
# second number after so much work of its kind of which nothing was found.
_WORTH = 2, 10
_N_TRIALS = 5

_memory = None  # of the call whose tasks run
_is_hooked = False


def share_steps(address):
    """Have the tasks from here on share the steps of their pipelines, or not.

    Parameters
    ----------
    address : str or None
        Of the keeper of their call; None if it has none.
    """
    global _memory, _is_hooked
    _memory = None if address is None else StepMemory(address)
    if address is not None and not _is_hooked:
        hook_pipelines(lambda: _memory, lambda step: step if _memory is None else _memory.of(step))
        _is_hooked = True


class StepMemory:
    """What scikit-learn's pipelines take for their ``memory``: fits each step once for all tasks.

    Parameters
    ----------
    address : str
        Of the keeper.
    """

    location = None  # so a pipeline does not clone its steps, as if it had no memory

    def __init__(self, address):
        self._address = address
        self._identities = Identities()
        self._fits = {}  # by identity of a step: the step, weakly, the key and digest of its fit
        self._declined = set()  # the steps, by fingerprint, that cannot be shared
        self._overheads = {}  # by kind of work: how long it took to share it, in seconds
        self._unworthy = set()  # the kinds of work that take less than that
        self._found = set()  # the kinds of which something was found
        self._n_computed = collections.Counter()  # how much was computed for all, by kind

    def cache(self, function, **_):
        """Return a function that fits a step to data and transforms that, or finds it done."""
        return functools.partial(self._fit_transform, function)

    def of(self, step):
        """Return a step, or what stands in for it if its fit is shared."""
        return _StandIn(self, step) if self._fit_of(step) is not None else step

    def transform(self, step, X, params):
        """Transform rows by a fitted step, or find it done."""
        work = _Work("transform", step, X)
        work.inputs = X, params
        work.compute = lambda: (step.transform(X, **params), None)
        fit = self._fit_of(step)
        if fit is None or work.kind in self._unworthy:
            return self._measure(work)[0]
        _, work.of_step, digest = fit
        work.fixed = functools.partial(digest_of, step)
        if self._or_none(work.fixed) != digest:  # somebody has changed it since it was fitted
            return work.compute()[0]
        return self._share(work, digest)[0]

    def _fit_transform(self, function, step, X, y, **options):
        work = _Work("fit", step, X)
        work.inputs = X, y, options.get("params")
        work.compute = functools.partial(function, step, X, y, **options)
        has_callbacks = getattr(options.get("callback_ctx"), "_callbacks", None)
        if has_callbacks or has_other_influences(step):
            return work.compute()
        if work.kind in self._unworthy:
            return self._measure(work)
        work.of_step = self._or_none(self._identities.of_step, step)
        if work.of_step is None:
            return work.compute()
        work.announcement = options.get("message_clsname"), options.get("message")
        output, fitted = self._share(work)
        if work.key is not None and hasattr(fitted, "transform"):
            self._remember(fitted, work.key)
        return output, fitted

    def _share(self, work, fixed=b""):
        """Find what a piece of work gives, or do it for all who need it."""
        if work.of_step in self._declined:
            return work.compute()
        started = time.thread_time()
        data = self._or_none(digest_of, work.inputs)
        if data is None or not self._identities.are_of_this_process:
            return work.compute()
        key = self._identities.key(work.name, work.of_step, data)
        work.overhead = time.thread_time() - started
        try:
            turn = Turn(self._address, key)
        except OSError:  # the call is over, or there are too many open files
            return work.compute()
        with turn:
            if turn.descriptor is not None:
                with print_elapsed_time(*work.announcement):
                    found = self._or_none(read_entry, turn.descriptor)
                work.key = None if found is None else key
                self._found.add(work.kind)
                return work.compute() if found is None else found
            if not turn.computes:
                return work.compute()
            try:
                result = self._compute(work, turn, (data, fixed))
            except BaseException:
                turn.decline()
                raise
            work.key = key if work.is_shared else None
            return result

    def _compute(self, work, turn, before):
        """Do a piece of work, and share what it gives if a copy is as good."""
        drawn = random_states()
        result = self._measure(work)
        started = time.thread_time()
        after = self._or_none(digest_of, work.inputs), self._or_none(work.fixed)
        is_pure = random_states() == drawn and after == before
        is_pure &= self._identities.are_of_this_process  # of what the work has imported, too
        entry = self._or_none(_entry_of, work, result) if is_pure else None
        if entry is None:
            self._declined.add(work.of_step)
            turn.decline()
        elif turn.reserve(entry.nbytes):
            try:
                self._publish(work, turn, entry, result)
            except OSError as error:
                turn.report(error)
        self._n_computed[work.kind] += 1
        self._overheads[work.kind] = work.overhead + time.thread_time() - started
        self._judge(work)
        return result

    def _publish(self, work, turn, entry, result):
        descriptor = entry.write()
        try:
            copy = self._or_none(read_entry, descriptor)
            if copy is not None and self._or_none(same_attributes, result[1], copy[1]):
                turn.publish(descriptor)
                work.is_shared = True
            else:  # it leaves something out of its pickle
                self._declined.add(work.of_step)
                turn.decline()
        finally:
            os.close(descriptor)

    def _measure(self, work):
        started, started_cpu, n_waits = time.perf_counter(), time.process_time(), _n_waits()
        result = work.compute()
        work.seconds = time.perf_counter() - started
        if _n_waits() == n_waits:  # what it took more than that, other processes took
            work.seconds = time.process_time() - started_cpu
        self._judge(work)
        return result

    def _judge(self, work):
        """Note whether work of this kind takes long enough to be shared."""
        is_hopeless = work.kind not in self._found and self._n_computed[work.kind] >= _N_TRIALS
        is_worth = work.seconds >= _WORTH[is_hopeless] * self._overheads.get(work.kind, 0)
        (self._unworthy.discard if is_worth else self._unworthy.add)(work.kind)

    def _remember(self, step, key):
        digest = self._or_none(digest_of, step)
        if digest is not None:
            identity, fits = id(step), self._fits
            reference = weakref.ref(step, lambda _: fits.pop(identity, None))
            fits[identity] = reference, key, digest

    def _fit_of(self, step):
        fit = self._fits.get(id(step))
        return fit if fit is not None and fit[0]() is step else None

    @staticmethod
    def _or_none(function, *args):
        """Return None where something of the user's cannot be looked at, copied or pickled."""
        try:
            return function(*args)
        except Exception:
            return None


def _entry_of(work, result):
    """Return the entry of a result; None if a copy would share no memory where that does."""
    entry = Entry(*result)
    return None if entry.overlaps or entry.output_overlaps(*work.inputs) else entry


def _n_waits():
    """Return how often this thread has waited so far, for a file or another thread."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


class _Work:
    """Something to do that others may have done, or may need."""

    def __init__(self, name, step, X):
        self.name = name
        n_rows = X.shape[0] if getattr(X, "shape", ()) else len(X) if hasattr(X, "__len__") else 0
        self.kind = name, type(step), type(X), n_rows.bit_length()
        self.inputs = ()
        self.compute = None
        self.of_step = None  # the fingerprint of the step
        self.fixed = bytes  # returns a hash of what else it must not change
        self.announcement = "", None
        self.key = None  # of what was found or published
        self.is_shared = False
        self.seconds = self.overhead = 0.0


class _StandIn:
    """Stands in for a fitted step while a pipeline transforms rows by it."""

    def __init__(self, memory, step):
        self._memory, self._step = memory, step

    def __getattr__(self, name):
        return getattr(self._step, name)

    def transform(self, X, **params):
        return self._memory.transform(self._step, X, params)

"""The thread of a session that hands finished batches over: to the journal, then to joblib."""

import contextlib
import queue
import threading


class Delivery:
    """Hands finished batches over, in the order in which they finished.

    joblib's callback runs the user's iterator of tasks and takes joblib's own locks; any of them
    may take long, or call ``Parallel`` again. A thread of its own keeps that away from the
    dispatcher and from the other sessions.

    Parameters
    ----------
    recorder : Recorder or None
        The journal's; it gets the results before the caller does.
    on_callback_error : callable
        Called with an error that the callback of a batch raised.
    """

    def __init__(self, recorder, on_callback_error):
        self._recorder = recorder
        self._on_callback_error = on_callback_error
        self._finished = queue.SimpleQueue()
        self._thread = None

    @property
    def is_alive(self):
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self):
        """Start the thread, if it does not run yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="skextra-delivery", daemon=True)
            self._thread.start()

    def put(self, batch):
        """Hand over a batch whose outcome is known."""
        self._finished.put(batch)

    def end(self):
        """End the thread when everything so far has been handed over."""
        self._finished.put(None)

    def wait_for_journal(self, timeout):
        """Wait until what has finished is in the journal, unless the caller holds that up."""
        is_other_thread = self._thread not in (None, threading.current_thread())
        if self._recorder is not None and is_other_thread:
            self._thread.join(timeout)

    def _run(self):
        is_open = True
        while is_open:
            batches = [self._finished.get()]
            if self._recorder is not None:
                # A transaction takes as long for many results as for one.
                with contextlib.suppress(queue.Empty):
                    while True:
                        batches.append(self._finished.get_nowait())
            is_open = None not in batches
            batches = [batch for batch in batches if batch is not None]
            if self._recorder is not None:
                self._record(batches)
            while batches:  # popped, so that only the caller keeps the results alive
                try:
                    batches.pop(0).deliver()
                except BaseException as error:
                    self._on_callback_error(error)

    def _record(self, batches):
        """Write the results of batches to the journal."""
        found = []
        for batch in batches:
            # A batch that cannot be read is left out; its caller gets that error soon.
            with contextlib.suppress(BaseException):
                known = batch.known() if batch.entries else {}
                found += [
                    (entry, known[i], batch.held.get(i))
                    for i, entry in batch.entries.items()
                    if i in known
                ]
        self._recorder.record(found)

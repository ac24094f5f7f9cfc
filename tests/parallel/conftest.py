"""Helpers to watch processes from outside and to wait for events instead of for time."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from skextra.parallel._engines import local_engine
from skextra.parallel._platform import runs_own_processes
from skextra.parallel._scheduling._scheduler import Scheduler
from tests.parallel.searches import Counting

# By the folder of the tests.
OF_ENGINES = {
    "processes": "tests our own processes",
    "dask": "the nodes of the cluster in these tests have our own processes",
}


def pytest_collection_modifyitems(items):
    """Skip what only our own processes can do, if the workers are those of loky."""
    if runs_own_processes():
        return
    for item in items:
        marker = item.get_closest_marker("linux_engine")
        reason = None if marker is None else marker.args[0]
        if item.path.is_relative_to(Path(__file__).parent / "engines"):
            reason = OF_ENGINES.get(item.path.parent.name, reason)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def eventually():
    """Wait until a condition holds and return its value; fail if it never does."""

    def wait(condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"still not so after {seconds} seconds"
            time.sleep(0.01)
        return value

    return wait


@pytest.fixture
def scheduler():
    """Start a scheduler that no call of joblib knows of."""
    scheduler = Scheduler(local_engine())
    yield scheduler
    scheduler.shut_down()


@pytest.fixture
def path(tmp_path):
    """Where a journal may be."""
    return tmp_path / "search.sqlite"


@pytest.fixture
def estimator(tmp_path):
    """Make an estimator whose fits can be counted."""
    return Counting(file=tmp_path / "fits")


@pytest.fixture
def open_segments():
    """Return a function that lists the descriptors of this process that are shared memory."""

    def find():
        found = []
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                found += [link] if "memfd:skextra" in os.readlink(link) else []
        return found

    return find


@pytest.fixture
def no_segment_is_left(eventually, open_segments):
    """Whatever a test does: after its calls no shared memory is held."""
    yield
    if open_segments():
        gc.collect()  # pytest keeps the tracebacks of errors, and with them arguments
    eventually(lambda: not open_segments(), seconds=2)


class Script:
    """A Python program in a process of its own, all of whose descendants can be found."""

    def __init__(self, path, text, arguments=()):
        self.path = path / "script.py"
        self.path.write_text(textwrap.dedent(text))
        self.mark = f"SKEXTRA_TEST_MARK={uuid.uuid4().hex}"
        self.temporary = path / "temporary"
        self.temporary.mkdir()
        name, value = self.mark.split("=")
        environment = {**os.environ, name: value, "TMPDIR": str(self.temporary)}
        environment.pop("PYTHONUNBUFFERED", None)  # what is printed waits in a buffer
        self.process = subprocess.Popen(
            [sys.executable, *arguments, str(self.path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=path,
            start_new_session=True,
        )

    def line(self):
        """Read the next line that the program prints."""
        return self.process.stdout.readline().strip()

    def finish(self):
        """Wait for the end; return what was printed, and fail if it ended in an error."""
        out, err = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, err
        return out.splitlines(), err

    def pids(self):
        """Return the process and every descendant that is still there."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                marked = self.mark.encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if marked:
                found.append(int(folder.name))
        return found


@pytest.fixture
def run_script(tmp_path):
    """Start a script; whatever it leaves behind is killed when the test is over."""
    scripts = []

    def start(text, *arguments):
        scripts.append(Script(tmp_path, text, arguments))
        return scripts[-1]

    yield start
    for script in scripts:
        for pid in script.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        script.process.communicate()

"""Programs in conditions under which processes are hard to start."""

import os
import subprocess
import sys

import pytest
import threadpoolctl
from packaging.version import parse as parse_version

from tests.parallel.calls import shared_memory_of

CALL = """
import skextra
import numpy as np
from joblib import Parallel, delayed
parallel = Parallel(n_jobs=2, backend="skextra")
print(parallel(delayed(abs)(-i) for i in range(3)))
print(parallel(delayed(np.sum)(np.ones(300_000)) for _ in range(2)))
"""


def run(command, folder, **options):
    """Run a program to its end and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=100, **options
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def check(printed):
    assert "[0, 1, 2]" in printed
    assert printed.count("300000.0") == 2


def test_program_under_pdb_runs(tmp_path):
    (tmp_path / "script.py").write_text(CALL)
    pdb = ["-m", "pdb", "-c", "continue", "-c", "q", "script.py"]
    check(run([sys.executable, *pdb], tmp_path, stdin=subprocess.DEVNULL))


def test_program_with_a_trace_function_runs(tmp_path):
    trace = "import sys\nsys.settrace(lambda *args: None)\n"
    check(run([sys.executable, "-c", trace + CALL], tmp_path))


def test_program_with_a_long_temporary_folder_runs(tmp_path):
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    check(run([sys.executable, "-c", CALL], tmp_path, env={**os.environ, "TMPDIR": str(folder)}))
    assert list(folder.iterdir()) == []


WITHOUT_FOLDER = """
import tempfile
def refuse(*args):
    raise FileNotFoundError(2, "No usable temporary directory found")
tempfile._get_default_tempdir = refuse
"""
PID = "import os\nprint(os.getpid())\n"
WITHOUT_CALLS = """
import os
for name in ("pidfd_open", "memfd_create"):
    if hasattr(os, name):
        delattr(os, name)
"""


@pytest.mark.parametrize(
    "missing", [WITHOUT_FOLDER, WITHOUT_CALLS, WITHOUT_FOLDER + WITHOUT_CALLS]
)
def test_program_without_what_a_system_may_lack_runs(tmp_path, missing):
    # In all processes, those of the server and the workers too.
    (tmp_path / "sitecustomize.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    printed = run([sys.executable, "-c", PID + CALL], tmp_path, env=environment)
    check(printed)
    assert not shared_memory_of(printed.split()[0])


def _can_import_socket_after(remove, folder):
    folder.mkdir()
    command = [sys.executable, "-c", remove + "import socket"]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


@pytest.mark.parametrize("when", ["before", "between"])
def test_program_whose_directory_was_removed_runs(tmp_path, when):
    remove = "import os, shutil\nshutil.rmtree(os.getcwd())\n"
    (tmp_path / "gone").mkdir()
    if when == "before" and not _can_import_socket_after(remove, tmp_path / "other"):
        pytest.skip("Python 3.13.0 cannot import socket in a directory that was removed")
    if when == "before" and parse_version(threadpoolctl.__version__) < parse_version("3.8"):
        pytest.skip("threadpoolctl before 3.8 prints a traceback of its own there")
    program = remove + CALL if when == "before" else CALL + remove + CALL
    printed = run([sys.executable, "-c", program], tmp_path / "gone").splitlines()
    check("\n".join(printed[-2:]))


DAEMON = """
import multiprocessing, os, sys, time, warnings
import skextra
from joblib import Parallel, delayed, parallel_config

def work():
    warnings.simplefilter("error")
    with parallel_config("skextra", n_jobs=2, task_timeout=1.0, journal="journal.sqlite"):
        print(len({os.getpid(), *Parallel()(delayed(os.getpid)() for _ in range(4))}) > 1)
        try:
            Parallel()(delayed(time.sleep)(60) for _ in range(2))
        except TimeoutError:
            print("timed out", flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    process.join()
    print(process.exitcode)
"""


def test_daemonic_process_has_workers_and_options_hold(tmp_path):
    (tmp_path / "script.py").write_text(DAEMON)
    assert run([sys.executable, "script.py"], tmp_path) == "True\ntimed out\n0\n"


def test_folders_of_a_program_outlive_the_server_of_its_worker(run_script, eventually):
    lines, err = run_script(
        """
        import multiprocessing.util, os, signal
        import skextra
        from joblib import Parallel, delayed

        def nested():
            Parallel(n_jobs=2, backend="skextra")(delayed(abs)(i) for i in range(2))
            return os.getpid()

        folder = multiprocessing.util.get_temp_dir()
        parallel = Parallel(n_jobs=2, backend="skextra")
        for pid in parallel(delayed(nested)() for _ in range(2)):
            os.kill(pid, signal.SIGKILL)
        parallel(delayed(os.system)("sleep 0.5") for _ in range(2))
        print(os.path.isdir(folder))
        """
    ).finish()
    assert lines == ["True"]
    assert err == ""

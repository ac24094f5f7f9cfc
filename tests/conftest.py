"""What all tests share."""

import os
import signal

# Threads that wait by spinning make tests many times slower on a machine with other work.
# OpenMP looks at it once, when torch or scikit-learn loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import matplotlib as mpl
import pytest

mpl.use("Agg")

# A shell without job control has what it starts in the background ignore SIGINT, and so would
# everything that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever imports the first is on a system that lacks much, the second has a cluster as backend.
collect_ignore = ["other_system.py", "foreign/backend_on_cluster.py"]


@pytest.fixture
def callbacks():
    """Return the module of scikit-learn's callbacks, which version 1.9 brought."""
    return pytest.importorskip(
        "sklearn.callback", reason="needs the callbacks of scikit-learn 1.9"
    )

"""What of a worker's standard error stream gets into an error message."""

import ctypes
import sys

import cloudpickle
import pytest
from joblib import delayed

from skextra.parallel import WorkerCrashError
from skextra.parallel._engines._processes._standard_error import TAIL_CHARACTERS, _shorten
from tests.parallel.calls import parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])

# As Python 3.14 writes it: the Python stack, a stack of C, the extension modules.
C_STACK = [f'  Binary file "/usr/lib/{"long" * 20}.so.6", at +0x{i:x} [0x7f]' for i in range(32)]
CRASH = "\n".join(
    [
        "Fatal Python error: Segmentation fault",
        "",
        "Current thread 0x00007f [python] (most recent call first):",
        '  File "ctypes/__init__.py", line 486 in string_at',
        '  File "script.py", line 9 in crash_in_my_function',
        "",
        "Current thread's C stack trace (most recent call first):",
        *C_STACK,
        "  <truncated rest of calls>",
        "",
        "Extension modules: " + ", ".join(["numpy._core"] * 200),
    ]
)


@pytest.mark.parametrize("before", ["", "warning\n" * 2000])
def test_stack_of_a_crash_is_kept_whatever_surrounds_it(before):
    text = _shorten(before + CRASH)
    assert len(text) <= TAIL_CHARACTERS
    assert "in crash_in_my_function" in text
    assert "Segmentation fault" in text
    assert text.count("Binary file") == 4
    assert "Extension modules" not in text


def test_most_recent_calls_of_a_long_stack_are_kept():
    frames = "\n".join(f'  File "deep.py", line {i} in call_{i}' for i in range(500))
    text = _shorten(f"before\n{_CRASH_HEAD}{frames}\n")
    assert "in call_0\n" in text
    assert "in call_499" not in text
    assert len(text) <= TAIL_CHARACTERS


_CRASH_HEAD = "Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n"


def test_end_of_other_text_is_kept_in_whole_lines():
    text = _shorten("".join(f"line {i}\n" for i in range(1000)))
    assert text.startswith("line ")
    assert text.endswith("line 999")
    assert len(text) <= TAIL_CHARACTERS
    assert _shorten("short\n") == "short"


def test_crash_deep_in_a_recursion_names_the_function_it_was_in():
    def crash_in_my_function():
        ctypes.string_at(0)

    def recurse(depth):
        return recurse(depth - 1) if depth else crash_in_my_function()

    with pytest.raises(WorkerCrashError, match="in crash_in_my_function"):
        parallel(max_retries=0)(delayed(recurse)(90) for _ in range(2))

import functools

import numpy as np
import pytest

from skextra.parallel._errors import describe_call, describe_exit


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (0, "it exited with code 0"),
        (3, "it exited with code 3"),
        (-9, "it was killed by SIGKILL; the system does this when memory runs out"),
        (-15, "it was killed by SIGTERM"),
        (-40, "it was killed by signal 40"),
    ],
)
def test_an_exit_code_is_told_in_words(exit_code, words):
    assert describe_exit(exit_code) == words


def test_crash_of_compiled_code_points_to_stack():
    assert "SIGSEGV; compiled code crashed" in describe_exit(-11)


def test_a_call_reads_as_source_code():
    assert describe_call(divmod, (7,), {"b": "two"}) == "divmod(7, b='two')"


def test_a_function_is_named_with_its_module():
    assert describe_call(np.linalg.norm, (), {}).startswith("numpy.linalg")


def test_the_function_inside_a_partial_is_named():
    nested = functools.partial(functools.partial(divmod, 7), 2)
    assert describe_call(nested, (), {}) == "divmod()"


def test_an_instance_is_named_by_its_class():
    class Model:
        def __call__(self):
            pass

    assert describe_call(Model(), (), {}).endswith("Model()")


def test_arrays_are_told_by_their_shape():
    text = describe_call(len, (np.zeros((10, 3)),), {"other": np.zeros(5)})
    assert text == "len(<ndarray of shape (10, 3)>, other=<ndarray of shape (5,)>)"


def test_many_long_arguments_are_cut_short():
    text = describe_call(print, ["x" * 1000] * 100, {})
    assert len(text) < 320
    assert text.endswith("...)")


def test_an_argument_whose_repr_fails_does_no_harm():
    class Broken:
        def __repr__(self):
            raise ValueError("no repr")

    assert "Broken instance" in describe_call(len, (Broken(),), {})

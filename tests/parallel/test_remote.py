"""What a client and its nodes say to each other."""

import pytest

from skextra.parallel._remote import expand, other_version, shrink

CLIENT = {"python": "3.11.7", "numpy": "2.4.6", "torch": "2.13.0"}


@pytest.mark.parametrize(
    ("node", "is_journaled", "expected"),
    [
        (CLIENT, True, None),
        ({**CLIENT, "numpy": "2.4.5"}, False, ("numpy", "2.4.5", "2.4.6")),
        ({**CLIENT, "python": "3.11.9"}, False, None),
        ({**CLIENT, "python": "3.11.9"}, True, ("python", "3.11.9", "3.11.7")),
        ({**CLIENT, "python": "3.12.7"}, False, ("python", "3.12.7", "3.11.7")),
        ({**CLIENT, "torch": None}, True, None),  # missing: an error if a task needs it
    ],
)
def test_versions_that_matter_differ(node, is_journaled, expected):
    assert other_version(CLIENT, node.get, is_journaled) == expected


@pytest.mark.parametrize("nbytes", [0, 10, 10_000, 2_000_000])
def test_message_is_made_small_and_whole_again(nbytes):
    message = b"t" + bytes(nbytes)
    assert expand(shrink(message)) == message
    assert len(shrink(message)) < 100 or nbytes == 2_000_000

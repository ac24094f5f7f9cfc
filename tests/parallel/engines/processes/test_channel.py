"""The engine's end of a pipe: what comes in pieces, and what is not read."""

import contextlib
import itertools
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextra.parallel._engines._processes._channel import Channel, drain
from skextra.parallel._messages import RESULT, SHARED_RESULT
from skextra.parallel._sharing._segments import Segment, map_received, send_descriptors

CONTENT = np.arange(3000.0)


@pytest.fixture
def channel():
    channel = Channel()
    yield channel
    channel.close()
    channel.theirs.close()


def arrived(channel):
    """Return all messages that have come."""
    messages = []
    try:
        while True:
            messages += channel.receive()
    except (BlockingIOError, EOFError):
        return messages


@given(
    st.lists(st.integers(0, 200_000), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-6, 200_000)), max_size=8),
)
@settings(deadline=None)
def test_messages_arrive_whole_and_in_order_however_they_are_cut(sizes, cuts):
    """Whatever pieces come, also such as part a message's length, the messages are the same."""
    messages = [RESULT + bytes([i]) * size for i, size in enumerate(sizes)]
    frames = [len(message).to_bytes(4, "big") + message for message in messages]
    starts = [sum(map(len, frames[:i])) for i in range(len(frames))]
    stream, found = b"".join(frames), []
    places = {max(0, starts[i % len(starts)] + offset) for i, offset in cuts}
    places |= set(range(0, len(stream), 100_000))  # a pipe has room for that
    with contextlib.closing(Channel()) as channel, channel.theirs:
        for start, end in itertools.pairwise([*sorted(places), len(stream)]):
            os.write(channel.theirs.fileno(), stream[start:end])
            found += map(bytes, arrived(channel))
    assert found == messages


def test_the_worker_reads_what_was_sent(channel):
    for message in (b"", b"a", bytes(1000)):
        assert channel.send(message)
        assert channel.theirs.recv_bytes() == message


def test_sending_to_one_that_does_not_read_waits_for_nobody(channel):
    message = bytes(range(256)) * 10_000
    assert not channel.send(message)
    assert not channel.send(b"next")
    received = []
    os.set_blocking(channel.theirs.fileno(), False)
    while not channel.flush():
        received.append(os.read(channel.theirs.fileno(), 100_000))
    while sum(map(len, received)) < len(message) + 12:
        received.append(os.read(channel.theirs.fileno(), 100_000))
    frames = len(message).to_bytes(4, "big") + message + (4).to_bytes(4, "big") + b"next"
    assert b"".join(received) == frames


def test_sending_to_one_that_is_gone_is_no_error(channel):
    channel.theirs.close()
    assert channel.send(b"a")
    with pytest.raises(EOFError):
        channel.receive()


def test_descriptors_arrive_with_their_message_and_are_closed_when_dropped(channel):
    segments = [Segment(CONTENT + i) for i in range(3)]
    for kind in (RESULT, SHARED_RESULT, SHARED_RESULT, RESULT):
        channel.theirs.send_bytes(kind + b"content")
        if kind == SHARED_RESULT:
            send_descriptors(channel.theirs, segments)
    messages = arrived(channel)
    assert [message[:1] for message in messages] == [RESULT, SHARED_RESULT, SHARED_RESULT, RESULT]
    for message in messages[1:3]:
        for i, descriptor in enumerate(message.descriptors):
            assert map_received(descriptor, CONTENT.nbytes).view(float)[0] == i
    number = int(messages[1].descriptors[0])
    del message, messages, descriptor
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_message_without_its_descriptors_is_not_complete(channel):
    channel.theirs.send_bytes(SHARED_RESULT)
    channel.theirs.close()
    assert list(drain(channel)) == []


def test_a_length_that_makes_no_sense_is_an_error(channel):
    os.write(channel.theirs.fileno(), b"\xff" * 12)
    with pytest.raises(OSError, match="no memory for a message"):
        arrived(channel)

"""Hashes of several parts, such that no other parts have the same."""

import hashlib


def make_hash(*parts):
    """Hash texts, bytes and buffers; only the last may be a buffer."""
    state = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        if isinstance(part, str):
            part = part.encode("utf-8", "surrogatepass")
        state.update(len(part).to_bytes(8, "little") if isinstance(part, bytes) else b"buffer")
        state.update(part)
    return state.digest()


def sorted_items(mapping):
    """List the names and values of a mapping, in the order of the names."""
    return [part for name in sorted(mapping, key=str) for part in (name, mapping[name])]

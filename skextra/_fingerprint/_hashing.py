"""Hashes of several parts, such that no other parts have the same."""

import hashlib

# Hashes have 20 bytes, so that nothing else may.
_LONGEST = 19


def short_or_hash(kind, text):
    """Return a kind and a text themselves if they are short, else a hash of them."""
    whole = f"{kind}:{text}"
    if len(whole) <= _LONGEST and whole.isascii():
        return whole.encode()
    return make_hash(kind, text)


def make_hash(*parts):
    """Hash texts, bytes and buffers; only the last may be a buffer."""
    pieces = []
    for part in parts:
        if type(part) is str:
            part = part.encode("utf-8", "surrogatepass")
        if type(part) is not bytes:
            state = hashlib.sha1(b"".join([*pieces, b"buffer"]), usedforsecurity=False)
            state.update(part)
            return state.digest()
        pieces += (len(part).to_bytes(8, "little"), part)
    return hashlib.sha1(b"".join(pieces), usedforsecurity=False).digest()


def sorted_items(mapping):
    """List the names and values of a mapping, in the order of the names."""
    return [part for name in sorted(mapping, key=str) for part in (name, mapping[name])]

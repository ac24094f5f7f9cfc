"""The error for a value whose fingerprint nobody can tell."""


class FingerprintError(TypeError):
    """A value has no fingerprint: what it does cannot be told from what it holds.

    Parameters
    ----------
    value : object
        Such as a lock, a generator or an open file.
    why : str
        The reason, in words.
    """

    def __init__(self, value, why):
        kind = type(value)
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        what = f"a {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
        if isinstance(name, str):
            what += f" named {name!r}"
        super().__init__(f"{what} has no fingerprint: {why}")

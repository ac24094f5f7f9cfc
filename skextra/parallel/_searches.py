"""What the backend knows of scikit-learn's searches: the one function that their tasks call.

``GridSearchCV`` and its relatives, ``cross_validate``, ``cross_val_score`` and ``learning_curve``
all hand joblib calls of ``_fit_and_score``. It is recognised by its name, so that scikit-learn is
not imported for it.
"""

import contextlib

_MODULE, _NAME = "sklearn.model_selection._validation", "_fit_and_score"


def is_fit(function):
    """Whether a function fits and scores one candidate on one split."""
    return (
        getattr(function, "__module__", None) == _MODULE
        and getattr(function, "__qualname__", None) == _NAME
    )


def lean(calls):
    """Leave out what fits do not need and what grows with the search.

    Without callbacks the context of a task still holds the contexts of all tasks, and the search
    that calls holds its whole grid.
    """
    if not any(map(is_fit, {id(call[0]): call[0] for call in calls}.values())):
        return calls
    return [_lean(call) if is_fit(call[0]) else call for call in calls]


def _lean(call):
    function, args, kwargs = call
    context = kwargs.get("callback_ctx")
    if context is None and kwargs.get("caller") is None:
        return call
    if context is not None and getattr(context, "_callbacks", True):
        return call
    if _has_callbacks(args) or _has_callbacks(kwargs.get("parameters")):
        return call  # theirs ask which search they are in
    return function, args, {**kwargs, "callback_ctx": None, "caller": None}


def _has_callbacks(value):
    """Whether there is an estimator with callbacks of its own in something."""
    if isinstance(value, list | tuple):
        return any(map(_has_callbacks, value)) if len(value) < 100 else False
    if isinstance(value, dict):
        return any(map(_has_callbacks, value.values()))
    if not hasattr(value, "get_params"):
        return False
    return bool(getattr(value, "_skl_callbacks", None)) or _has_callbacks(vars(value))


def describe_fit(args, kwargs, short):
    """Say which candidate a fit is of, and which fold.

    Parameters
    ----------
    args, kwargs : tuple, dict
        The arguments of ``_fit_and_score``.
    short : callable
        Writes a value in a few words.
    """
    estimator = kwargs.get("estimator", args[0] if args else None)
    text = f"the fit of {short(estimator)}"
    if kwargs.get("parameters"):
        pairs = (f"{name}={short(value)}" for name, value in kwargs["parameters"].items())
        text += f" with {', '.join(pairs)}"
    if kwargs.get("split_progress"):
        fold, n_folds = kwargs["split_progress"]
        return f"{text} on fold {fold + 1} of {n_folds} (_fit_and_score)"
    with contextlib.suppress(KeyError, TypeError):
        text += f" on {len(kwargs['train'])} samples, scored on {len(kwargs['test'])}"
    return f"{text} (_fit_and_score)"


def place_of_fit(function, kwargs):
    """List words that say of which candidate and split a fit is; none for another call."""
    if not is_fit(function):
        return []
    words = []
    for word, key in (("candidate", "candidate_progress"), ("split", "split_progress")):
        if kwargs.get(key):
            words += [word, str(kwargs[key][0])]
    return words


def prefix_of_fit(call):
    """Return what the steps of a fit's pipeline depend on, but for the last; None for others.

    It tells the calls of one search apart, and nothing else.
    """
    function, args, kwargs = call
    steps = getattr(kwargs.get("estimator", args[0] if args else None), "steps", None)
    if not is_fit(function) or not steps or "train" not in kwargs:
        return None
    last, parameters = steps[-1][0], kwargs.get("parameters") or {}
    of_others = tuple(
        (name, value if isinstance(value, int | float | str) else id(value))
        for name, value in parameters.items()
        if name.partition("__")[0] != last
    )
    return id(kwargs["train"]), of_others


def takes_error_score(call):
    """Whether a fit that fails is to get a score instead."""
    function, _, kwargs = call
    return is_fit(function) and not isinstance(kwargs.get("error_score", 0.0), str)


def failed_fit(call, error):
    """Return what a fit returns if fitting raises an error: its score is the ``error_score``."""
    # scikit-learn itself says what that looks like; it needs but the number of rows for that.
    from skextra.parallel._failing_estimator import FailingEstimator, rows_only

    function, args, kwargs = call
    arguments = dict(zip(("estimator", "X", "y"), args, strict=False)) | kwargs
    original = arguments["estimator"]
    arguments |= {
        "estimator": FailingEstimator(error),
        "X": rows_only(arguments["X"]),
        "y": None,
        "fit_params": None,
        "score_params": None,
        "verbose": 0,
    }
    # Always there when scikit-learn 1.9 is the oldest that is supported.
    arguments |= {name: None for name in ("callback_ctx", "caller") if name in arguments}
    result = getattr(function, "function", function)(**arguments)
    if "estimator" in result:
        result["estimator"] = original
    return result

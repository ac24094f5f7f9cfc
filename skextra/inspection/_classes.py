"""Labels and class names: of one kind, known, and as many as there are classes."""

import numpy as np

from skextra._drawing import one_line


def check_labels(name, labels, classes, *, source="the classifier", known=True):
    """Raise if labels are of another kind than the classes, or none of them is a class.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    labels : array-like of shape (n_samples,)
        Labels that a user gave.
    classes : array-like of shape (n_classes,)
        The labels to which they are compared.
    source : str, default="the classifier"
        Where `classes` come from, for messages.
    known : bool, default=True
        Whether `classes` are all that there are, so that one of them at least must be there.

    Raises
    ------
    ValueError
        Compared as they are, such labels would all count as mistakes.
    """
    labels, classes = np.asarray(labels), np.asarray(classes)
    if not labels.size or not classes.size:
        return
    kinds = _kind(labels), _kind(classes)
    if kinds[0] == kinds[1] and (not known or np.isin(labels, classes).any()):
        return
    some = [_plain(values) for values in (labels, classes)]
    raise ValueError(
        f"{name} has labels such as {some[0]}, but those of {source} are {some[1]}: all would "
        f"count as mistakes. Give {name} as the labels that the classifier was fitted with. "
        "Integer codes of load_image_folder become names by target_names[target]."
    )


def names_of(classes, class_names):
    """Return a dict from each class to the name that pictures show.

    Parameters
    ----------
    classes : array-like of shape (n_classes,)
        The labels.
    class_names : sequence of str or None
        Names in the order of `classes`; None takes the labels.

    Returns
    -------
    dict
    """
    classes = np.asarray(classes).tolist()
    if class_names is None:
        return {label: one_line(label) for label in classes}
    if isinstance(class_names, str) or len(class_names) != len(classes):
        raise ValueError(
            f"class_names holds {len(class_names)} names, but there are {len(classes)} classes: "
            f"{classes}."
        )
    return {label: one_line(name) for label, name in zip(classes, class_names, strict=True)}


def _kind(values):
    if values.dtype.kind in "SUT":
        return "text"
    if values.dtype.kind == "O":
        return "text" if all(isinstance(value, str) for value in values.ravel()) else "objects"
    return "numbers"


def _plain(values):
    shown = np.unique(values.astype(str) if values.dtype.kind == "O" else values)[:4].tolist()
    return ", ".join(map(repr, shown))

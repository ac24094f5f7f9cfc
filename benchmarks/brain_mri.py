"""How good a recipe is on real slices, on splits that are fixed before any tuning.

python -m benchmarks.brain_mri path/to/scans                   choose by this: validation part
python -m benchmarks.brain_mri path/to/scans --part test       look at this once, at the end

The folder has one folder a class. Slices whose thumbnails correlate at 0.95 or more form a group.
Five folds that part no group are drawn once: fold 0 is the test part, fold 1 the validation part.
``--part validation`` trains on the other three; ``--part test`` trains on four. The plain split,
five folds without regard to groups, stands beside them to show what near duplicates are worth.

Probabilities are reported as they are and with the temperature that makes the validation part most
likely: ``--part test`` also trains without that part to find it, and on the validation part itself
it flatters. A programming exercise on medical images, never medical advice.
"""

import argparse
import time

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, recall_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier

from skextra import TumorCNNClassifier
from skextra.datasets import load_image_folder, near_duplicate_groups

TEST_FOLD, VALIDATION_FOLD = 0, 1
N_BINS = 15  # of the expected calibration error


def folds(y, groups):
    """Return the indices of five folds that part no group."""
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    return [test for _, test in splitter.split(y, y, groups)]


def expected_calibration_error(y_true, probability, classes):
    """Return the mean gap of confidence and accuracy over equal bins (Guo et al., 2017)."""
    confidence = probability.max(axis=1)
    right = classes[probability.argmax(axis=1)] == y_true
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gap = np.bincount(bins, right - confidence, minlength=N_BINS)
    return float(np.abs(gap).sum() / len(y_true))


def best_temperature(scores, codes):
    """Return the divisor of the logits that makes the classes most likely.

    scikit-learn's calibration fits one and keeps it with its model; here it serves another model,
    which was trained on more.
    """
    rows = np.arange(len(codes))

    def loss(log_temperature):
        return -log_softmax(scores / np.exp(log_temperature), axis=1)[rows, codes].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def train_and_score(architecture, X, y, train, held_out, seed):
    """Return logits of the part held out, classes and seconds of training and prediction."""
    if architecture == "nearest":
        model = KNeighborsClassifier(1)
        inputs = X.reshape(len(X), 32, 4, 32, 4).mean(axis=(2, 4), dtype=np.float32)
        inputs = inputs.reshape(len(X), -1)  # thumbnails of 32x32 pixels
    else:
        model = TumorCNNClassifier(architecture=architecture, random_state=seed)
        inputs = X
    started = time.perf_counter()
    model.fit(inputs[train], y[train])
    fitted = time.perf_counter()
    probability = model.predict_proba(inputs[held_out])
    seconds = fitted - started, time.perf_counter() - fitted
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(probability), -20.0), model.classes_, seconds


def report(architecture, X, y, parts, part, seed):
    """Train once (twice where a temperature has to be found first) and return the figures."""
    rest = np.concatenate(parts[2:])
    scores, classes, seconds = train_and_score(
        architecture, X, y, rest, parts[VALIDATION_FOLD], seed
    )
    held_out = parts[VALIDATION_FOLD]
    temperature = best_temperature(scores, np.searchsorted(classes, y[held_out]))
    if part == "test":
        train = np.concatenate([rest, held_out])
        held_out = parts[TEST_FOLD]
        scores, classes, seconds = train_and_score(architecture, X, y, train, held_out, seed)
    raw, calibrated = (np.exp(log_softmax(scores / t, axis=1)) for t in (1.0, temperature))
    predicted = classes[scores.argmax(axis=1)]
    return {
        "accuracy": accuracy_score(y[held_out], predicted),
        "log-loss": log_loss(y[held_out], raw, labels=classes),
        "calibrated": log_loss(y[held_out], calibrated, labels=classes),
        "ECE": expected_calibration_error(y[held_out], raw, classes),
        "calibrated ECE": expected_calibration_error(y[held_out], calibrated, classes),
        "seconds": seconds[0],
        "images/s": len(held_out) / seconds[1],
        "recall": recall_score(y[held_out], predicted, average=None),
        "confusion": confusion_matrix(y[held_out], predicted, labels=classes),
    }


def main():
    """Print a table: a line each for architecture and split, mean and spread over the seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder of scans, one folder a class")
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each (default: 3)")
    parser.add_argument(
        "--architectures", nargs="+", default=["nearest", "sequential", "resnet"], metavar="NAME"
    )
    parser.add_argument("--splits", nargs="+", default=["groups", "plain"])
    options = parser.parse_args()

    scans = load_image_folder(options.data, image_size=128, n_jobs=2)
    X, y = scans.images, scans.target_names[scans.target]
    parts = {
        "groups": folds(y, near_duplicate_groups(X)),
        "plain": folds(y, np.arange(len(y))),
    }
    print(f"{len(X)} slices, {options.part} part; mean +- standard deviation of {options.seeds}")
    for architecture in options.architectures:
        for split in options.splits:
            seeds = range(1 if architecture == "nearest" else options.seeds)
            rows = [report(architecture, X, y, parts[split], options.part, seed) for seed in seeds]
            print(f"\n{architecture}, {split}")
            for name in rows[0]:
                values = np.array([row[name] for row in rows], dtype=float)
                mean, spread = values.mean(axis=0), values.std(axis=0)
                if name == "confusion":
                    print(f"  confusion, sum (rows: true)\n{values.sum(axis=0).astype(int)}")
                elif name == "recall":
                    each = zip(np.unique(y), mean, strict=True)
                    print("  recall", ", ".join(f"{label} {value:.4f}" for label, value in each))
                else:
                    print(f"  {name:15s}{mean:10.4f} +- {spread:.4f}", flush=True)


if __name__ == "__main__":
    main()

"""Tables of ratios between a part of the package and its peers, both sides in one process.

python -m benchmarks.compare naive_bayes
"""

import argparse
import importlib
from time import perf_counter

import numpy as np

PARTS = {
    "datasets": "benchmarks.datasets",
    "naive_bayes": "benchmarks.naive_bayes",
    "neural_network": "benchmarks.neural_network",
    "parallel": "benchmarks.compare_parallel",
    "search": "benchmarks.search",
}


def main():
    """Run the comparison that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=list(PARTS), help="which part to compare")
    part = parser.parse_args().part
    importlib.import_module(PARTS[part]).compare()


def medians(functions, repeat):
    """Return the median seconds of each function, run in turns after a first run of each."""
    for function in functions:
        function()
    seconds = np.empty((repeat, len(functions)))
    for turn in range(repeat):
        for place, function in enumerate(functions):
            started = perf_counter()
            function()
            seconds[turn, place] = perf_counter() - started
    return np.median(seconds, axis=0)


def geometric_mean(ratios):
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(ratios))))


if __name__ == "__main__":
    main()

"""Which public types a checker does not know: ``python tests/public_types.py``.

It asks ``basedpyright --verifytypes`` about the package that is installed, not editable, in the
environment of the Python that runs it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# scikit-learn and joblib have no types. A class with one of theirs as a base counts as unknown,
# and so do the functions that take or return it.
BASES_WITHOUT_TYPES = {
    "skextra.ScratchGaussianNB",
    "skextra.TumorCNNClassifier",
    "skextra.naive_bayes.ScratchGaussianNB",
    "skextra.naive_bayes._gaussian.ScratchGaussianNB",
    "skextra.neural_network.TumorCNNClassifier",
    "skextra.neural_network._tumor_cnn.TumorCNNClassifier",
    "skextra.parallel.SkextraBackend",
    "skextra.parallel._backend.SkextraBackend",
}
THEIR_FUNCTIONS = {"skextra.neural_network.load_model", "skextra.neural_network.save_model"}
OF_BASES = ("Type of base class unknown", "Type of metaclass unknown")


def report():
    """Return what basedpyright says of the types of the installed package."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": os.pathsep.join([str(scripts), os.environ["PATH"]]),
        "VIRTUAL_ENV": sys.prefix,
    }
    command = [str(scripts / "basedpyright"), "--pythonpath", sys.executable]
    command += ["--verifytypes", "skextra", "--ignoreexternal", "--outputjson"]
    with tempfile.TemporaryDirectory() as elsewhere:  # not where the sources lie
        done = subprocess.run(
            command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
        )
    if not done.stdout.startswith("{"):
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout)


def is_expected(symbol):
    """Return whether a type is unknown only for want of types in scikit-learn and joblib."""
    messages = [each["message"] for each in symbol["diagnostics"]]
    if symbol["name"] in BASES_WITHOUT_TYPES:
        return all(message.startswith(OF_BASES) for message in messages)
    if symbol["name"] in THEIR_FUNCTIONS:
        return all('"TumorCNNClassifier"' in message for message in messages)
    return False


def main():
    """Print what is unknown and return 1 if something is that could be known."""
    said = report()
    symbols = said["typeCompleteness"]["symbols"]
    if not symbols:
        sys.exit("\n".join(each["message"] for each in said["generalDiagnostics"]))
    unknown = [each for each in symbols if not each["isTypeKnown"] or each["isTypeAmbiguous"]]
    unexpected = [symbol for symbol in unknown if not is_expected(symbol)]
    for symbol in unexpected:
        print(symbol["name"])
        for each in symbol["diagnostics"]:
            line = each["range"]["start"]["line"] + 1 if "range" in each else "?"
            print(f"  {each.get('file', '')}:{line}: {each['message']}")
    print(
        f"{len(symbols)} symbols: {len(unexpected)} with a type that could be known and is not, "
        f"{len(unknown) - len(unexpected)} whose base has none."
    )
    return int(bool(unexpected))


if __name__ == "__main__":
    sys.exit(main())

"""The matrix of versions, run by hand and by the workflow alike, as in ``nox -s lowest``."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lowest", "lint", "docs"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
CONSTRAINTS = "constraints.txt"
COMPILE = (
    "uv pip compile pyproject.toml --universal --python-version 3.11.7 --all-extras --group dev "
    f"--no-annotate --no-header --output-file {CONSTRAINTS}"
)
WORKFLOW = ".github/workflows/tests.yml"
# Tests of other projects that call ``joblib.Parallel`` in many ways.
FOREIGN = [
    "sklearn.compose.tests.test_column_transformer",
    "sklearn.ensemble.tests.test_bagging",
    "sklearn.ensemble.tests.test_stacking",
    "sklearn.ensemble.tests.test_voting",
    "sklearn.feature_selection.tests.test_rfe",
    "sklearn.inspection.tests.test_permutation_importance",
    "sklearn.tests.test_calibration",
    "sklearn.tests.test_multiclass",
    "sklearn.tests.test_multioutput",
    "imblearn.ensemble",
]
# Options for tests of other projects, whose warnings are not ours.
FOREIGN_OPTIONS = "-c /dev/null -W ignore --timeout=300 -p no:cacheprovider"
# What `lowest_core` runs: each part that does without PyTorch, and what differs between versions.
CORE = [
    "tests/naive_bayes/test_gaussian.py",
    "tests/naive_bayes/test_streaming.py",
    "tests/naive_bayes/test_collections.py",
    "tests/datasets/files/test_dicom.py",
    "tests/parallel/test_searches.py",
    "tests/parallel/scheduling/test_deaths.py",
    "tests/parallel/engines/test_loky.py",
]
EXTRAS = ["core", "network", "plot", "cluster", "dicom", "all"]
# Waiting threads that spin make everything many times slower where others share the machine.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}


@nox.session(python=PYTHONS)
def tests(session):
    """Run the tests with the versions of constraints.txt, with each Python that is found."""
    session.install("-c", CONSTRAINTS, "-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs, env=ENVIRONMENT)


@nox.session(python=PYTHONS[0])
def loky(session):
    """Run the tests of the backend on the workers that other systems than Linux have."""
    session.install("-c", CONSTRAINTS, "-e", ".[test]")
    environment = {**ENVIRONMENT, "SKEXTRA_ENGINE": "loky"}
    tests = session.posargs or ["tests/parallel"]
    session.run("python", "-m", "pytest", *tests, env=environment)


@nox.session(python=PYTHONS[0])
def lowest(session):
    """Run the tests with the lowest versions that pyproject.toml allows."""
    run_with_lowest(session, *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest_core(session):
    """Run a short part of that without PyTorch, whose default build brings gigabytes of CUDA."""
    overrides = Path(session.create_tmp()).resolve() / "overrides.txt"
    overrides.write_text("torch ; python_version < '3'\n")
    run_with_lowest(session, *(session.posargs or CORE), overrides=overrides)


def run_with_lowest(session, *tests, overrides=None):
    """Install the lowest direct dependencies in a session, and run tests with them."""
    pins = Path(session.create_tmp()).resolve() / "lowest.txt"
    session.install("uv")
    # Without --upgrade, the versions of an earlier run would stay.
    words = "pip compile --quiet --upgrade pyproject.toml --extra test --resolution lowest-direct"
    options = ["--python-version", "3.11", "--output-file", str(pins)]
    options += [] if overrides is None else ["--override", str(overrides)]
    session.run("uv", *words.split(), *options)
    session.install("-r", str(pins))
    session.install("--no-deps", "-e", ".")
    # Old libraries use what other libraries, being newer, have deprecated since.
    warnings = "-W default::DeprecationWarning -W default::FutureWarning"
    # scikit-learn 1.7 warns of many classes in more places than 1.9 does.
    warnings += " -W 'ignore:The number of unique classes:UserWarning'"
    environment = ENVIRONMENT | {"PYTEST_ADDOPTS": warnings}  # for a pytest in a test, too
    session.run("python", "-m", "pytest", *tests, env=environment)


@nox.session(python=PYTHONS[0])
def newest(session):
    """Run the tests with pre-releases; what fails here is reported and stops nobody."""
    is_uv = session.venv_backend == "uv"
    session.install(*(["--prerelease", "allow"] if is_uv else ["--pre"]), "-U", "-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs, env=ENVIRONMENT)


@nox.session(python=PYTHONS[0])
def foreign(session):
    """Run tests of scikit-learn and imbalanced-learn with every Parallel on the backend."""
    session.install("-c", CONSTRAINTS, "-e", ".[test]", "imbalanced-learn")
    options = f"{FOREIGN_OPTIONS} -p tests.foreign.every_parallel --pyargs"
    environment = ENVIRONMENT | {"PYTHONPATH": "."}
    tests = [*FOREIGN, *session.posargs]
    session.run("python", "-m", "pytest", *options.split(), *tests, env=environment)


@nox.session(python=PYTHONS[0])
def foreign_cluster(session):
    """Run scikit-learn's tests of searches with every Parallel on a Dask cluster."""
    session.install("-c", CONSTRAINTS, "-e", ".[test]")
    options = f"{FOREIGN_OPTIONS} -p tests.foreign.every_parallel_on_cluster --pyargs"
    environment = ENVIRONMENT | {"PYTHONPATH": "."}
    tests = [f"sklearn.model_selection.tests.test_{name}" for name in ("search", "validation")]
    tests += session.posargs
    session.run("python", "-m", "pytest", *options.split(), *tests, env=environment)


@nox.session(python=PYTHONS[0])
def serving(session):
    """Run the guide's page on serving with the libraries that it names, the newest of each."""
    libraries = ("fastapi", "httpx", "mlflow-skinny>=3", "onnxruntime", "onnxscript", "skl2onnx")
    session.install("-e", ".[test]", *libraries)
    session.run("python", "-m", "pytest", "tests/neural_network/test_serving.py", env=ENVIRONMENT)


@nox.session(python=PYTHONS[0])
def lint(session):
    """Check style, spelling, the layers of the package, and the workflow file."""
    tools = ("ruff", "codespell", "import-linter", "check-jsonschema")
    session.install("-c", CONSTRAINTS, "-e", ".", *tools)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    files = session.run("git", "ls-files", external=True, silent=True)
    session.run("codespell", *files.split())
    session.run("lint-imports")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)


@nox.session(python=PYTHONS[0])
def types(session):
    """Check that type checkers know every public type of the installed package.

    The score that ``basedpyright --verifytypes`` prints stays below 100 %: scikit-learn and joblib
    have no types, and a class with a base of theirs counts as unknown. The script passes over
    these classes, and fails for all else.
    """
    session.install("-c", CONSTRAINTS, ".[all]", "basedpyright")
    session.run("python", "tests/public_types.py")


@nox.session(python=PYTHONS[0])
def docs(session):
    """Build the documentation, check its links, and run the code of its pages."""
    session.install("-c", CONSTRAINTS, "-e", ".[docs]")
    sphinx = "python -m sphinx -q -W --keep-going -b html docs docs/_build/html"
    session.run(*sphinx.split(), env=ENVIRONMENT)
    session.run("python", "docs/check_links.py", "docs/_build/html")
    pages = [*Path("docs").glob("*.rst"), *Path("docs/user_guide").glob("*.rst")]
    options = ["-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE"]
    environment = ENVIRONMENT | {"MPLBACKEND": "agg"}
    session.run("python", "-m", "doctest", *options, *map(str, pages), env=environment)


@nox.session(python=PYTHONS[0])
def bench(session):
    """Run each benchmark once."""
    session.install("-c", CONSTRAINTS, "-e", ".[test]")
    session.run("asv", "machine", "--yes", silent=True)
    python = f"existing:{session.virtualenv.bin}/python"
    session.run("asv", "run", "--environment", python, "--quick", "--dry-run", env=ENVIRONMENT)


@nox.session(python=PYTHONS[0])
def package(session):
    """Build sdist and wheel, and check what a package index would show of them."""
    session.install("-c", CONSTRAINTS, "build", "twine")
    folder = Path(session.create_tmp()).resolve() / "dist"
    session.run("python", "-m", "build", "--outdir", str(folder))
    session.run("twine", "check", "--strict", *map(str, folder.iterdir()))


@nox.session(python=PYTHONS[0])
@nox.parametrize("extra", EXTRAS)
def extras(session, extra):
    """Install one extra, from a wheel, and do what it is for."""
    package = "." if extra == "core" else f".[{extra}]"
    session.install("-c", CONSTRAINTS, package)
    script = Path("tests/extras.py").resolve()
    session.chdir(session.create_tmp())  # not where the sources lie
    session.run("python", "-P", str(script), extra, env=ENVIRONMENT)


@nox.session(venv_backend="none")
def constraints(session):
    """Write constraints.txt anew; versions that still fit stay."""
    session.run(*COMPILE.split(), external=True)
    path = Path(CONSTRAINTS)
    path.write_text(f"# {COMPILE}\n{path.read_text()}")

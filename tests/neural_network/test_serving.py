"""The blocks of the guide's page on serving, each run as it stands."""

import json
import textwrap
from io import BytesIO
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

GUIDE = Path(__file__).parents[2] / "docs/user_guide"


def blocks(page, heading, end="\0"):
    """Return the code of a page from a heading to a text."""
    text = (GUIDE / page).read_text().partition(f"\n{heading}")[2].partition(end)[0]
    code = [_indented(part) for part in text.split(".. code-block:: python\n")[1:]]
    assert code, (page, heading)
    return textwrap.dedent("\n".join(code))


def _indented(text):
    lines = takewhile(lambda line: not line or line.startswith("    "), text.splitlines())
    return "\n".join(lines)


def run(heading, end, names):
    exec(compile(blocks("serving.rst", heading, end), f"serving.rst, {heading}", "exec"), names)
    return names


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the files that the page's first block writes, and its names."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        return folder, run("Serving a model", "Which file", {})


@pytest.fixture
def names(made, monkeypatch):
    folder, names = made
    monkeypatch.chdir(folder)
    return dict(names)


def test_skops_answers_with_the_same_bits(names):
    run("Which file", "FastAPI\n", names)


def test_fastapi_answers_as_the_classifier(names):
    pytest.importorskip("fastapi", reason="FastAPI is not in the extra `test`")
    client = pytest.importorskip("fastapi.testclient", reason="its client needs httpx").TestClient
    app = run("FastAPI", "gunicorn\n", names)["app"]
    answer = client(app).post("/predict", json=names["X"][3].tolist())
    classifier = names["classifier"]
    assert list(answer.json()) == classifier.classes_.tolist()
    assert np.allclose(list(answer.json().values()), classifier.predict_proba(names["X"][3:4]))


def test_wsgi_application_answers_as_the_classifier(names):
    app = run("gunicorn", "What may be done", names)["app"]
    body, started = json.dumps(names["X"][3].tolist()).encode(), []
    environ = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
    (answer,) = app(environ, lambda *args: started.append(args))
    assert started[0][0] == "200 OK"
    assert json.loads(answer) == {"label": names["classifier"].predict(names["X"][3:4])[0]}


@pytest.mark.filterwarnings("default")  # mlflow's own
def test_mlflow_answers_with_the_same_bits(names):
    pytest.importorskip("mlflow", reason="mlflow is not in the extra `test`")
    run("mlflow", "ONNX: the network", names)


@pytest.mark.filterwarnings("default")  # those of the converters
def test_onnx_network_answers_as_the_classifier(names):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not in the extra `test`")
    pytest.importorskip("onnxscript", reason="onnxscript is not in the extra `test`")
    exec(blocks("neural_network.rst", ".. _network_export:", "images = torch"), names)
    run("ONNX: the network", "ONNX: naive Bayes", names)


@pytest.mark.filterwarnings("default")  # those of the converters
def test_onnx_naive_bayes_answers_as_the_classifier(names):
    names["onnxruntime"] = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not in the extra `test`"
    )
    pytest.importorskip("skl2onnx", reason="skl2onnx is not in the extra `test`")
    run("ONNX: naive Bayes", "Missing values are", names)

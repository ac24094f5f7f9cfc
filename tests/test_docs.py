"""The pages hang together, as far as that can be told without building them."""

import re
import runpy
from email.message import Message
from pathlib import Path

import pytest

from skextra import ScratchGaussianNB, TumorCNNClassifier, _sklearn

DOCS = Path(__file__).parents[1] / "docs"


def test_every_example_is_in_one_gallery_group():
    listed = re.findall(r"examples/(plot_\w+\.py)", (DOCS / "gallery.rst").read_text())
    assert sorted(listed) == sorted(path.name for path in (DOCS / "examples").glob("plot_*.py"))


def test_every_guide_page_is_in_the_contents():
    guide = DOCS / "user_guide"
    listed = re.findall(r"^   (\w+)$", (guide / "index.rst").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(
        path.stem for path in guide.glob("*.rst") if path.stem != "index"
    )


def test_every_benchmark_command_is_in_the_table():
    command = r"python -m (benchmarks\.(?:compare )?\w+)"
    pages = [*DOCS.glob("user_guide/*.rst"), DOCS.parent / "README.md"]
    used = {name for page in pages for name in re.findall(command, page.read_text())}
    table = (DOCS / "user_guide" / "measured.rst").read_text()
    assert used == set(re.findall(command, table))


def test_every_picture_has_an_alt_text():
    for page in DOCS.rglob("*.rst"):
        if {"auto_examples", "generated", "_build"} & set(page.relative_to(DOCS).parts):
            continue
        text = page.read_text()
        pictures = len(re.findall(r"^ *\.\. (?:figure|image)::", text, re.MULTILINE))
        assert len(re.findall(r"^ *:alt: \w", text, re.MULTILINE)) == pictures, page


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "b c.html").write_text('<h1 id="here">')
    links = ["b%20c.html#here", "b%20c.html#gone", "lost.png", "#here", "https://example.org/lost"]
    text = "".join(f'<a href="{link}">' for link in links)
    (tmp_path / "a.html").write_text(text)
    broken_links = runpy.run_path(str(DOCS / "check_links.py"))["broken_links"]
    lost = ["#here", "b%20c.html#gone", "lost.png"]
    assert broken_links(tmp_path) == [f"a.html: {link}" for link in lost]


@pytest.mark.parametrize("estimator", [ScratchGaussianNB(), TumorCNNClassifier()])
def test_question_mark_leads_to_published_api_page(estimator, monkeypatch):
    assert "href" not in estimator._repr_html_()
    package = Message()
    package["Project-URL"] = "Documentation, https://example.org/skextra/"
    monkeypatch.setattr(_sklearn, "metadata", {"skextra": package}.get)
    name = type(estimator).__name__
    page = f"https://example.org/skextra/api/generated/skextra.{name}.html"
    assert f'href="{page}"' in estimator._repr_html_()
    assert f"   {name}\n" in (DOCS / "api" / "index.rst").read_text()

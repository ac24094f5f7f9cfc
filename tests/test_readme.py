"""The README's examples run, and its commands name what exists."""

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from skextra.datasets import make_brain_mri

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[-1])
def test_every_python_example_runs_as_a_script(example, tmp_path):
    done = run(["-W", "error", "-c", example], tmp_path)
    assert done.stdout.strip()


def test_readme_commands_install_the_pinned_versions():
    for name, last in (("main", "plot_quickstart.py"), ("test", "-m pytest")):
        command = re.search(rf"<!-- {name} command -->\n```console\n(.*?)\n```", README).group(1)
        assert "-c constraints.txt" in command
        assert command.endswith(last)


@pytest.mark.parametrize("command", COMMANDS)
def test_files_and_extras_of_commands_exist(command):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for names in re.findall(r"\[([\w,]+)\]", command):
        assert set(names.split(",")) <= extras.keys()
    for path in re.findall(r"(?<=\s)[\w./-]+\.(?:py|txt|json)", command):
        assert (ROOT / path).exists(), path


def test_links_of_the_readme_can_be_read():
    """Where a README is shown, a page of Sphinx's roles is shown as its source."""
    for linked in re.findall(r"(?:\]\(|src=\")([\w./]+)", README):
        assert (ROOT / linked).exists(), linked
        assert not linked.endswith(".rst") or ":`" not in (ROOT / linked).read_text(), linked


def test_figures_of_the_readme_name_command_and_date():
    rows = re.search(r"\| measured .*?\n\n", README, re.DOTALL).group().splitlines()[2:-1]
    assert len(rows) == 3
    for row in rows:
        assert re.search(r"`python -m benchmarks\.\w+ .*`.*\d{4}-\d\d-\d\d", row), row


def test_constraints_begin_with_their_command():
    first = (ROOT / "constraints.txt").read_text().splitlines()[0]
    assert first.startswith("# uv pip compile ")
    assert first.endswith("--output-file constraints.txt")


def test_every_required_and_test_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.match(r"[\w-]+", text).group() for text in wanted} - {"skextra"}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert names <= pinned


QUICKSTART = str(ROOT / "docs" / "examples" / "plot_quickstart.py")
SMALL = ["--image-size", "24", "--max-epochs", "1", "--output", "pictures"]


def test_the_main_job_runs_end_to_end(tmp_path):
    done = run([QUICKSTART, *SMALL], tmp_path)
    assert re.search(r"ScratchGaussianNB +0\.9[0-9]+", done.stdout)
    naive_bayes = re.findall(r"GaussianNB +(0\.\d+)", done.stdout)
    assert naive_bayes[0] == naive_bayes[1]
    assert "architecture=resnet" in done.stdout  # a line of the progress in a worker
    check_report_and_pictures(done.stdout, tmp_path)


@pytest.mark.parametrize("parts", [["scans"], ["scans/Training", "scans/Testing"]], ids=" ".join)
def test_the_main_job_takes_folders_of_scans(parts, tmp_path, monkeypatch, capsys):
    """As the script does, in this process: its workers are started already."""
    for seed, part in enumerate(parts):
        write_slices(tmp_path / part, seed)
    (tmp_path / parts[0] / "glioma" / "damaged.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [QUICKSTART, *SMALL, "--data", *parts])
    with pytest.warns(UserWarning, match="damaged.png"):
        runpy.run_path(QUICKSTART, run_name="__main__")
    plt.close("all")
    printed = capsys.readouterr().out
    check_report_and_pictures(printed, tmp_path)
    assert ("test slices have a near duplicate in training" in printed) == (len(parts) == 2)


def test_main_job_names_parts_of_a_split(tmp_path, monkeypatch):
    for part in ("Training", "Testing"):
        write_slices(tmp_path / part, 0, n_samples=8)
    monkeypatch.setattr(sys, "argv", [QUICKSTART, *SMALL, "--data", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"(?s)are the parts of a split.*Testing.*--data"):
        runpy.run_path(QUICKSTART, run_name="__main__")


def check_report_and_pictures(printed, folder):
    assert "Best: {'architecture'" in printed
    assert "Confusion matrix" in printed
    assert "Next" in printed
    for name in ("training_curve.png", "confusion.png", "predictions.png"):
        with Image.open(folder / "pictures" / name) as picture:
            assert min(picture.size) > 300


def write_slices(folder, seed, n_samples=48):
    images, names = make_brain_mri(n_samples, image_size=32, random_state=seed)
    for number, (image, name) in enumerate(zip(images, names, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name / f"{number}.png")


def run(arguments, folder):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return done

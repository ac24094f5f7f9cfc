"""python -m skextra.datasets: what it says of a folder, its exit status and its contact sheet."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from skextra.datasets.__main__ import main
from tests.pictures import gray, noise


@pytest.fixture
def split(write):
    """Write a training and a test folder with a damaged file and a near duplicate across."""
    files = {
        f"Training/{c}/{i}.png": noise(20, 30, seed=2 * ord(c) + i) for c in "ab" for i in (1, 2)
    }
    files |= {
        "Testing/a/9.jpg": noise(20, 30, seed=500),
        "Testing/b/8.png": noise(20, 30, seed=700),
    }
    files |= {"Testing/b/7.png": noise(20, 30, seed=600)}
    write(files | {"Training/a/cut.png": b""})
    # The file "Training/a/2.png" once more.
    return write({"Testing/a/copy.png": noise(20, 30, seed=2 * ord("a") + 2)})


def test_report_tells_what_the_folder_holds(split, capsys):
    sheet = split / "sheet.png"
    assert main([str(split), "--contact-sheet", str(sheet)]) == 1
    said = capsys.readouterr().out
    for line in (
        f"{split / 'Training'}: 4 images",
        "  a       2  50.0%",
        "  sizes: 20x30 (4)",
        "  types: PNG L (3), JPEG L (1)",
        f"Near duplicates across {split / 'Training'} and {split / 'Testing'}:",
        "1 files",
        f"  {split / 'Training/a/cut.png'}: empty file",
        f"Contact sheet: {sheet}",
    ):
        assert line in said
    assert f"{split / 'Testing/a/copy.png'} ~ {split / 'Training/a/2.png'} (1.0000)" in said


def test_contact_sheet_has_a_row_per_class(write, tmp_path, capsys):
    folder = write({"c/a/1.png": gray(50), "c/b/1.png": gray(200), "c/b/2.png": gray(200)})
    assert main([str(folder / "c"), "--contact-sheet", str(tmp_path / "s.png")]) == 0
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    assert sheet.shape == (2 * 82, 8 * 68)
    assert (sheet[16:80, :64] == 50).all()
    assert (sheet[98:162, 68:132] == 200).all()
    assert (sheet[98:162, 136:] == 255).all()


def test_options_reach_the_loader(write, tmp_path, capsys):
    dark = Image.fromarray(np.full((4, 4), 4095, np.uint16))
    folder = write({"c/a/1.png": dark, "c/b/1.png": dark, "c/pred/1.png": dark})
    sheet = ["--contact-sheet", str(tmp_path / "s.png")]
    assert main([str(folder / "c"), "--categories", "a", "b", *sheet]) == 0
    assert "reach 4095 of 65535" in capsys.readouterr().out
    options = ["--exclude", "pred", "--value-range", "0", "4095"]
    assert main([str(folder / "c"), *options, *sheet]) == 0
    assert "reach 4095" not in capsys.readouterr().out


def test_folder_without_classes_is_an_error_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "Found no folder" in capsys.readouterr().err


def test_module_runs_as_a_command(write):
    folder = write({"c/a/1.png": gray(50), "c/b/1.png": gray(200)})
    command = [sys.executable, "-m", "skextra.datasets", str(folder / "c")]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "2 images" in said.stdout
    assert (folder / "contact_sheet.png").is_file()
    assert said.stderr == ""

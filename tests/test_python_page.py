"""docs/python-api.md and the examples: every snippet and every program runs as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fences import ROOT, blocks
from PIL import Image

PAGE = ROOT / "docs" / "python-api.md"
EXAMPLES = ROOT / "examples"
FILE = re.compile(r"<!-- file: (\S+) -->\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(folder: Path, code: str, *arguments: str) -> str:
    """Run a program in ``folder``; returns what it printed."""
    command = [sys.executable, "-c", code, *arguments]
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's files, in which all its snippets have run, one after the other."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (folder / name).write_text(text)
    (folder / "printed.txt").write_text(run(folder, "\n".join(blocks(PAGE, "python"))))
    return folder


def test_the_snippets_of_the_page_run(folder: Path) -> None:
    printed = (folder / "printed.txt").read_text()
    assert "48 samples" in printed
    assert "did you mean 'process'" in printed
    assert (folder / "reports" / "tiny" / "index.html").is_file()
    assert (folder / "reports" / "tiny-small" / "index.html").is_file()


def test_two_runs_are_compared(folder: Path) -> None:
    code = (EXAMPLES / "compare_runs.py").read_text()
    printed = run(folder, code, "reports/tiny", "reports/tiny")
    assert "mock  single-pass: +0.0 points [" in printed


def test_a_folder_is_scored(tmp_path: Path) -> None:
    (tmp_path / "images" / "00000").mkdir(parents=True)
    Image.new("RGB", (96, 96), "white").save(tmp_path / "images" / "00000" / "0.png")
    printed = run(tmp_path, (EXAMPLES / "score_folder.py").read_text(), "images")
    assert "00000/0.png  0  a photo of a bench" in printed
    assert "single_object: 0.000 of 1 images" in printed


def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = json.loads((EXAMPLES / "sweep.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    printed = run(tmp_path, "\n".join(cells))
    assert "trajectories to draw" in printed
    assert re.search(r"^1 sketch", printed, re.MULTILINE)
    assert (tmp_path / "reports" / "notebook" / "index.html").is_file()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_says_how_it_is_run(path: Path) -> None:
    assert f"python examples/{path.name}" in path.read_text().partition('"""\n\nfrom')[0]

"""docs/plugins.md: its packages are built, installed and run as they stand."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fences import ROOT

PAGE = ROOT / "docs" / "plugins.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"<!-- file: (\S+) -->\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PACKAGES = ("crayon", "plain", "lab")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, and its packages in ``site``, as pip would put them there."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for package in PACKAGES:
        run(folder, "-m", "build", "--wheel", "--no-isolation", "--outdir", "wheels", package)
    for wheel in (folder / "wheels").glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_plugins_are_listed(folder: Path) -> None:
    listed = run(folder, "-m", "evalharness.cli.main", "list")
    assert re.search(r"^  crayon +crayon:Crayon$", listed, re.MULTILINE)
    assert re.search(r"^  plain +plain:Plain$", listed, re.MULTILINE)
    assert re.search(r"^  lab-shades +lab:LabShades$", listed, re.MULTILINE)


def test_all_commands_of_the_page_are_run_here() -> None:
    """Packages are built and unpacked, which is what pip does."""
    lines = [line for text in SHELL.findall(PAGE.read_text(encoding="utf-8")) for line in text.splitlines()]
    assert sorted(lines) == [
        "evalharness list",
        "pip install ./crayon ./lab",
        "pip install ./crayon ./plain",
        "python -m evalharness.sweep crayon.yaml",
        "python -m evalharness.sweep lab.yaml",
        "python -m evalharness.sweep lab.yaml --dry-run",
    ]


def test_the_plugins_run_through_a_sweep(folder: Path) -> None:
    """A colour that is off by at most b scores at least 1 - b / 64, and the model is off by at most its blur."""
    printed = run(folder, "-m", "evalharness.sweep", "crayon.yaml", "--quiet")
    overall = {arm: float(score) / 100 for arm, score in re.findall(r"(careful|hasty) +(\d+\.\d) % +20/20", printed)}
    assert 1 - 10 / 64 <= overall["careful"] < 1
    assert 1 - 60 / 64 <= overall["hasty"] < overall["careful"]
    with contextlib.closing(sqlite3.connect(folder / "reports" / "store" / "store.sqlite")) as db:
        values = [value for (value,) in db.execute("SELECT value FROM scores")]
    assert len(values) == 40
    assert min(values) >= 1 - 60 / 64


def test_the_checklists_run_through_a_sweep(folder: Path) -> None:
    """The judge of the lab's list says yes to all; the other one's answers are those of each image to all questions."""
    planned = run(folder, "-m", "evalharness.sweep", "lab.yaml", "--dry-run")
    assert "lab-shades: 2 of 2 items × 4 images" in planned
    assert "checklist: 2 of 2 items × 1 images" in planned
    run(folder, "-m", "evalharness.sweep", "lab.yaml", "--quiet")
    results = json.loads((folder / "reports" / "lab" / "results.json").read_text())
    (lab,), (own,) = results["summary"]["lab-shades"], results["summary"]["checklist"]
    assert lab["overall"] == 1
    assert own["overall"] in (0.25, 0.5, 0.75), "of two images; yes: 1 and 1/2, no: 0 and 1/2"
    aspects = results["analysis"]["checklist"]["aspects"]["single-pass"]
    assert list(aspects) == ["hue"]

"""What lands in the wheel: all of the package, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"evalharness": "evalharness", "benchmarks": "evalharness/benchmarks", "ablations": "evalharness/ablations"}
"""Folder in the repository → folder in the wheel."""


def _setuptools() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    return settings


def _files() -> set[str]:
    """The package's files in the checkout, under the names that they have in the wheel."""
    return {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in PLACES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not re.search(r"/(__pycache__|\.)", path.relative_to(ROOT).as_posix())
    }


def test_no_package_is_forgotten() -> None:
    folders = {str(Path(name).parent) for name in _files() if name.endswith(".py")}
    assert {folder.replace("/", ".") for folder in folders} == set(_setuptools()["packages"])


def test_every_package_has_an_init() -> None:
    files = _files()
    assert all(f"{name.replace('.', '/')}/__init__.py" in files for name in _setuptools()["packages"])


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for folder in PLACES:
        shutil.copytree(ROOT / folder, source / folder, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()

    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert inside == _files()
    assert {name.rpartition("/")[2] for name in names - inside} >= {"METADATA", "entry_points.txt", "LICENSE"}

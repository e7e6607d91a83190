"""The committed reports: small enough for a repository, whole, and of no machine in particular."""

from __future__ import annotations

import json
import re
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from page_outline import Outline, read_sheet

from evalharness.execution.current_run import RUN_RECORDS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports" / "reference"
MAX_BYTES = 6_000_000
needs_reports = pytest.mark.skipif(
    not (REFERENCE / "index.html").is_file(), reason="reports/reference has not been made yet"
)


def sweeps() -> list[str]:
    """Those that ``tox -e reference`` runs."""
    file = ConfigParser(interpolation=None)
    file.read(ROOT / "tox.ini")
    return re.findall(r"ablations/([\w-]+)\.yaml", file["testenv:reference"]["commands"])


def reports() -> list[Path]:
    folders = sorted(path.parent for path in REFERENCE.glob("*/results.json"))
    assert folders
    return folders


def numbers(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
    return data


def test_one_command_makes_it_and_keeps_it_small() -> None:
    file = ConfigParser(interpolation=None)
    file.read(ROOT / "tox.ini")
    assert float(re.findall(r"--most-mb ([\d.]+)", file["reports"]["options"])[0]) * 1e6 <= MAX_BYTES
    assert sweeps() == ["data", "iters", "crowded", "components", "compute", "wise"]
    assert "reports" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]


@needs_reports
def test_it_is_at_most_6_megabytes() -> None:
    records = {path for name in RUN_RECORDS for path in REFERENCE.glob(f"*/{name}")}
    sizes = {path: path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file() and path not in records}
    assert sum(sizes.values()) <= MAX_BYTES, sorted(sizes, key=lambda path: -sizes[path])[:5]


@needs_reports
def test_its_page_leads_to_every_sweep() -> None:
    page = Outline((REFERENCE / "index.html").read_text(encoding="utf-8"))
    links = {str(attributes["href"]) for tag, attributes in page.tags if tag == "a"}
    names = {report.name for report in reports()}
    # Its checkpoints are not shipped.
    assert set(sweeps()) - {"data"} <= names
    assert {f"{name}/index.html" for name in names} <= links
    assert all((REFERENCE / link).is_file() for link in links if not link.startswith("#"))


@needs_reports
def test_it_is_complete() -> None:
    for folder in reports():
        for rows in numbers(folder)["summary"].values():
            assert all(row["scored"] == row["expected"] for row in rows), folder


@needs_reports
def test_every_image_of_the_gallery_is_there_and_no_file_twice() -> None:
    for folder in reports():
        assert not [path for path in folder.rglob("*") if path.suffix in {".parquet", ".jsonl"}]
        data = read_sheet(folder / "data" / "samples.css")
        assert data["of"] >= len(data["samples"]) > 0
        assert {path.stem for path in (folder / "images").iterdir()} >= set(data["images"])


@needs_reports
def test_it_names_no_folder_of_the_machine_that_made_it() -> None:
    for path in [
        REFERENCE / "index.html",
        *(folder / name for folder in reports() for name in ("index.html", "results.json", "data/plan.json")),
    ]:
        text = path.read_text(encoding="utf-8").replace("&#34;", '"')
        assert not re.findall(r'"/(?:home|root|work|tmp|mnt|opt|Users|srv|data)/[^"]*"', text), path
    ignored = (ROOT / ".gitignore").read_text()
    assert all(f"/reports/reference/*/{name}\n" in ignored for name in RUN_RECORDS)

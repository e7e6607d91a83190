"""``evalharness annotations add``: from a file that a page saved into the store, and from there into the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import SINGLE
from page_outline import read_sheet

from evalharness.cli import main

Write = Callable[[str], Path]


@pytest.fixture
def out(sweep_file: Write, tmp_path: Path) -> Path:
    folder = tmp_path / "r" / "tiny"
    assert main.main(["sweep", str(sweep_file(SINGLE)), "--out", str(folder), "--quiet"]) == 0
    return folder


def saved(out: Path, **changes: object) -> Path:
    """What a page of the report would save: one verdict on its first sample with a score."""
    data = read_sheet(out / "data" / "samples.css")
    rows = (dict(zip(data["fields"], row, strict=True)) for row in data["samples"])
    row = next(row for row in rows if row["score"] is not None)
    benchmark, item = data["items"][row["item"]][:2]
    line = {"benchmark": benchmark, "item": item, "image": data["images"][row["image"]], "score": row["score"]}
    path = out.parent / "annotations.jsonl"
    path.write_text(json.dumps(line | {"verdict": "disagree", "note": "no"} | changes) + "\n")
    return path


def test_a_verdict_reaches_the_report(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["annotations", "add", str(saved(out)), str(out), "--by", "ann"]) == 0
    assert "1 annotation added, 1 in" in capsys.readouterr().out
    assert main.main(["report", str(out)]) == 0
    text = (out / "index.html").read_text(encoding="utf-8")
    assert "One person agrees with the scorer on 0.0 % of 1 verdict on 1 prompt" in text


def test_what_the_run_does_not_have_is_refused_and_nothing_is_kept(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["annotations", "add", str(saved(out, item="none")), str(out)]) == 2
    assert "has no prompt mock/none" in capsys.readouterr().err
    empty = out.parent / "empty.jsonl"
    empty.write_text("")
    assert main.main(["annotations", "add", str(empty), str(out)]) == 2
    assert "holds no annotation" in capsys.readouterr().err
    assert not list(out.parent.rglob("store/annotations.jsonl"))

"""When a contrast was declared, and whether any of its scores existed by then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import IN_PROCESS, SINGLE, run_without_report

from evalharness.store.declarations import earliest
from evalharness.store.merge import merge_stores

ARMS = SINGLE + "  - {name: thought, variant: text_cot}\n  - {name: chosen, variant: best_of_n, n: 2}\n" + IN_PROCESS
DECLARED = ARMS + "analysis: {confirmatory: [thought]}\n"
CHANGED = ARMS + "analysis: {confirmatory: [thought, chosen]}\n"


def facts(folder: Path, sweep: str, out: str = "out", **size: Any) -> list[tuple[str, bool]]:
    """Run a sweep; the arm of each declared contrast, and whether it was declared before it had scores."""
    folder.mkdir(exist_ok=True)
    file = folder / "tiny.yaml"
    file.write_text(sweep)
    with run_without_report(file, folder / out, **size) as results:
        return [(fact["arms"][0], fact["before"]) for fact in results.info["declarations"]]


def test_declared_before_the_run_stays_so_when_it_goes_on(tmp_path: Path) -> None:
    assert facts(tmp_path, DECLARED, limit=2) == [("thought", True)]
    assert facts(tmp_path, DECLARED) == [("thought", True)], "a trial declares what the whole run declares"
    assert facts(tmp_path, CHANGED) == [("thought", True), ("chosen", False)]
    assert facts(tmp_path, CHANGED) == [("thought", True), ("chosen", False)]


def test_who_looks_first_declares_after_the_run(tmp_path: Path) -> None:
    assert facts(tmp_path, ARMS) == []
    assert facts(tmp_path, DECLARED) == [("thought", False)]


def test_other_names_for_the_same_arms_are_no_other_contrast(tmp_path: Path) -> None:
    assert facts(tmp_path, DECLARED) == [("thought", True)]
    assert facts(tmp_path, DECLARED.replace("thought", "cot").replace("name: tiny", "name: other")) == [("cot", True)]


def test_scores_that_are_merged_in_are_older_than_the_declaration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    facts(tmp_path / "looked", ARMS, limit=2)
    clock[0] = 2000.0
    assert facts(tmp_path / "fresh", DECLARED) == [("thought", True)]
    merge_stores([tmp_path / "looked" / "store"], tmp_path / "fresh" / "store", "take")
    clock[0] = 3000.0
    assert facts(tmp_path / "fresh", DECLARED) == [("thought", False)]


def test_two_stores_keep_the_earlier_record() -> None:
    early, late = {"declared": 1, "scored": 0}, {"declared": 2, "scored": 0}
    looked = {"declared": 1, "scored": 3}
    assert earliest({"a": late}, {"a": early, "b": late}) == {"a": early, "b": late}
    assert earliest({"a": early}, {"a": late}) == {"a": early}
    assert earliest({"a": early}, {"a": looked}) == {"a": looked} == earliest({"a": looked}, {"a": early})

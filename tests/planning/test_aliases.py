"""A benchmark that stands more than once in a sweep, under names of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalharness.cli import sweep as command
from evalharness.config import sweep_files, yaml
from evalharness.config.yaml import Document
from evalharness.errors import ConfigError
from evalharness.planning.planner import make_plan
from evalharness.store.load import load_results
from evalharness.store.store import Store

SWEEP = """\
name: twice
model: mock
benchmarks:
  - {{name: mock, limit: 4, samples: 1}}
  - {{name: mock, {alias}limit: 4, samples: 1, prompts: [{prompts}]}}
arms: [{{name: single, variant: single_pass}}]
"""
PROMPTS = ", ".join(f"another {number}" for number in range(10))


def sweep_file(folder: Path, alias: str = "alias: mock-rewritten, ") -> Path:
    file = folder / "twice.yaml"
    file.write_text(SWEEP.format(alias=alias, prompts=PROMPTS))
    return file


def test_both_have_the_same_items_and_noise(tmp_path: Path) -> None:
    plan = make_plan(sweep_files.load(sweep_file(tmp_path)))
    assert list(plan.benchmarks) == ["mock", "mock-rewritten"]
    seeds = {
        name: {(sample.item.id, sample.seed) for sample in plan.samples if sample.benchmark == name}
        for name in plan.benchmarks
    }
    assert seeds["mock"] == seeds["mock-rewritten"]
    assert len({sample.job for sample in plan.samples}) == 8, "the prompts differ"


def test_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"yaml:5:\d+: benchmark 'mock' stands twice; give one of them an alias"):
        sweep_files.load(sweep_file(tmp_path, alias=""))


def test_a_resolved_sweep_keeps_the_alias(tmp_path: Path) -> None:
    sweep = sweep_files.load(sweep_file(tmp_path))
    again = sweep_files.parse(Document(tmp_path / "twice.yaml", sweep.resolved()))
    assert again.resolved() == sweep.resolved()
    assert [entry.get("alias") for entry in again.resolved()["benchmarks"]] == [None, "mock-rewritten"]
    assert yaml.read(tmp_path / "twice.yaml").data["benchmarks"][1]["alias"] == "mock-rewritten"


def test_both_are_run_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(tmp_path)
    assert command.main([str(file), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    with Store(tmp_path / "store", write=False) as store:
        plan = make_plan(sweep_files.load(file))
        results = load_results(plan, store, store.runs.get(plan.key()))
    assert set(results.samples["benchmark"]) == {"mock", "mock-rewritten"}
    assert set(results.samples["state"]) == {"scored"}
    assert list(results.info["benchmarks"]) == ["mock", "mock-rewritten"]

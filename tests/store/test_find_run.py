from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalharness.config import sweep_files
from evalharness.errors import ConfigError, WeightsError
from evalharness.planning.plan_record import plan_text
from evalharness.planning.planner import make_plan
from evalharness.planning.recorded_plans import read_plan
from evalharness.planning.subsets import resize
from evalharness.store.find_run import find_plan, find_report, find_store
from evalharness.store.report_folders import PLAN
from evalharness.store.store import Store

SWEEPS = sorted((Path(__file__).parents[2] / "ablations").glob("*.yaml"))


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
def test_a_report_tells_the_plan_that_it_is_of(file: Path, tmp_path: Path) -> None:
    """Samples, keys and all that a report says are those of the plan that was made with the plugins."""
    try:
        plan = make_plan(resize(sweep_files.load(file), limit=30), {})
    except (ConfigError, WeightsError) as error:
        pytest.skip(str(error))  # prompts that are not here
    report = tmp_path / "reports" / "x"
    (report / PLAN).parent.mkdir(parents=True)
    (report / "results.json").write_text(json.dumps({"info": {"sweep": plan.sweep.resolved()}}))
    (report / PLAN).write_text(plan_text(plan))
    found, store = find_plan(str(report), None)
    assert store == tmp_path / "reports" / "store"
    assert found.sweep.resolved() == plan.sweep.resolved()
    assert found.key() == plan.key()
    for sample, expected in zip(found.samples, plan.samples, strict=True):
        assert (sample.benchmark, sample.arm.name, sample.item.id, sample.seed_index, sample.seed, sample.job) == (
            (expected.benchmark, expected.arm.name, expected.item.id, expected.seed_index, expected.seed, expected.job)
        )
        assert sample.arm.family == expected.arm.family and sample.arm.cap == expected.arm.cap
    for name, planned in plan.benchmarks.items():
        recorded, item = found.benchmarks[name], planned.items[0]
        assert recorded.facts == planned.facts
        assert recorded.score_key("ab" * 32, item) == planned.score_key("ab" * 32, item)
        assert [rescoring.items for rescoring in recorded.rescorings] == [r.items for r in planned.rescorings]
    assert plan_text(found) == (report / PLAN).read_text(), "what is read is written again as it was"
    assert find_plan(str(report), tmp_path)[1] == tmp_path


def test_neither_a_report_nor_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        find_plan(str(tmp_path / "none"), None)
    for wrong in ("[", "[]", "[" * 100_000, '{"info": {"sweep": NaN}}'):
        (tmp_path / "results.json").write_text(wrong)
        with pytest.raises(ConfigError, match=r"results\.json"):
            find_plan(str(tmp_path), None)


def test_a_report_of_an_earlier_version_leads_to_its_sweep_file(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"info": {"sweep": {}}}')
    with pytest.raises(ConfigError, match="of an earlier version, which does not record its plan; name its sweep file"):
        find_plan(tmp_path, None)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"version": 2}', '{"version": 1e999}', "\0"])
def test_a_damaged_plan_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ConfigError, match=r"plan\.json is no plan: .*; make the report again from its sweep file"):
        read_plan(tmp_path / "plan.json")


def test_a_store_is_told_from_a_report(tmp_path: Path) -> None:
    Store(tmp_path / "store").close()
    assert find_store(tmp_path / "store") == tmp_path / "store"
    with pytest.raises(ConfigError, match="is a store, not a report; name the report's folder or the sweep file"):
        find_plan(tmp_path / "store", None)
    sweep = sweep_files.load(SWEEPS[0])
    for name in ("x", "away/x"):
        report = tmp_path / name
        report.mkdir(parents=True)
        (report / "results.json").write_text(json.dumps({"info": {"sweep": sweep.resolved()}}))
        assert find_report(report) == report
    assert find_store(tmp_path / "x") == tmp_path / "store"
    with pytest.raises(ConfigError, match=r"away/store is not a store: it has no store\.sqlite"):
        find_store(tmp_path / "away" / "x")
    assert find_report(SWEEPS[0]) == Path("reports") / sweep.name

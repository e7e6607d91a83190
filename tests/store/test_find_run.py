from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalharness.config import sweep_files
from evalharness.errors import ConfigError
from evalharness.store.find_run import find_report, find_run, find_store
from evalharness.store.store import Store

SWEEPS = sorted((Path(__file__).parents[2] / "ablations").glob("*.yaml"))


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
def test_a_report_tells_the_sweep_that_it_is_of(file: Path, tmp_path: Path) -> None:
    sweep = sweep_files.load(file)
    report = tmp_path / "reports" / "x"
    report.mkdir(parents=True)
    (report / "results.json").write_text(json.dumps({"info": {"sweep": sweep.resolved()}}))
    assert find_run(str(report), None) == (sweep, tmp_path / "reports" / "store")
    assert find_run(str(report), tmp_path)[1] == tmp_path


def test_neither_a_report_nor_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        find_run(str(tmp_path / "none"), None)
    for wrong in ("[", "[]", "[" * 100_000, '{"info": {"sweep": 3}}'):
        (tmp_path / "results.json").write_text(wrong)
        with pytest.raises(ConfigError, match=r"results\.json"):
            find_run(str(tmp_path), None)


def test_a_store_is_told_from_a_report(tmp_path: Path) -> None:
    Store(tmp_path / "store").close()
    assert find_store(tmp_path / "store") == tmp_path / "store"
    with pytest.raises(ConfigError, match="is a store, not a report; name the report's folder or the sweep file"):
        find_run(tmp_path / "store", None)
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

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalharness.config import sweep_files
from evalharness.errors import ConfigError
from evalharness.store.find_run import find_run

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

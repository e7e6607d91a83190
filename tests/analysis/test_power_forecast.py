"""What a plan could show, before it is run and from what was run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from mock_sweeps import IN_PROCESS, SINGLE, run_without_report

import evalharness as eh
from evalharness.analysis.power_forecast import PowerForecast, power_forecasts
from evalharness.analysis.stats import Needed
from evalharness.store.store import Store

SWEEP = SINGLE.replace("limit: 6, samples: 1", "limit: null, samples: 2") + (
    "  - {name: thought, variant: text_cot}\n" + IN_PROCESS + "analysis: {confirmatory: [thought]}\n"
)


def forecasts(file: Path, store: Path, **size: int) -> list[PowerForecast]:
    with Store(store, write=False) as opened:
        return list(power_forecasts(eh.plan(file, **size), opened))


def test_by_default_and_from_a_stored_run(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    (before,) = forecasts(file, tmp_path / "store")
    assert (before.arm, before.against, before.pairs) == ("thought", "single", 0)
    assert "if 20 % of verdicts differ" in str(before)
    with run_without_report(file, tmp_path / "out") as results:
        pairs = len(results.samples) // 2
    (after,) = forecasts(file, tmp_path / "store")
    assert after.pairs == pairs
    assert f"from {pairs:,} scored pairs" in str(after)


def test_dry_run_says_it(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    assert "thought against single: " in eh.dry_run(file, store=tmp_path / "store")


def test_in_words() -> None:
    sizes = Needed(0.01, 3200, math.inf), Needed(0.02, 800, 12)
    forecast = PowerForecast("geneval", "a", "b", 0.04, 0, 0.2, sizes)
    assert str(forecast) == (
        "geneval: a against b: could tell apart 4.0 points (if 20 % of verdicts differ): 1 point would take 3,200 "
        "prompts; 2 points would take 800 prompts or 12 images of each"
    )
    assert "too few prompts to tell any difference apart" in str(replace(forecast, shown=math.nan))


@pytest.mark.parametrize("limit", [553, 60])
def test_geneval_before_any_run(tmp_path: Path, limit: int) -> None:
    """Twenty per cent of flips have a standard deviation of 0.45: four points need about a thousand images."""
    file = tmp_path / "g.yaml"
    file.write_text(SWEEP.replace("name: mock, limit: null", f"name: geneval, limit: {limit}"))
    (forecast,) = forecasts(file, tmp_path / "store")
    expected = 2.8 * math.sqrt(0.2 * 0.75 / limit)
    assert 0.8 * expected < forecast.shown < 1.6 * expected

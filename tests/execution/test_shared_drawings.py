"""Arms that differ only in their number of drawings share these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from mock_sweeps import SINGLE, draw_and_score

import evalharness as eh
from evalharness.api.model import Drawn
from evalharness.cli import sweep
from evalharness.errors import SampleError
from evalharness.generation.sample import noise_seed
from evalharness.testing import MockModel

Write = Callable[[str], Path]
COUNTS = (1, 2, 4, 8)
BEST = SINGLE.split("arms:")[0] + "arms:\n  - {name: best, variant: best_of_n, n: [1, 2, 4, 8]}\n"


def test_the_largest_number_is_drawn_and_the_results_are_those_of_separate_runs(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = sweep_file(BEST), tmp_path / "r" / "x"
    assert sweep.main([str(file), "--out", str(out), "--dry-run"]) == 0
    assert "trajectories to draw: 6 " in capsys.readouterr().out
    together = draw_and_score(file, out)
    assert len(MockModel.drawn) == 6 * 8
    assert draw_and_score(file, out) == together
    assert len(MockModel.drawn) == 6 * 8
    for count in COUNTS:
        name = f"best n={count}"
        alone = draw_and_score(file, tmp_path / f"alone {count}" / "x", only=[name])
        assert alone == [row for row in together if row["arm"] == name]


def test_smaller_numbers_are_drawn_if_the_largest_fails(
    sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault at the fifth drawing is none of four."""
    file, paint = sweep_file(BEST.replace("limit: 6", "prompts: [a thing]")), MockModel.paint
    fifth = noise_seed(eh.plan(file).samples[0].seed, 5, "draw")

    def paint_but_the_fifth(model: MockModel, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        if fifth in seeds:
            raise SampleError("out of luck")
        return paint(model, prompts, seeds)

    monkeypatch.setattr(MockModel, "paint", paint_but_the_fifth)
    rows = {row["arm"]: row["state"] for row in draw_and_score(file, tmp_path / "r" / "x")}
    assert rows == {"best n=1": "scored", "best n=2": "scored", "best n=4": "scored", "best n=8": "failed"}
    assert len(MockModel.drawn) == 4 + 4, "the largest that can be drawn is drawn again"


def test_prompts_that_the_model_refuses_fail_in_every_arm(sweep_file: Write, tmp_path: Path) -> None:
    text = BEST.replace("limit: 6", "prompts: [a, unspeakable b]").replace(
        "model: mock", "model: {name: mock, refuses: [unspeakable]}"
    )
    rows = draw_and_score(sweep_file(text), tmp_path / "r" / "x")
    assert {row["item"]: row["state"] for row in rows} == {"0": "scored", "1": "failed"}
    assert len(rows) == 8

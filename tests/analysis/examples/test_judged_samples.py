"""What the loop does, by verdicts on pictures that were chosen before anything was known of them."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from counting_judge import CountingJudge, score_mock_by_judge
from hypothesis import given
from hypothesis import strategies as st
from mock_sweeps import run_without_report
from PIL import Image
from plugin_packages import InstallPlugins

from evalharness.analysis.examples import judged_samples as selection
from evalharness.analysis.examples.judged_samples import judged_samples
from evalharness.analysis.examples.loop import loops
from evalharness.analysis.examples.search import known_scores, recorded_samples
from evalharness.api.model import Drawn, Written
from evalharness.report.loop_table import loop_table
from evalharness.store.store import Store
from evalharness.testing import MockModel, MockScorer
from evalharness.types.trajectory import StepKind

SWEEP = """\
name: tiny
model: half-blind
benchmarks: [{name: mock, limit: 10, samples: 4}]
arms: [{name: process, variant: process, max_iterations: 1}]
"""
PLAN, REFINE = "<ins> a cat </ins> <des> a cat </des>", "<refine> so </refine>"
OK, NAMED = "<inspect> ok </inspect>", "<inspect> a dog should be a cat </inspect>"
JUDGED = 12


class HalfBlindModel(MockModel):
    """Two sketches of three are wrong; it names a conflict in every second one, right or wrong. Half of its refinements
    are right."""

    name = "half-blind"

    def look(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        self.read(contexts, [f"[image {chance(image.tobytes())}]" for image in images])

    def write(self, contexts: Sequence[list[str]], *, stop: Sequence[str], **options: Any) -> list[Written]:
        texts = {"</des>": PLAN, "</refine>": REFINE}
        written = [texts.get(stop[0]) or self.inspection(context) for context in contexts]
        self.read(contexts, written)
        return [Written(text, 1) for text in written]

    @staticmethod
    def inspection(context: list[str]) -> str:
        return NAMED if chance(context, "named") < 128 else OK

    def draw(
        self, contexts: Sequence[list[str]], *, unguided: Any, seeds: Sequence[int], kind: StepKind = "draw"
    ) -> list[Drawn]:
        wrong = {"sketch": 170, "refine": 128}
        return [
            picture(chance(context, seed) >= wrong[kind], context, seed)
            for context, seed in zip(contexts, seeds, strict=True)
        ]


def chance(*about: Any) -> int:
    """A number below 256."""
    return hashlib.sha256(repr(about).encode()).digest()[0]


def picture(right: bool, *about: Any) -> Drawn:
    """Red is right. Each is another picture."""
    rest = hashlib.sha256(repr(about).encode()).digest()[1:3]
    return Drawn(Image.new("RGB", (8, 8), (200 if right else 50, *rest)), 3)


@pytest.fixture(autouse=True)
def half_blind_model(install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugins(models=[HalfBlindModel])
    monkeypatch.setattr(selection, "JUDGED_SAMPLES", JUDGED)


def test_shares_are_those_of_all_pictures_of_the_chosen_samples(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    with run_without_report(file, tmp_path / "out") as results, Store(tmp_path / "store", write=False) as store:
        data = results.data
        (loop,) = loops(data, known_scores(data))
        samples = list(recorded_samples(data, data.samples))
        chosen = judged_samples((str(sample.row["item"]), int(sample.row["seed_index"])) for sample in samples)
        wrong = named_wrong = fixed = broke = 0
        for sample in samples:
            if (str(sample.row["item"]), int(sample.row["seed_index"])) not in chosen:
                continue
            reds = [
                Image.open(io.BytesIO(store.images.read(step["image"]))).tobytes()[0] == 200
                for step in sample.steps
                if step["image"]
            ]
            wrong += not reds[0]
            named_wrong += not reds[0] and len(reds) > 1
            fixed += len(reds) > 1 and not reds[0] and reds[1]
            broke += len(reds) > 1 and reds[0] and not reds[1]
    assert (len(samples), len(chosen), loop.judged) == (40, JUDGED, JUDGED)
    total = loop.total()
    assert (total.wrong, total.named_wrong, total.fixed, total.broke) == (wrong, named_wrong, fixed, broke)
    assert 0 < named_wrong < wrong
    assert total.inspections == 40


def test_without_all_verdicts_there_are_none(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    with run_without_report(file, tmp_path / "out") as results:
        data = results.data
        known = known_scores(data)
        samples = list(recorded_samples(data, data.samples))
        finals = {sample.row["image"] for sample in samples}

        def final_ones(benchmark: str, item: str, images: Sequence[str]) -> Any:
            return {image: score for image, score in known(benchmark, item, images).items() if image in finals}

        (loop,) = loops(data, final_ones)
    assert loop.judged == 0
    assert math.isnan(loop.share("recall").value)
    assert math.isnan(loop.share("precision").value)
    assert loop.share("named").value > 0
    table = loop_table([loop], "mock")
    assert table is not None
    assert [cell.text for cell in table.rows[0].cells[4:10]] == ["–", "–", str(loop.total().refinements), "–", "–", "–"]
    assert "the verdict columns are empty" in table.caption


def test_a_judge_is_asked_about_final_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score_mock_by_judge(monkeypatch)
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    with run_without_report(file, tmp_path / "out") as results:
        (loop,) = loops(results.data, known_scores(results.data))
    assert CountingJudge.requested == 40
    assert loop.judged == 0


def test_a_second_run_scores_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    run_without_report(file, tmp_path / "out").close()
    before = len(MockScorer.scored)
    run_without_report(file, tmp_path / "out").close()
    assert len(MockScorer.scored) == before


@given(st.sets(st.tuples(st.text(max_size=4), st.integers(0, 9)), max_size=40))
def test_the_choice_depends_on_the_samples_alone(samples: set[tuple[str, int]]) -> None:
    chosen = judged_samples(samples)
    assert chosen == judged_samples(sorted(samples))
    assert chosen <= samples
    assert len(chosen) == min(len(samples), selection.JUDGED_SAMPLES)

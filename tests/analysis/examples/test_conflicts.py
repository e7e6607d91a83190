"""Kinds of conflicts from words, against the labels of the pipeline that makes training data."""

from __future__ import annotations

import doctest
from collections import Counter
from typing import Any

import pytest
from small_world import maker

from evalharness.analysis.examples import conflicts
from evalharness.analysis.examples.conflicts import conflict
from evalharness.analysis.examples.rules import refinements
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.training_data.builder import ARMS, DatasetBuilder
from evalharness.training_data.drafts import Components

ENGLISH = "<ins> Add a red cat </ins> <des> a dog and a red cat; the dog is left of the red cat </des>"


def test_examples() -> None:
    assert doctest.testmod(conflicts).failed == 0


@pytest.mark.parametrize(
    ("plan", "inspection", "kind"),
    [
        (ENGLISH, "a red cat is missing", "instruction-state"),
        (ENGLISH, "a cup is missing", "state-prompt"),
        (ENGLISH, "one cup too many", "instruction-state"),
        (ENGLISH, "One Dog too many", None),
        (ENGLISH, "the blue cat should be red", "instruction-state"),
        (ENGLISH, "the red cat should be blue", "state-prompt"),
        (ENGLISH, "a smudge should not be there", "instruction-state"),
        (ENGLISH, "a smudge should be a dog", "instruction-state"),
        (ENGLISH, "the dog is not left of the red cat", "instruction-state"),
        (ENGLISH, "the red cat is not right of the dog", "instruction-state"),
        (ENGLISH, "the dog is not above the red cat", "state-prompt"),
        (ENGLISH, "a dog should be a cup", "state-prompt"),
        (ENGLISH, "a cup should be a dog; a red cat is missing", "instruction-state"),
        # What is seen is neither what was planned nor what is wanted; or not all is of one kind.
        (ENGLISH, "a bus should be a cup", None),
        (ENGLISH, "a cup should be a dog; a dog should be a cup", None),
        (ENGLISH, "a frobnicator is near the cat", None),
        (ENGLISH, "ok", None),
        (ENGLISH, "", None),
        ("I shall paint a dog.", "The dog looks odd.", None),
    ],
)
def test_what_is_wrong_tells_the_kind(plan: str, inspection: str, kind: str | None) -> None:
    assert conflict(plan, f"<inspect> {inspection} </inspect>", "<refine> never read here </refine>") == kind
    assert conflict(plan, f"<inspect> {inspection}", "") == kind  # cut off by its limit


@pytest.mark.parametrize(
    ("plan", "mended", "kind"),
    [
        (ENGLISH, "Change the cup into a red cat", "instruction-state"),
        (ENGLISH, "Change the dog into a cup", "state-prompt"),
        (ENGLISH, "Remove one cup", "instruction-state"),
        (ENGLISH, "Clear the smudge", "instruction-state"),
        (ENGLISH, "Move the dog left of the red cat", "instruction-state"),
        (ENGLISH, "Remove the universe", None),
        (ENGLISH, "Add a cup", "state-prompt"),
    ],
)
def test_without_an_inspection_the_correction_tells(plan: str, mended: str, kind: str | None) -> None:
    assert conflict(plan, "", f"<refine> {mended} </refine>") == kind


def _count_kinds(made: DatasetBuilder, count: int) -> Counter[tuple[str, str, str | None]]:
    """(who spoiled it, the label, what is read) of all refinements."""
    counts: Counter[tuple[str, str, str | None]] = Counter()
    for batch in made.batches(range(count)):
        for record in (record for record in batch if record.kind == "process"):
            steps: list[dict[str, Any]] = [
                {"kind": step.kind, "iteration": step.iteration, "text": step.text, "image": step.image}
                for step in record.trajectory.steps
            ]
            labels = record.provenance.get("critiques", {})
            for refinement in refinements(steps):
                label = labels[str(refinement.iteration)]
                counts[label["by"], label["conflict"], refinement.conflict] += 1
    return counts


def test_critiques_of_the_teacher_are_told_as_they_are_labelled() -> None:
    nothing: Any = None  # a trusted teacher needs no filter, and this arm no model
    made = DatasetBuilder(Components(MiniatureWorld(), Renderer(), nothing, trusted=True), ARMS["no-self-sampling"], 0)
    counts = _count_kinds(made, 60)
    told = sum(count for (_, label, kind), count in counts.items() if kind == label)
    mistaken = sum(count for (_, label, kind), count in counts.items() if kind not in (label, None))
    # One thing too many or too few of several does not tell whether the plan or the sketch has the wrong number.
    assert told > 50 and mistaken < told / 8
    assert {label for _, label, kind in counts if kind == label} == {"instruction-state", "state-prompt"}


def test_a_model_s_own_faults_are_told_unless_plan_and_sketch_are_both_at_fault() -> None:
    counts = {key: count for key, count in _count_kinds(maker("full", 1), 120).items() if key[0] == "model"}
    assert sum(counts.values()) > 20
    assert counts["model", "instruction-state", "instruction-state"] and counts["model", "state-prompt", "state-prompt"]

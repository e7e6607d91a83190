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
from evalharness.miniature.world import conflict_reader
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.training_data.builder import ARMS, DatasetBuilder
from evalharness.training_data.drafts import Components

PLACED = "<ins> add a red cat at left </ins> <des> a dog at top and a red cat at left </des>"
ENGLISH = "<ins> Add a red cat </ins> <des> a dog and a red cat </des>"


def test_examples() -> None:
    assert doctest.testmod(conflicts).failed == 0
    assert doctest.testmod(conflict_reader).failed == 0


@pytest.mark.parametrize(
    ("plan", "inspection", "kind"),
    [
        (PLACED, "a smear at left should be a red cat", "instruction-state"),
        (PLACED, "nothing at left should be a red cat", "instruction-state"),
        (PLACED, "a cup at right should be nothing", "instruction-state"),
        (PLACED, "A Dog at top should be a cat", "state-prompt"),
        (PLACED, "a red cat at left should be nothing", "state-prompt"),
        (PLACED, "nothing at right should be a cup", "state-prompt"),
        # What is seen is neither what was planned nor what is wanted; or not all is of one kind.
        (PLACED, "a bus at left should be a blue cat", None),
        (PLACED, "a dog at top should be a cat and a cup at right should be nothing", None),
        (PLACED, "a cup at right should be nothing and so on", None),
        (PLACED, "a frobnicator at left should be a red cat", None),
        (PLACED, "ok", None),
        (PLACED, "", None),
        (ENGLISH, "a red cat is missing", "instruction-state"),
        (ENGLISH, "a cup is missing", "state-prompt"),
        (ENGLISH, "a cup should not be there", "instruction-state"),
        (ENGLISH, "a dog should not be there", "state-prompt"),
        (ENGLISH, "a blue cat should be a red cat; a cup should not be there", "instruction-state"),
        (ENGLISH, "a dog should be a cup", "state-prompt"),
        (ENGLISH, "a bus should be a cup", None),
        (ENGLISH, "the dog is not where it should be", None),
        ("I shall paint a dog.", "The dog looks odd.", None),
    ],
)
def test_what_is_wrong_tells_the_kind(plan: str, inspection: str, kind: str | None) -> None:
    assert conflict(plan, f"<inspect> {inspection} </inspect>", "<refine> never read here </refine>") == kind
    assert conflict(plan, f"<inspect> {inspection}", "") == kind  # cut off by its limit


def test_a_thing_without_a_colour_has_its_natural_one() -> None:
    plan = "<ins> add a banana at left </ins> <des> a banana at left </des>"
    assert (
        conflict(plan, "<inspect> a red banana at left should be a yellow banana </inspect>", "") == "instruction-state"
    )


@pytest.mark.parametrize(
    ("plan", "mended", "kind"),
    [
        (PLACED, "change to a red cat at left", "instruction-state"),
        (PLACED, "change to a blue cat at left", "state-prompt"),
        (PLACED, "erase right", "instruction-state"),
        (PLACED, "erase top", "state-prompt"),
        (PLACED, "erase the universe", None),
        (ENGLISH, "Change the cup into a red cat", "instruction-state"),
        (ENGLISH, "Remove the dog", "state-prompt"),
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
    assert {(label, kind) for _, label, kind in counts} == {
        ("instruction-state", "instruction-state"),
        ("state-prompt", "state-prompt"),
    }
    assert min(counts.values()) > 15


def test_a_model_s_own_faults_are_told_unless_plan_and_sketch_are_both_at_fault() -> None:
    counts = {key: count for key, count in _count_kinds(maker("full", 1), 60).items() if key[0] == "model"}
    assert all(kind in (label, None) for _, label, kind in counts)
    assert counts["model", "instruction-state", "instruction-state"] and counts["model", "state-prompt", "state-prompt"]

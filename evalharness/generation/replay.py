"""Rebuilds the contexts of samples from stored steps, by a model's verbs. Nothing is written or drawn anew."""

from __future__ import annotations

from collections.abc import Sequence

from evalharness.api.format import Stage
from evalharness.api.model import Context, Interleaver
from evalharness.generation.sample import Sample
from evalharness.types.trajectory import StepKind


def replay_texts(
    model: Interleaver,
    stage: Stage,
    samples: Sequence[Sample],
    contexts: Sequence[Context],
    seeds: Sequence[int],
    kind: StepKind,
    iteration: int,
    opening: str,
) -> None:
    """Take over the text that is due of each sample that has stored steps; its context reads it."""
    stored = [number for number, sample in enumerate(samples) if sample.stored]
    texts = [samples[number].take_over_text(kind, iteration, opening) for number in stored]
    read = [contexts[number] for number in stored]
    model.reread(read, texts, seeds=[seeds[number] for number in stored], opening=opening, ask=stage.ask)


def replay_drawings(
    model: Interleaver,
    samples: Sequence[Sample],
    contexts: Sequence[Context],
    seeds: Sequence[int],
    kind: StepKind,
    iteration: int,
) -> None:
    """Take over the drawing that is due of each sample that has stored steps."""
    stored = [number for number, sample in enumerate(samples) if sample.stored]
    for number in stored:
        samples[number].take_over_image(kind, iteration)
    model.note_drawn([contexts[number] for number in stored], seeds=[seeds[number] for number in stored])

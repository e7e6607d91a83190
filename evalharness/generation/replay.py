"""Rebuilds the contexts of samples from stored steps, by a model's verbs. Nothing is written or drawn anew."""

from __future__ import annotations

from collections.abc import Sequence

from evalharness.api.format import Format, Stage
from evalharness.api.model import Context, Interleaver
from evalharness.generation.sample import Sample
from evalharness.types.trajectory import StepKind

RECALLED = ("plan", "refine")
"""Kinds of steps whose words are read again in a context that is made anew."""


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


def recall_words(
    model: Interleaver, spoken: Format, samples: Sequence[Sample], contexts: Sequence[Context], *, opened: bool
) -> None:
    """Read the plans and corrections of samples so far, as they are in a context after writing.

    Args:
        model: The model.
        spoken: The format in which it wrote.
        samples: The samples.
        contexts: A new context of each.
        opened: Whether corrections begin with the words that open them.
    """
    words = [[step for step in sample.steps if step.kind in RECALLED and step.text] for sample in samples]
    for place in range(max(map(len, words), default=0)):
        for kind in RECALLED:
            rows = [row for row, steps in enumerate(words) if place < len(steps) and steps[place].kind == kind]
            stage: Stage | None = getattr(spoken, kind)
            if not rows or stage is None:
                continue
            opening = stage.open if opened and kind == "refine" else ""
            texts = [words[row][place].text.removeprefix(f"{opening} " if opening else "") for row in rows]
            seeds = [samples[row].seed for row in rows]
            model.reread([contexts[row] for row in rows], texts, seeds=seeds, opening=opening, ask=stage.ask)
    drawn = [(row, seed) for row, sample in enumerate(samples) if (seed := sample.newest_seed) is not None]
    model.note_drawn([contexts[row] for row, _ in drawn], seeds=[seed for _, seed in drawn])

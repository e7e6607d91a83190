"""Measures a checkpoint before the next one is trained: ``python -m evalharness.miniature.training.gates``.

``eyes``: precision and recall of its inspections, on rendered boards and on its own sketches. An inspection is true if
the edit that it asks for leaves fewer faults. ``hand``: how many of its sketches are right, and how many are after
refinements with conflicts that the scorer names. Prompts are generated, with a seed of their own; GenEval's are not
used. Results are printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from evalharness._util import console
from evalharness._util.guard import guarded
from evalharness.api.model import Interleaver
from evalharness.generation.formats.strokes import Strokes, inner, plan_text
from evalharness.miniature.model.plugin import Miniature
from evalharness.miniature.training.scorers import scorer_settings, verdicts
from evalharness.miniature.world.mending import mend
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.miniature.world.training_examples import LANGUAGE, RIGHT, critique, wrong_board
from evalharness.training_data.conflicts import Conflict, Sighting, find_conflict
from evalharness.training_data.filters import Filter, Verdict
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.scorer_filter import ScorerFilter
from evalharness.training_data.teachers import DrawingRequest
from evalharness.training_data.world import Task

BATCH = 64
FORMAT = Strokes({})
SEED = 10_007
"""Of the prompts; data and trainings have small seeds."""


@dataclass
class Eyes:
    """Counts of inspections.

    Attributes:
        named: Inspections that name a conflict.
        true: Those of them that are true.
        wrong: Pictures with a conflict.
        kinds: Kind of conflict to name → pictures, and those whose inspection is true.
    """

    pictures: int = 0
    named: int = 0
    true: int = 0
    wrong: int = 0
    kinds: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, conflict: Conflict | None, *, named: bool, true: bool) -> None:
        self.pictures += 1
        self.named += named
        self.true += true
        self.wrong += conflict is not None
        if conflict is not None:
            self.kinds.setdefault(conflict.kind, Counter()).update(pictures=1, true=int(true))

    def summary(self) -> dict[str, Any]:
        recall = {kind: counts["true"] / counts["pictures"] for kind, counts in sorted(self.kinds.items())}
        return {
            "pictures": self.pictures,
            "wrong": self.wrong,
            "precision": self.true / max(1, self.named),
            "recall": self.true / max(1, self.wrong),
            "recall_by_kind": recall,
        }


@dataclass(frozen=True)
class Gates:
    """The measurements of one checkpoint.

    Attributes:
        model: The checkpoint.
        filter: The scorer.
        planned: Whether contexts have a plan before the picture, as in the process; a checkpoint after pretraining
            alone has never read any.
    """

    model: Interleaver
    filter: Filter
    seed: int = SEED
    planned: bool = True
    world: MiniatureWorld = field(default_factory=lambda: MiniatureWorld(knowledge=0.0))

    def tasks(self, count: int) -> list[Task]:
        return [self.world.task(index, random.Random(f"gates/{self.seed}/{index}")) for index in range(count)]

    def eyes_on_boards(self, count: int) -> dict[str, Any]:
        """Inspections of rendered boards, right and wrong."""
        eyes = Eyes()
        for tasks in _batches(self.tasks(count)):
            rngs = [random.Random(f"gates/{self.seed}/board/{task.prompt}") for task in tasks]
            boards = [self._board(task.graph, rng) for task, rng in zip(tasks, rngs, strict=True)]
            images = Renderer().draw([_request(board, rng) for board, rng in zip(boards, rngs, strict=True)])
            self._inspect(eyes, tasks, images, boards)
        return eyes.summary()

    def eyes_on_sketches(self, count: int) -> dict[str, Any]:
        """Inspections of the checkpoint's sketches of whole scenes; the scorer tells what these show."""
        eyes = Eyes()
        for tasks in _batches(self.tasks(count)):
            images = self._sketch(tasks)[1]
            known = [
                (task, image, list(verdict.seen))
                for task, image, verdict in zip(
                    tasks, images, verdicts(self.filter, self.world, tasks, images), strict=True
                )
                if verdict.seen is not None
            ]
            if known:
                self._inspect(eyes, *(list(column) for column in zip(*known, strict=True)))
        return eyes.summary()

    def hand(self, count: int, rounds: int) -> dict[str, Any]:
        """Shares of right pictures: the sketches, then after each round of refinement as the scorer says."""
        right = [0] * (rounds + 1)
        for tasks in _batches(self.tasks(count)):
            contexts, images = self._sketch(tasks)
            checked = verdicts(self.filter, self.world, tasks, images)
            right[0] += sum(verdict.right for verdict in checked)
            for number in range(1, rounds + 1):
                images = self._refine(tasks, contexts, images, checked, number)
                checked = verdicts(self.filter, self.world, tasks, images)
                right[number] += sum(verdict.right for verdict in checked)
        shares = [number / count for number in right]
        return {"pictures": count, "right": shares, "gain": shares[-1] - shares[0]}

    def _board(self, graph: SceneGraph, rng: random.Random) -> list[Sighting]:
        return (self.world.placed(graph) or []) if rng.random() < RIGHT else wrong_board(rng, graph)

    def _begin(self, tasks: Sequence[Task]) -> list[Any]:
        """Contexts up to the sketch."""
        contexts: list[Any] = self.model.start(len(tasks))
        self.model.read(contexts, [FORMAT.prompt(task.prompt) for task in tasks])
        if self.planned:
            blank = self.model.blank()
            if blank is not None:
                self.model.look(contexts, [blank] * len(tasks))
            self.model.read(contexts, [_plan(task.graph) for task in tasks])
        return contexts

    def _sketch(self, tasks: Sequence[Task]) -> tuple[list[Any], list[Image.Image]]:
        contexts = self._begin(tasks)
        unguided = self.model.start(len(tasks)) if self.model.guided else []
        seeds = [self._noise(task, "sketch") for task in tasks]
        drawn = self.model.draw(contexts, unguided=unguided, seeds=seeds, kind="sketch")
        return contexts, [drawing.image for drawing in drawn]

    def _noise(self, task: Task, purpose: str) -> int:
        return random.Random(f"gates/{self.seed}/{purpose}/{task.prompt}").getrandbits(62)

    def _inspect(
        self, eyes: Eyes, tasks: Sequence[Task], images: Sequence[Image.Image], boards: Sequence[Sequence[Sighting]]
    ) -> None:
        contexts = self._begin(tasks)
        self.model.look(contexts, images)
        stage = FORMAT.inspect
        seeds = [self._noise(task, "inspect") for task in tasks]
        written = self.model.write(
            contexts, stop=stage.stop, max_tokens=stage.max_tokens, seeds=seeds, opening=stage.open
        )
        for task, board, text in zip(tasks, boards, written, strict=True):
            inspection = f"{stage.open} {text.text}"
            said = LANGUAGE.read_conflict(inner(inspection, "inspect"))
            rng = random.Random(0)
            true = said is not None and mend(task.graph, board, _as_named(said, task.graph, board), rng) is not None
            truth = self.world.conflict(task.graph, board)
            eyes.count(truth, named=FORMAT.conflict(inspection), true=true)

    def _refine(
        self,
        tasks: Sequence[Task],
        contexts: list[Any],
        images: Sequence[Image.Image],
        checked: Sequence[Verdict],
        number: int,
    ) -> list[Image.Image]:
        """Tell each wrong picture's conflict, and let the model draw again; right pictures stay."""
        refined = list(images)
        named = {index: verdict.conflict for index, verdict in enumerate(checked) if verdict.conflict is not None}
        if not named:
            return refined
        wrong = list(named)
        chosen = [contexts[index] for index in wrong]
        self.model.look(chosen, [images[index] for index in wrong])
        self.model.read(chosen, [critique(conflict) for conflict in named.values()])
        seeds = [self._noise(tasks[index], f"refine {number}") for index in wrong]
        unguided = self.model.start(len(wrong)) if self.model.guided else []
        if unguided:
            self.model.look(unguided, [images[index] for index in wrong])
        drawn = self.model.draw(chosen, unguided=unguided, seeds=seeds, kind="refine")
        for index, drawing in zip(wrong, drawn, strict=True):
            refined[index] = drawing.image
        return refined


def _as_named(said: Conflict, graph: SceneGraph, board: Sequence[Sighting]) -> Conflict:
    """A missing thing with its relations, which an inspection does not name."""
    truth = find_conflict(graph, board)
    return truth if truth is not None and (truth.kind, truth.wanted) == ("missing", said.wanted) else said


def _plan(graph: SceneGraph) -> str:
    return plan_text(LANGUAGE.instruction(graph, range(len(graph.nodes))), LANGUAGE.description(graph))


def _request(board: Sequence[Sighting], rng: random.Random) -> DrawingRequest:
    graph = SceneGraph(tuple(sighting.node for sighting in board))
    return DrawingRequest(None, graph, "", "", rng.getrandbits(62))


def _batches(tasks: Sequence[Task]) -> list[Sequence[Task]]:
    return [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evalharness.miniature.training.gates", description="Measure the eyes and the hand of a model."
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR", help="the checkpoint")
    parser.add_argument("--detector", type=Path, metavar="DIR", help="the detector (default: the embedded one)")
    parser.add_argument("--colors", type=Path, metavar="DIR", help="the CLIP (default: the embedded one)")
    parser.add_argument("--n", type=int, default=400, metavar="N", help="prompts (default: 400)")
    parser.add_argument("--rounds", type=int, default=2, metavar="R", help="rounds of refinement (default: 2)")
    parser.add_argument("--steps", type=int, default=2, metavar="S", help="sampler steps (default: 2)")
    parser.add_argument("--seed", type=int, default=SEED, metavar="S", help="seed of the prompts")
    parser.add_argument("--no-plan", action="store_true", help="for a checkpoint after pretraining alone")
    return guarded(_run, parser.parse_args(arguments))


def _run(options: argparse.Namespace) -> int:
    gates = _gates(options)
    results = {
        "eyes_on_boards": gates.eyes_on_boards(options.n),
        "eyes_on_sketches": gates.eyes_on_sketches(options.n),
        "hand": gates.hand(options.n, options.rounds),
    }
    console.write(json.dumps(results, indent=2))
    return 0


def _gates(options: argparse.Namespace) -> Gates:
    model = Miniature(Miniature.Settings(weights=options.weights, steps=options.steps, temperature=0))
    settings = scorer_settings(options.detector, options.colors)
    scorer = ScorerFilter(ScorerFilter.Settings.model_validate(settings))
    return Gates(model, scorer, options.seed, planned=not options.no_plan)


if __name__ == "__main__":
    sys.exit(main())

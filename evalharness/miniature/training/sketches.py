"""The model's own sketches to learn to look at: ``python -m evalharness.miniature.training.sketches``.

A renderer's faults are not a model's: blends, half-drawn things, things that nobody asked for. So the checkpoint draws
generated prompts, alone or after a description, with few and many sampler steps; a scorer tells what each sketch shows;
the model corrects what the scorer names, and its correction is one more sketch. ``unified --sketches DIR`` learns to
name the conflicts of such pictures and to mend them.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from evalharness._util.file_digests import file_digest
from evalharness._util.files import atomic_path, write_text_atomically
from evalharness._util.guard import guarded
from evalharness._util.image_files import png_bytes
from evalharness.api.model import Interleaver
from evalharness.errors import ConfigError
from evalharness.generation.formats.strokes import wrap
from evalharness.miniature.model.codec import Codec, to_pixels
from evalharness.miniature.model.plugin import Miniature
from evalharness.miniature.training.scorers import settings_of_folder, verdicts
from evalharness.miniature.training.training_run import start_log
from evalharness.miniature.world.board import CELLS, PLACES
from evalharness.miniature.world.mending import sighted
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.training_examples import (
    LANGUAGE,
    Board,
    DrawnCell,
    TrainingExample,
    critique,
    inspection,
    read_prompt,
)
from evalharness.training_data.conflicts import Conflict
from evalharness.training_data.filters import Filter
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.scorer_filter import ScorerFilter
from evalharness.training_data.world import Task

log = logging.getLogger("evalharness.training")
FILE = "sketches.parquet"
SAMPLER_STEPS = (2, 3, 4, 4, 6, 8)
"""Of the batches, in turn."""
BATCH = 64
COUNT = 12_800


@dataclass(frozen=True, slots=True)
class Sketch:
    """A picture that the model drew for a prompt, and what a scorer sees in it."""

    prompt: str
    graph: SceneGraph
    seen: tuple[Node, ...]
    png: bytes


@dataclass(frozen=True)
class Sketcher:
    """Draws sketches and has them looked at.

    Attributes:
        models: A checkpoint by its number of sampler steps.
        filter: The scorer.
    """

    models: dict[int, Interleaver]
    filter: Filter
    seed: int
    world: MiniatureWorld

    def batch(self, number: int) -> list[Sketch]:
        """The sketches of one batch of prompts, and a correction of each that is wrong."""
        model = self.models[SAMPLER_STEPS[number % len(SAMPLER_STEPS)]]
        rng = random.Random(f"sketches/{self.seed}/{number}")
        tasks = [self.world.task(index, rng) for index in range(BATCH)]
        images = self._draw(model, tasks, rng)
        seen = self._look(tasks, images)
        sketches = [_sketch(task, image, nodes) for task, image, nodes in zip(tasks, images, seen, strict=True)]
        named: dict[int, Conflict] = {}
        for index, sketch in enumerate(sketches):
            conflict = self.world.conflict(sketch.graph, [sighted(node) for node in sketch.seen])
            if conflict is not None:
                named[index] = conflict
        if not named:
            return sketches
        tasks, images = [tasks[index] for index in named], [images[index] for index in named]
        images = self._correct(model, tasks, images, list(named.values()), rng)
        seen = self._look(tasks, images)
        return sketches + [_sketch(task, image, nodes) for task, image, nodes in zip(tasks, images, seen, strict=True)]

    def _draw(self, model: Interleaver, tasks: Sequence[Task], rng: random.Random) -> list[Image.Image]:
        contexts: list[Any] = model.start(len(tasks))
        model.read(contexts, [self._words(task, rng) for task in tasks])
        seeds = [rng.getrandbits(62) for _ in tasks]
        return [drawing.image for drawing in model.draw(contexts, unguided=[], seeds=seeds)]

    def _words(self, task: Task, rng: random.Random) -> str:
        prompt = read_prompt(task.prompt)
        return prompt if rng.random() < 0.5 else f"{prompt} {wrap(LANGUAGE.description(task.graph), 'think')}"

    def _correct(
        self,
        model: Interleaver,
        tasks: Sequence[Task],
        images: Sequence[Image.Image],
        conflicts: Sequence[Conflict],
        rng: random.Random,
    ) -> list[Image.Image]:
        contexts: list[Any] = model.start(len(tasks))
        model.read(contexts, [read_prompt(task.prompt) for task in tasks])
        model.look(contexts, images)
        model.read(contexts, [critique(conflict) for conflict in conflicts])
        seeds = [rng.getrandbits(62) for _ in tasks]
        return [drawing.image for drawing in model.draw(contexts, unguided=[], seeds=seeds)]

    def _look(self, tasks: Sequence[Task], images: Sequence[Image.Image]) -> list[tuple[Node, ...]]:
        checked = verdicts(self.filter, self.world, tasks, images)
        return [tuple(sighting.node for sighting in verdict.seen or ()) for verdict in checked]


def _sketch(task: Task, image: Image.Image, seen: Sequence[Node]) -> Sketch:
    return Sketch(task.prompt, _unplaced(task.graph), tuple(seen), png_bytes(image))


def _unplaced(graph: SceneGraph) -> SceneGraph:
    return SceneGraph(tuple(replace(node, place=None) for node in graph.nodes), graph.edges)


def write(folder: Path, sketches: Sequence[Sketch], card: dict[str, Any]) -> None:
    """The sketches as one Parquet file, and a card."""
    rows = [
        {
            "prompt": sketch.prompt,
            "graph": json.dumps(sketch.graph.to_json()),
            "seen": json.dumps(SceneGraph(sketch.seen).to_json()),
            "image": sketch.png,
        }
        for sketch in sketches
    ]
    with atomic_path(folder / FILE) as temporary:
        pd.DataFrame(rows).to_parquet(temporary)
    card = {**card, "sketches": len(sketches), "digest": file_digest(folder / FILE)}
    write_text_atomically(folder / "card.json", json.dumps(card, indent=2) + "\n")


def read(folder: Path) -> Iterator[Sketch]:
    """The sketches of a folder.

    Raises:
        ConfigError: there are none.
    """
    if not (folder / FILE).is_file():
        raise ConfigError(f"{folder} has no {FILE}; make it with python -m evalharness.miniature.training.sketches")
    for row in pd.read_parquet(folder / FILE).to_dict("records"):
        graph, seen = (SceneGraph.from_json(json.loads(row[name])) for name in ("graph", "seen"))
        yield Sketch(str(row["prompt"]), graph, seen.nodes, bytes(row["image"]))


@dataclass(frozen=True)
class OwnSketches:
    """Sketches as training examples: each cell is a row of a table of latents, with what the scorer sees there.

    Attributes:
        sketches: The sketches.
        latents: (1 + rows, latent) float32: those of the bank, then 16 for each sketch.
        first: The row of the first cell of the first sketch.
    """

    sketches: Sequence[Sketch]
    latents: Tensor
    first: int

    @classmethod
    def load(cls, folders: Sequence[Path], codec: Codec, latents: Tensor) -> OwnSketches:
        """Read folders; ``latents`` are those of the bank."""
        sketches = [sketch for folder in folders for sketch in read(folder)]
        cells = [codec.encode(_pixels(sketch)[None])[0].half() for sketch in sketches]
        return cls(sketches, torch.cat([latents, *cells]).float(), len(latents))

    def example(self, rng: random.Random) -> TrainingExample:
        """Inspect a sketch chosen at random."""
        number = rng.randrange(len(self.sketches))
        sketch = self.sketches[number]
        shown = {PLACES.index(str(node.place)): node for node in sketch.seen}
        board: Board = {cell: DrawnCell(self.first + number * CELLS + cell, shown.get(cell)) for cell in range(CELLS)}
        return inspection(rng, sketch.prompt, sketch.graph, [sighted(node) for node in sketch.seen], board)


def _pixels(sketch: Sketch) -> Tensor:
    with Image.open(io.BytesIO(sketch.png), formats=["PNG"]) as image:
        return to_pixels(image)


def make(weights: Path, out: Path, prompts: int, seed: int, device: str = "auto", scorers: Path | None = None) -> None:
    """Draw sketches of a checkpoint, have them looked at, and write them to the folder ``out``."""
    scorer = ScorerFilter(ScorerFilter.Settings.model_validate(settings_of_folder(scorers)))
    models: dict[int, Interleaver] = {
        steps: Miniature(Miniature.Settings(weights=weights, steps=steps, dtype="float32", device=device))
        for steps in set(SAMPLER_STEPS)
    }
    sketcher = Sketcher(models, scorer, seed, MiniatureWorld(knowledge=0.0))
    sketches: list[Sketch] = []
    batches = -(-prompts // BATCH)
    for number in range(batches):
        sketches += sketcher.batch(number)
        if number % 10 == 9 or number + 1 == batches:
            log.info("%d sketches of %d prompts", len(sketches), (number + 1) * BATCH)
    drawn_by = {"weights": file_digest(weights / "model.safetensors"), "scorer": dict(scorer.identity())}
    write(out, sketches, {**drawn_by, "prompts": prompts, "seed": seed})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evalharness.miniature.training.sketches", description="Draw sketches and have them looked at."
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR", help="the checkpoint that draws")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the sketches")
    parser.add_argument("--n", type=int, default=COUNT, metavar="N", help=f"prompts (default: {COUNT})")
    parser.add_argument("--seed", type=int, default=0)
    return guarded(_run, parser.parse_args(arguments))


def _run(options: argparse.Namespace) -> int:
    start_log()
    make(options.weights, options.out, options.n, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

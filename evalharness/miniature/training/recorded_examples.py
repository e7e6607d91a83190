"""Lessons from recorded trajectories: Parquet files in, the same short lessons out that the miniature learns from.

``think`` records give ``single`` (prompt → picture), ``think`` (prompt → layout in words → picture) and ``read``
(picture → layout in words); ``process`` records give ``step``, ``relate`` (a step that adds a thing in relation to one
that is there: its place is what is hardest to plan, and few steps are of this kind) and ``inspect``, which after the
first iteration begin with the last plan and its correction. Where a plan or a sketch turned out wrong it is read, not
learned: what is learned is the plan as it should be, the inspection, the refinement, and the picture as it should be.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from evalharness._util.file_digests import file_digest
from evalharness.errors import ConfigError, SampleError
from evalharness.generation.formats.strokes import inner
from evalharness.miniature.model.batches import EMPTY, Batch, collate, marked, tile_latents
from evalharness.miniature.model.codec import Codec, to_pixels
from evalharness.miniature.model.tokenizer import Tokenizer
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import BACKGROUND, CELLS, PLACES, SIDE
from evalharness.miniature.world.icons import CELL
from evalharness.miniature.world.placed_language import PlacedLanguage
from evalharness.miniature.world.training_examples import Board, Draw, Look, Text, TrainingExample, read_prompt
from evalharness.training_data import records
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.records import Record
from evalharness.types.trajectory import Step, remembered

Kind = Literal["single", "think", "read", "step", "relate", "inspect"]
SHARES: Mapping[Kind, float] = {"single": 5, "think": 3, "read": 1, "step": 8, "relate": 4, "inspect": 5}
"""Of a batch and of its loss; the shares of kinds that the data lack go to the others."""
END = "<end>"
LANGUAGE = PlacedLanguage()


class Cells:
    """All different cells of the pictures seen so far, as latents; the first rows are those of the icons."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        tiles = bank().tiles.reshape(EMPTY, CELL, CELL, 3)
        empty = np.full((1, CELL, CELL, 3), BACKGROUND, np.uint8)
        self._rows = {tile.tobytes(): row for row, tile in enumerate(np.concatenate([tiles, empty]))}
        self._more: list[Tensor] = []

    def board(self, png: bytes) -> Board:
        """A picture's cells as rows."""
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            pixels = to_pixels(image)
        cells = pixels.view(SIDE, CELL, SIDE, CELL, 3).permute(0, 2, 1, 3, 4).reshape(CELLS, CELL, CELL, 3)
        keys = [cell.numpy().tobytes() for cell in cells]
        if any(key not in self._rows for key in keys):
            # What the icons are is exact; a drawn cell is what the codec makes of it.
            latents = self._codec.encode(pixels[None])[0].cpu().half()
            for key, latent in zip(keys, latents, strict=True):
                if key not in self._rows:
                    self._rows[key] = len(self._rows)
                    self._more.append(latent)
        return {cell: self._rows[key] for cell, key in enumerate(keys)}

    def table(self) -> Tensor:
        """(rows, latent) float32."""
        own = tile_latents(self._codec)
        return torch.cat([own, torch.stack(self._more).float()]) if self._more else own


def examples(record: Record, cells: Cells) -> Iterator[tuple[Kind, TrainingExample]]:
    """All that a record teaches."""
    prompt = Text(read_prompt(record.prompt), learn=False)
    steps = record.trajectory.steps
    # A riddle is learned in words: its pictures would teach what the words are to find out.
    draws = not record.knowledge
    if record.kind == "think":
        thought, drawn = steps
        picture = cells.board(_png(drawn))
        told = thought.text.removeprefix("<think>").removesuffix("</think>").strip()
        if draws:
            yield "single", [prompt, Draw(picture)]
        yield "think", [prompt, Text(thought.text), Draw(picture, learn=draws)]
        yield "read", [Look(picture), Text(f"<des> {_in_reading_order(told)} </des>"), Draw(picture, learn=False)]
        return
    state: Board = dict.fromkeys(range(CELLS), EMPTY)
    critiques: Mapping[str, Any] = record.provenance.get("critiques", {})
    asked, there = prompt, list[str]()
    for number in range(1, record.trajectory.iterations + 1):
        own = {step.kind: step for step in steps if step.iteration == number}
        plan = own["plan"]
        if plan.text.strip() == END:
            yield "step", [asked, Look(state), Text(END), Draw(state, learn=False)]
            return
        sketch = cells.board(_png(own["sketch"]))
        right = cells.board(_png(own["refine"])) if "refine" in own else sketch
        about: Mapping[str, str] = critiques.get(str(number), {})
        words = about.get("plan", plan.text)
        there.append(_added(words))
        kind: Kind = "relate" if _related(record.graph, there) else "step"
        yield kind, [asked, Look(state), Text(words), Draw(right, learn=draws)]
        if "inspect" in own:
            said = " ".join(own[kind].text for kind in ("inspect", "refine") if kind in own)
            corrected = "refine" in own and draws
            start: TrainingExample = [asked, Look(state), Text(plan.text, learn=False), Look(sketch)]
            yield "inspect", [*start, Text(said), Draw(right, learn=corrected)]
        state = right
        asked = Text(f"{prompt.words} {remembered(list(own.values()))}", learn=False)


def _added(plan: str) -> str:
    """The class of the thing that a plan adds; nothing if it is no plan of the miniature's."""
    things = LANGUAGE.read(inner(plan, "ins").removeprefix("add "))
    return things[0].name if things else ""


def _related(graph: SceneGraph, there: Sequence[str]) -> bool:
    """Whether the last of these classes is to stand in a relation to one before it."""
    pairs = [{graph.nodes[edge.subject].name, graph.nodes[edge.object].name} for edge in graph.edges]
    return any(there[-1] in pair and pair <= set(there) for pair in pairs)


def _in_reading_order(told: str) -> str:
    """A layout cell by cell: without the prompt nothing else tells what comes next."""
    things = LANGUAGE.read(told)
    ordered = sorted(things or [], key=lambda one: PLACES.index(str(one.place)))
    return LANGUAGE.description(SceneGraph(tuple(ordered))) if things else told


def _png(step: Step) -> bytes:
    if step.image is None:
        raise ConfigError(f"a {step.kind} without a picture; evalharness validate names the record")
    return step.image


@dataclass
class RecordedExamples:
    """Lessons of data sets, drawn at random: a batch is a function of seed and step alone.

    ``parts``: the lessons of each kind, the shorter half and the longer by themselves, so that little is padding;
    ``shapes``: of each part lessons a step and tokens a lesson; ``counts``: lessons of each kind.
    """

    seed: int
    tokenizer: Tokenizer
    latents: Tensor
    parts: dict[str, list[TrainingExample]]
    shapes: dict[str, tuple[int, int]]
    counts: dict[Kind, int]
    card: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def load(
        cls, folders: Sequence[Path], seed: int, batch: int, tokenizer: Tokenizer, codec: Codec
    ) -> RecordedExamples:
        """Read data sets into memory: texts as they are, pictures as numbers of cells.

        Raises:
            ConfigError: a folder holds no complete data, or words that the miniature does not know.
        """
        cells = Cells(codec)
        found: dict[Kind, list[TrainingExample]] = {}
        for folder in folders:
            for record in records.read(folder):
                for kind, made in examples(record, cells):
                    found.setdefault(kind, []).append(marked(made))
        parts, shapes = _parts(found, batch, tokenizer)
        counts = {kind: len(own) for kind, own in found.items()}
        return cls(seed, tokenizer, cells.table(), parts, shapes, counts, [_about(folder) for folder in folders])

    @property
    def digest(self) -> str:
        """Of the data and the shapes: what tells one training from another, besides seed and steps."""
        return hashlib.sha256(json.dumps([self.card, self.shapes], sort_keys=True).encode()).hexdigest()

    @property
    def teaches(self) -> tuple[str, ...]:
        """What a checkpoint that learned from it can do besides (``unified.save``)."""
        return ("marked", "remembers") if "step" in self.counts else ("marked",)

    @property
    def weights(self) -> Mapping[str, float]:
        """Of the losses of the parts, 1 on average: each lesson counts alike."""
        mean = sum(count for count, _ in self.shapes.values()) / len(self.shapes)
        return {part: count / mean for part, (count, _) in self.shapes.items()}

    def batch(self, step: int, part: str) -> tuple[Batch, Tensor, Tensor]:
        """The batch of one part at one step, its times and its noise."""
        mark = hashlib.sha256(f"{self.seed}/{step}/{part}".encode()).digest()
        count, length = self.shapes[part]
        chosen = random.Random(mark).choices(self.parts[part], k=count)
        batch = collate(chosen, length, self.tokenizer, self.latents)
        return noised(batch, mark)


def noised(batch: Batch, mark: bytes) -> tuple[Batch, Tensor, Tensor]:
    """The batch as the model sees it, with grain on what it looks at, and the times and the noise of its drawings."""
    generator = torch.Generator().manual_seed(int.from_bytes(mark[:7], "big"))
    count = batch.drawn.shape[0]
    # The model reads its own drawings, which are never quite clean.
    grain = 0.08 * torch.rand(count, 1, 1, generator=generator)
    batch.clean = batch.clean + grain * torch.randn(batch.clean.shape, generator=generator)
    times = torch.sigmoid(torch.randn(count, generator=generator) * 1.3 + 0.8)
    return batch, times, torch.randn(batch.target.shape, generator=generator)


def _parts(
    found: Mapping[Kind, list[TrainingExample]], batch: int, tokenizer: Tokenizer
) -> tuple[dict[str, list[TrainingExample]], dict[str, tuple[int, int]]]:
    """Parts and their shapes: few shapes, as each is compiled once."""
    total = sum(SHARES[kind] for kind in found)
    parts, shapes = {}, {}
    for kind in (kind for kind in SHARES if kind in found):
        try:
            lengths = [_length(made, tokenizer) for made in found[kind]]
        except SampleError as error:
            raise ConfigError(f"the data are not for the miniature: {error}") from None
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        for name, own in zip(("short", "long"), (order[: len(order) // 2], order[len(order) // 2 :]), strict=True):
            if own:
                parts[f"{kind}_{name}"] = [found[kind][place] for place in own]
                count = max(1, round(batch * SHARES[kind] / total / 2))
                shapes[f"{kind}_{name}"] = count, -(-lengths[own[-1]] // 8) * 8
    return parts, shapes


def _length(made: TrainingExample, tokenizer: Tokenizer) -> int:
    return sum(len(tokenizer.encode(one.words)) if isinstance(one, Text) else CELLS for one in made)


def _about(folder: Path) -> dict[str, Any]:
    """What a checkpoint's card says of its data."""
    card = json.loads((folder / "card.json").read_text())
    told = {key: card[key] for key in ("arm", "n", "seed")}
    return {**told, "card": file_digest(folder / "card.json"), "files": card["files"]}

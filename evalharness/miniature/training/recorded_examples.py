"""Training examples from recorded trajectories: Parquet files in, examples out.

``think`` records give ``single`` (prompt → picture), ``think`` (prompt → description → picture) and ``read``
(picture → description); ``process`` records give ``step``, ``relate`` (a step whose instruction has a relation),
``inspect`` (the first round of inspection and refinement) and ``again`` (the later rounds), which after the first
iteration begin with the last plan and its corrections. A plan or a sketch that turned out wrong is read, not learned:
what is learned is the plan as it should be, the inspection, the refinement, and the picture as it should be.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
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
from evalharness.generation.formats.strokes import inner, wrap
from evalharness.miniature.model.batches import EMPTY, Batch, collate, marked, tile_latents
from evalharness.miniature.model.codec import Codec, to_pixels
from evalharness.miniature.model.tokenizer import Tokenizer
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import BACKGROUND, CELLS, SIDE
from evalharness.miniature.world.icons import CELL
from evalharness.miniature.world.layouts import scene_of
from evalharness.miniature.world.training_examples import (
    Board,
    Draw,
    Look,
    Text,
    TrainingExample,
    describe_board,
    read_prompt,
)
from evalharness.training_data import records
from evalharness.training_data.graphs import DIRECTIONS
from evalharness.training_data.records import Record
from evalharness.types.trajectory import Step, remembered

Kind = Literal["single", "think", "read", "step", "relate", "inspect", "again"]
SHARES: Mapping[Kind, float] = {"single": 5, "think": 3, "read": 1, "step": 8, "relate": 4, "inspect": 5, "again": 3}
"""Relative shares of a batch and of its loss; kinds that the data lack have none."""
END = "<end>"
_RELATION = re.compile("|".join(DIRECTIONS))


class Cells:
    """All distinct cells of the pictures seen so far, as latents; the first rows are those of the icons."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        tiles = bank().tiles.reshape(EMPTY, CELL, CELL, 3)
        empty = np.full((1, CELL, CELL, 3), BACKGROUND, np.uint8)
        self._rows = {tile.tobytes(): row for row, tile in enumerate(np.concatenate([tiles, empty]))}
        self._drawn: list[Tensor] = []

    def board(self, png: bytes) -> Board:
        """The cells of a picture as rows of :meth:`table`."""
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            pixels = to_pixels(image)
        cells = pixels.view(SIDE, CELL, SIDE, CELL, 3).permute(0, 2, 1, 3, 4).reshape(CELLS, CELL, CELL, 3)
        keys = [cell.numpy().tobytes() for cell in cells]
        if any(key not in self._rows for key in keys):
            # Icons are exact; a cell that a model drew is what the codec makes of it.
            latents = self._codec.encode(pixels[None])[0].cpu().half()
            for key, latent in zip(keys, latents, strict=True):
                if key not in self._rows:
                    self._rows[key] = len(self._rows)
                    self._drawn.append(latent)
        return {cell: self._rows[key] for cell, key in enumerate(keys)}

    def table(self) -> Tensor:
        """(rows, latent) float32."""
        icons = tile_latents(self._codec)
        return torch.cat([icons, torch.stack(self._drawn).float()]) if self._drawn else icons


def examples(record: Record, cells: Cells) -> Iterator[tuple[Kind, TrainingExample]]:
    """Everything that a record teaches."""
    yield from (_think_examples if record.kind == "think" else _process_examples)(record, cells)


def _think_examples(record: Record, cells: Cells) -> Iterator[tuple[Kind, TrainingExample]]:
    prompt = Text(read_prompt(record.prompt), learn=False)
    thought, drawing = record.trajectory.steps
    picture = cells.board(_image(drawing))
    if not record.knowledge:
        yield "single", [prompt, Draw(picture)]
    yield "think", [prompt, Text(thought.text), Draw(picture, learn=not record.knowledge)]
    # In reading order: without the prompt nothing else determines the order.
    description = Text(wrap(describe_board(scene_of(record.graph)), "des"))
    yield "read", [Look(picture), description, Draw(picture, learn=False)]


def _process_examples(record: Record, cells: Cells) -> Iterator[tuple[Kind, TrainingExample]]:
    # Knowledge is learned in words: a picture would teach what the words are to find out.
    draws = not record.knowledge
    prompt = Text(read_prompt(record.prompt), learn=False)
    start = prompt
    state: Board = dict.fromkeys(range(CELLS), EMPTY)
    critiques: Mapping[str, Mapping[str, str]] = record.provenance.get("critiques", {})
    for iteration in range(1, record.trajectory.iterations + 1):
        plan, *steps = [step for step in record.trajectory.steps if step.iteration == iteration]
        if plan.text.strip() == END:
            yield "step", [start, Look(state), Text(END), Draw(state, learn=False)]
            return
        boards = [cells.board(_image(step)) for step in steps if step.image is not None]
        correct_plan = critiques.get(str(iteration), {}).get("plan", plan.text)
        kind: Kind = "relate" if _RELATION.search(inner(correct_plan, "ins")) else "step"
        yield kind, [start, Look(state), Text(correct_plan), Draw(boards[-1], learn=draws)]
        seen: TrainingExample = [start, Look(state), Text(plan.text, learn=False), Look(boards[0])]
        yield from _rounds(seen, steps[1:], boards[1:], draws=draws)
        state = boards[-1]
        start = Text(f"{prompt.words} {remembered([plan, *steps])}", learn=False)


def _rounds(
    seen: TrainingExample, steps: Sequence[Step], mended: Sequence[Board], *, draws: bool
) -> Iterator[tuple[Kind, TrainingExample]]:
    """An example for each inspection: what was said and drawn in the rounds before is read, not learned."""
    board = seen[-1]
    assert isinstance(board, Look)
    inspections = [number for number, step in enumerate(steps) if step.kind == "inspect"]
    for number, at in enumerate(inspections):
        refined = number < len(mended)
        words = " ".join(step.text for step in steps[at : at + 1 + refined])
        target = mended[number] if refined else board.board
        yield "inspect" if number == 0 else "again", [*seen, Text(words), Draw(target, learn=refined and draws)]
        board = Look(target)
        seen = [*seen, Text(words, learn=False), board]


def _image(step: Step) -> bytes:
    if step.image is None:
        raise ConfigError(f"a {step.kind} without a picture; evalharness validate names the record")
    return step.image


@dataclass
class RecordedExamples:
    """Examples of data sets, drawn at random: a batch is a function of seed and step alone.

    Attributes:
        seed: Decides the batches.
        tokenizer: The model's.
        latents: (rows, latent): all cells.
        parts: The examples of each kind, split by length into two halves, so that there is little padding.
        shapes: Of each part: examples per step, most tokens per example.
        counts: Examples of each kind.
        card: What a checkpoint's card says of the data.
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
        by_kind: dict[Kind, list[TrainingExample]] = {}
        for folder in folders:
            for record in records.read(folder):
                for kind, example in examples(record, cells):
                    by_kind.setdefault(kind, []).append(marked(example))
        parts, shapes = _split(by_kind, batch, tokenizer)
        counts = {kind: len(members) for kind, members in by_kind.items()}
        card = [_dataset_card(folder) for folder in folders]
        return cls(seed, tokenizer, cells.table(), parts, shapes, counts, card)

    @property
    def digest(self) -> str:
        """Digest of data and shapes, which distinguish one training from another besides seed and steps."""
        return hashlib.sha256(json.dumps([self.card, self.shapes], sort_keys=True).encode()).hexdigest()

    @property
    def teaches(self) -> tuple[str, ...]:
        """What a checkpoint that learned from it can do (``learned`` of :func:`unified.save`)."""
        return ("marked", "remembers") if "step" in self.counts else ("marked",)

    @property
    def weights(self) -> Mapping[str, float]:
        """Weights of the losses of the parts, 1 on average, so that each example counts equally."""
        mean = sum(count for count, _ in self.shapes.values()) / len(self.shapes)
        return {part: count / mean for part, (count, _) in self.shapes.items()}

    def batch(self, step: int, part: str) -> tuple[Batch, Tensor, Tensor]:
        """The batch of a part at a step, its times and its noise (see :func:`noised`)."""
        seed = hashlib.sha256(f"{self.seed}/{step}/{part}".encode()).digest()
        count, _ = self.shapes[part]
        chosen = random.Random(seed).choices(self.parts[part], k=count)
        length = _padded(max(token_count(example, self.tokenizer) for example in chosen))
        return noised(collate(chosen, length, self.tokenizer, self.latents), seed)


def noised(batch: Batch, seed: bytes) -> tuple[Batch, Tensor, Tensor]:
    """Add grain to the canvases to look at, since the model reads its own drawings, which are never quite clean.

    Returns:
        The batch, the times (batch,) and the noise (batch, 16, latent) of its drawings.
    """
    generator = torch.Generator().manual_seed(int.from_bytes(seed[:7], "big"))
    count = batch.drawn.shape[0]
    grain = 0.08 * torch.rand(count, 1, 1, generator=generator)
    batch.clean = batch.clean + grain * torch.randn(batch.clean.shape, generator=generator)
    times = torch.sigmoid(torch.randn(count, generator=generator) * 1.3 + 0.8)
    return batch, times, torch.randn(batch.target.shape, generator=generator)


def _split(
    by_kind: Mapping[Kind, list[TrainingExample]], batch: int, tokenizer: Tokenizer
) -> tuple[dict[str, list[TrainingExample]], dict[str, tuple[int, int]]]:
    """The parts and their shapes."""
    total = sum(SHARES[kind] for kind in by_kind)
    parts, shapes = {}, {}
    for kind in (kind for kind in SHARES if kind in by_kind):
        members = by_kind[kind]
        try:
            lengths = [token_count(example, tokenizer) for example in members]
        except SampleError as error:
            raise ConfigError(f"the data are not for the miniature: {error}") from None
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        middle = len(order) // 2
        for name, indices in (("short", order[:middle]), ("long", order[middle:])):
            if indices:
                parts[f"{kind}_{name}"] = [members[index] for index in indices]
                count = max(1, round(batch * SHARES[kind] / total / 2))
                shapes[f"{kind}_{name}"] = count, _padded(lengths[indices[-1]])
    return parts, shapes


def _padded(length: int) -> int:
    return -(-length // 8) * 8


def token_count(example: TrainingExample, tokenizer: Tokenizer) -> int:
    """Length of an example in tokens; an image has one for each cell."""
    return sum(len(tokenizer.encode(segment.words)) if isinstance(segment, Text) else CELLS for segment in example)


def _dataset_card(folder: Path) -> dict[str, Any]:
    """What a checkpoint's card says of a data set."""
    card = json.loads((folder / "card.json").read_text())
    about = {key: card[key] for key in ("arm", "n", "seed")}
    return {**about, "card": file_digest(folder / "card.json"), "files": card["files"]}

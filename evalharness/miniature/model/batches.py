"""Training examples as tensors: tokens, positions, attention masks, and what is to be predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalharness.miniature.model.codec import SCALE, Codec
from evalharness.miniature.model.network import CLEAN, NO_CELL, NOISY
from evalharness.miniature.model.tokenizer import IMAGE, IMAGE_END, Tokenizer
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import BACKGROUND, CELLS, CLASSES, COLOR_NAMES, Thing
from evalharness.miniature.world.icons import CELL
from evalharness.miniature.world.training_examples import (
    FAULT_PARTS,
    Board,
    Draw,
    DrawnCell,
    Look,
    Smear,
    Text,
    TrainingExample,
)
from evalharness.training_data.conflicts import SMUDGE
from evalharness.training_data.graphs import Node

_CLASS = {name: i for i, name in enumerate(CLASSES)}
_COLOR = {name: i for i, name in enumerate(COLOR_NAMES)}
EMPTY = len(CLASSES) * len(COLOR_NAMES)
"""The row of an empty cell in the bank."""


def tile_latents(codec: Codec) -> Tensor:
    """Latents of every tile and, last, of an empty cell: (801, latent) float32."""
    tiles = bank().tiles.reshape(EMPTY, -1)
    empty = np.tile(np.array(BACKGROUND, np.float32), CELL * CELL)
    latents = torch.from_numpy((tiles.astype(np.float32) - empty) / 255) @ codec.basis.T.cpu() / SCALE
    return torch.cat([latents, torch.zeros(1, latents.shape[1])])


def _row(thing: Thing) -> int:
    return _CLASS[thing.name] * len(COLOR_NAMES) + _COLOR[thing.shown]


def _cells(board: Board) -> list[tuple[int, int, float, int]]:
    """For each cell: the row of its content, the row of what is blended over it, the share of that, and its name.

    The name is a row of the bank; -1 for what has none.
    """
    rows = [(EMPTY, EMPTY, 0.0, EMPTY)] * CELLS
    for cell, content in board.items():
        if isinstance(content, Smear):
            rows[cell] = (_row(content.first), _row(content.second), content.share, -1)
        elif isinstance(content, DrawnCell):
            rows[cell] = (content.row, EMPTY, 0.0, _name(content.shows))
        elif isinstance(content, int):
            rows[cell] = (content, EMPTY, 0.0, content if content <= EMPTY else -1)
        else:
            rows[cell] = (_row(content), EMPTY, 0.0, _row(content))
    return rows


def _name(shown: Node | None) -> int:
    if shown is None:
        return EMPTY
    return -1 if shown.name == SMUDGE else _CLASS[shown.name] * len(COLOR_NAMES) + _COLOR[str(shown.color)]


def _named(tokens: list[int], tokenizer: Tokenizer) -> list[tuple[int, int]]:
    """For each token the class that it names and the colour before it; -1 where there is none."""
    words = [tokenizer.vocabulary[token] for token in tokens]
    named = []
    for i, word in enumerate(words):
        is_color = word in _COLOR and i + 1 < len(words) and words[i + 1] in _CLASS  # an orange orange
        color = _COLOR.get(words[i - 1], -1) if i else -1
        named.append((-1, -1) if word not in _CLASS or is_color else (_CLASS[word], color))
    return named


def _standing(named: list[tuple[int, int]], names: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(tokens, cells): where on a canvas the thing stands that a token names."""
    things = (names >= 0) & (names < EMPTY)
    classes, colors = names // len(COLOR_NAMES), names % len(COLOR_NAMES)
    out = np.zeros((len(named), len(names)), np.bool_)
    for i, (name, color) in enumerate(named):
        if name >= 0:
            out[i] = things & (classes == name) & ((color < 0) | (colors == color))
    return out


@dataclass
class Batch:
    """Examples of ``length`` tokens, padding at the end; the last valid tokens are the noisy ones."""

    ids: Tensor  # (batch, length) int64, text tokens
    kinds: Tensor  # (batch, length) int64: TEXT, CLEAN, NOISY
    cells: Tensor  # (batch, length) int64: NO_CELL for text
    positions: Tensor  # (batch, length) int64
    mask: Tensor  # (batch, 1, length, length) bool
    labels: Tensor  # (batch, length) int64: the next token, -100 where none is learned
    clean: Tensor  # (batch, length, latent): canvases to look at
    noisy_at: Tensor  # (batch, 16) int64
    target: Tensor  # (batch, 16, latent): the canvas to draw
    state: Tensor  # (batch, 16, latent): the last canvas before the drawing
    drawn: Tensor  # (batch,) float: 1 if the drawing is learned
    target_rows: Tensor  # (batch, 16) int64: bank rows of the target
    shown_rows: Tensor  # (batch, length) int64: bank row of a clean cell, else -1
    standing: Tensor  # (batch, length, 16) bool: cells of the last canvas that show the thing that a word names
    faults: Tensor  # (batch, length) int64: the part of a clean cell in the conflict that is named after it (0: none;
    # else 1 + its index in FAULT_PARTS); -100 where that is unknown

    def to(self, device: torch.device) -> Batch:
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})


def marked(example: TrainingExample) -> TrainingExample:
    """The example with the tokens that start and end an image around its canvases.

    The start is learned where the model has to choose it: after its own words and before its own drawing.
    """
    segments: TrainingExample = []
    for number, segment in enumerate(example):
        if isinstance(segment, Text):
            segments.append(segment)
        elif isinstance(segment, Draw):
            segments += [Text(IMAGE, learn=segment.learn), segment]
        else:
            after_text = number > 1 and isinstance(example[number - 1], Text)
            segments += [Text(IMAGE, learn=after_text), segment, Text(IMAGE_END)]
    return segments


class _Arrays:
    """The arrays of a batch, filled segment by segment."""

    def __init__(self, count: int, length: int, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        shape = (count, length)
        self.ids, self.kinds, self.positions = (np.zeros(shape, np.int64) for _ in range(3))
        self.cells = np.full(shape, NO_CELL, np.int64)
        self.order = np.zeros(shape, np.int64)
        """Tokens see those of the same or a lower order: text is causal, the cells of a canvas see each other."""
        self.valid = np.zeros(shape, bool)
        self.labels = np.full(shape, -100, np.int64)
        self.standing = np.zeros((*shape, CELLS), np.bool_)
        # Rows of the cells, those blended over them, the shares of these, and the names of the cells.
        self.clean, self.clean_over = np.full(shape, EMPTY, np.int64), np.full(shape, EMPTY, np.int64)
        self.clean_share = np.zeros(shape, np.float32)
        self.clean_names = np.full(shape, -1, np.int64)
        self.faults = np.full(shape, -100, np.int64)
        canvas = (count, CELLS)
        self.state, self.state_over = np.full(canvas, EMPTY, np.int64), np.full(canvas, EMPTY, np.int64)
        self.state_share = np.zeros(canvas, np.float32)
        self.state_names = np.full(canvas, EMPTY, np.int64)
        self.target, self.target_names = np.full(canvas, EMPTY, np.int64), np.full(canvas, EMPTY, np.int64)
        self.noisy_at = np.zeros(canvas, np.int64)
        self.drawn = np.zeros(count, np.float32)

    def add(self, row: int, example: TrainingExample) -> None:
        start = position = 0
        for segment in example:
            if isinstance(segment, Text):
                tokens = self.tokenizer.encode(segment.words)
                span = slice(start, start + len(tokens))
                self._add_text(row, span, position, tokens, learn=segment.learn)
                position += len(tokens)
            else:
                span = slice(start, start + CELLS)
                self._add_canvas(row, span, segment)
                self.positions[row, span] = position
                position += 1
            self.valid[row, span] = True
            start = span.stop

    def _add_text(self, row: int, span: slice, position: int, tokens: list[int], *, learn: bool) -> None:
        self.ids[row, span] = tokens
        # The state is the last canvas before these words; it is empty where there is none.
        self.standing[row, span] = _standing(_named(tokens, self.tokenizer), self.state_names[row])
        self.positions[row, span] = range(position, position + len(tokens))
        self.order[row, span] = range(span.start, span.stop)
        if learn and span.start:
            self.labels[row, span.start - 1 : span.stop - 1] = tokens

    def _add_canvas(self, row: int, span: slice, segment: Look | Draw) -> None:
        self.cells[row, span] = range(CELLS)
        self.order[row, span] = span.start
        content, over, share, names = np.array(_cells(segment.board)).T
        if isinstance(segment, Look):
            self.kinds[row, span] = CLEAN
            self.clean[row, span], self.clean_over[row, span], self.clean_share[row, span] = content, over, share
            if segment.faults is not None:
                parts = [segment.faults.get(cell) for cell in range(CELLS)]
                self.faults[row, span] = [0 if part is None else 1 + FAULT_PARTS.index(part) for part in parts]
            self.clean_names[row, span] = self.state_names[row] = names
            self.state[row], self.state_over[row], self.state_share[row] = content, over, share
        else:
            self.kinds[row, span] = NOISY
            self.target[row], self.target_names[row] = content, names
            self.noisy_at[row] = range(span.start, span.stop)
            self.drawn[row] = segment.learn


def _blend(latents: Tensor, rows: NDArray[np.int64], over: NDArray[np.int64], share: NDArray[np.float32]) -> Tensor:
    mix = torch.from_numpy(share)[..., None]
    return latents[torch.from_numpy(rows)] * (1 - mix) + latents[torch.from_numpy(over)] * mix


def collate(examples: list[TrainingExample], length: int, tokenizer: Tokenizer, latents: Tensor) -> Batch:
    """Examples as one batch padded to ``length``; ``latents`` (rows, latent) begin with the bank's."""
    arrays = _Arrays(len(examples), length, tokenizer)
    for row, example in enumerate(examples):
        arrays.add(row, example)
    mask = (arrays.order[:, :, None] >= arrays.order[:, None, :]) & arrays.valid[:, None, :]
    mask |= np.eye(length, dtype=bool)  # padding sees itself, so that no row of the softmax is empty
    return Batch(
        ids=torch.from_numpy(arrays.ids),
        kinds=torch.from_numpy(arrays.kinds),
        cells=torch.from_numpy(arrays.cells),
        positions=torch.from_numpy(arrays.positions),
        mask=torch.from_numpy(mask)[:, None],
        labels=torch.from_numpy(arrays.labels),
        clean=_blend(latents, arrays.clean, arrays.clean_over, arrays.clean_share),
        noisy_at=torch.from_numpy(arrays.noisy_at),
        target=latents[torch.from_numpy(arrays.target)],
        state=_blend(latents, arrays.state, arrays.state_over, arrays.state_share),
        drawn=torch.from_numpy(arrays.drawn),
        target_rows=torch.from_numpy(arrays.target_names),
        shown_rows=torch.from_numpy(arrays.clean_names),
        standing=torch.from_numpy(arrays.standing),
        faults=torch.from_numpy(arrays.faults),
    )

"""Lessons as tensors: tokens, positions, who sees whom, what is to be said and drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalharness.miniature.model.codec import SCALE, Codec
from evalharness.miniature.model.network import CLEAN, NOISY
from evalharness.miniature.model.tokenizer import IMAGE, IMAGE_END, Tokenizer
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import BACKGROUND, CELLS, CLASSES, COLOR_NAMES, PLACES, Thing
from evalharness.miniature.world.icons import CELL
from evalharness.miniature.world.training_examples import Board, Draw, Look, Smear, Text, TrainingExample

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


def _cells(board: Board) -> list[tuple[int, int, float]]:
    """For each cell the bank rows of what is in it and of what is blended over it, and by how much."""
    out = [(EMPTY, EMPTY, 0.0)] * CELLS
    for cell, found in board.items():
        if isinstance(found, Smear):
            out[cell] = (_row(found.first), _row(found.second), found.share)
        elif isinstance(found, int):
            out[cell] = (found, EMPTY, 0.0)
        else:
            out[cell] = (_row(found), EMPTY, 0.0)
    return out


def _told(tokens: list[int], tokenizer: Tokenizer) -> list[int]:
    """For each token the bank row of the thing that it places ("a red apple at left": the last token), or -1."""
    words = [tokenizer.vocabulary[token] for token in tokens]
    rows = [-1] * len(words)
    for i in range(2, len(words)):
        if words[i] in PLACES and words[i - 1] == "at" and words[i - 2] in _CLASS:
            color = words[i - 3] if i >= 3 and words[i - 3] in _COLOR else None
            rows[i] = _row(Thing(words[i - 2], color, PLACES.index(words[i])))
    return rows


def _named(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """-1 for cells that are none of the bank's, which have no name."""
    return np.where(rows > EMPTY, -1, rows)


@dataclass
class Batch:
    """``length`` tokens a lesson, padding at the end; the nine noisy tokens of a lesson are its last valid ones."""

    ids: Tensor  # (batch, length) int64, text tokens
    kinds: Tensor  # (batch, length) int64: TEXT, CLEAN, NOISY
    cells: Tensor  # (batch, length) int64
    positions: Tensor  # (batch, length) int64
    mask: Tensor  # (batch, 1, length, length) bool
    labels: Tensor  # (batch, length) int64: the next token, -100 where nothing is to be said
    clean: Tensor  # (batch, length, latent): what is looked at
    noisy_at: Tensor  # (batch, 9) int64
    target: Tensor  # (batch, 9, latent): what is to be drawn
    state: Tensor  # (batch, 9, latent): the last canvas that was looked at
    drawn: Tensor  # (batch,) float: 1 where the drawing is learnt
    target_rows: Tensor  # (batch, 9) int64: bank rows of the target
    shown_rows: Tensor  # (batch, length) int64: bank rows of what a clean cell shows or a place word tells of, else -1

    def to(self, device: torch.device) -> Batch:
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})


def marked(made: TrainingExample) -> TrainingExample:
    """A lesson with the tokens that start and end an image around its canvases.

    To start one is learned where it was for the model to say so: after its own words, or before what it is to draw.
    """
    out: TrainingExample = []
    for number, segment in enumerate(made):
        if isinstance(segment, Text):
            out.append(segment)
            continue
        own = segment.learn if isinstance(segment, Draw) else number > 1 and isinstance(made[number - 1], Text)
        out += [Text(IMAGE, learn=own), segment]
        if isinstance(segment, Look):
            out.append(Text(IMAGE_END))
    return out


def collate(lessons: list[TrainingExample], length: int, tokenizer: Tokenizer, latents: Tensor) -> Batch:
    """Lessons as one batch padded to ``length``; ``latents`` are the bank's, perhaps with more rows."""
    count = len(lessons)
    ids, kinds, cells, positions, segments = (np.zeros((count, length), np.int64) for _ in range(5))
    order = np.zeros((count, length), np.int64)
    valid = np.zeros((count, length), bool)
    labels = np.full((count, length), -100, np.int64)
    first = np.full((count, length), EMPTY, np.int64)
    second = np.full((count, length), EMPTY, np.int64)
    share = np.zeros((count, length), np.float32)
    noisy_at = np.zeros((count, CELLS), np.int64)
    rows = {name: np.full((count, CELLS), EMPTY, np.int64) for name in ("target", "state", "state_over")}
    state_share = np.zeros((count, CELLS), np.float32)
    drawn = np.zeros(count, np.float32)
    told = np.full((count, length), -1, np.int64)
    for b, made in enumerate(lessons):
        at = position = 0
        for number, segment in enumerate(made, start=1):
            if isinstance(segment, Text):
                tokens = tokenizer.encode(segment.words)
                end = at + len(tokens)
                ids[b, at:end] = tokens
                told[b, at:end] = _told(tokens, tokenizer)
                positions[b, at:end] = range(position, position + len(tokens))
                order[b, at:end] = range(at, end)
                if segment.learn and at:
                    labels[b, at - 1 : end - 1] = tokens
                position += len(tokens)
            else:
                end = at + CELLS
                cells[b, at:end] = range(CELLS)
                positions[b, at:end] = position
                order[b, at:end] = at
                board = np.array(_cells(segment.board))
                if isinstance(segment, Look):
                    kinds[b, at:end] = CLEAN
                    first[b, at:end], second[b, at:end], share[b, at:end] = board[:, 0], board[:, 1], board[:, 2]
                    rows["state"][b], rows["state_over"][b], state_share[b] = board[:, 0], board[:, 1], board[:, 2]
                else:
                    kinds[b, at:end] = NOISY
                    rows["target"][b] = board[:, 0]
                    noisy_at[b] = range(at, end)
                    drawn[b] = segment.learn
                position += 1
            segments[b, at:end] = number
            valid[b, at:end] = True
            at = end
    sees = (order[:, :, None] >= order[:, None, :]) & valid[:, None, :]
    sees |= np.eye(length, dtype=bool)  # padding sees itself, so that no row of the softmax is empty
    mix = torch.from_numpy(share)[..., None]
    over = torch.from_numpy(state_share)[..., None]
    return Batch(
        ids=torch.from_numpy(ids),
        kinds=torch.from_numpy(kinds),
        cells=torch.from_numpy(cells),
        positions=torch.from_numpy(positions),
        mask=torch.from_numpy(sees)[:, None],
        labels=torch.from_numpy(labels),
        clean=latents[torch.from_numpy(first)] * (1 - mix) + latents[torch.from_numpy(second)] * mix,
        noisy_at=torch.from_numpy(noisy_at),
        target=latents[torch.from_numpy(rows["target"])],
        state=latents[torch.from_numpy(rows["state"])] * (1 - over)
        + latents[torch.from_numpy(rows["state_over"])] * over,
        drawn=torch.from_numpy(drawn),
        target_rows=torch.from_numpy(_named(rows["target"])),
        shown_rows=torch.from_numpy(_named(np.where((kinds == CLEAN) & (share == 0), first, told))),
    )

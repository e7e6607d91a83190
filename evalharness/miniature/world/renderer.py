"""Teacher ``renderer``: the embedded world draws any state of itself, exactly."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalharness.errors import ConfigError
from evalharness.miniature.world.board import (
    BACKGROUND,
    CLASSES,
    COLOR_NAMES,
    PLACES,
    SIZE,
    Thing,
    canvas,
    cell_slices,
    tile,
)
from evalharness.miniature.world.layouts import smudged_cells
from evalharness.training_data.conflicts import SMUDGE
from evalharness.training_data.graphs import Node
from evalharness.training_data.teachers import DrawingRequest, Teacher


class Renderer(Teacher):
    """Needs things of the embedded world, in its places."""

    name = "renderer"
    exact = True
    """Nothing needs to be filtered."""

    def __init__(self, settings: object = None) -> None:
        """It has none."""

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "version": 2}

    def draw(self, requests: Sequence[DrawingRequest]) -> list[Image.Image]:
        return [_draw(request) for request in requests]


def _draw(request: DrawingRequest) -> Image.Image:
    """Draw the things; in a correction, a smudge that remains stays as it is in the picture to correct."""
    things = tuple(_thing(node) for node in request.after.nodes if node.name != SMUDGE)
    pixels = canvas(things)
    rng = random.Random(request.seed)
    for cell in smudged_cells(request.after.nodes):
        rows, columns = cell_slices(cell)
        if request.edit and request.before is not None:
            before = np.asarray(request.before.convert("RGB").resize((SIZE, SIZE)))
            pixels[rows, columns] = before[rows, columns]
        else:
            pixels[rows, columns] = smudge(rng)
    return Image.fromarray(pixels)


def smudge(rng: random.Random) -> NDArray[np.uint8]:
    """A cell that shows no thing: two icons blended, both faint."""
    tiles = [tile(rng.choice(CLASSES), rng.choice(COLOR_NAMES)).astype(np.float32) for _ in range(2)]
    share = rng.uniform(0.35, 0.65)
    ground = np.array(BACKGROUND, np.float32)
    mixed = (tiles[0] * share + tiles[1] * (1 - share)) * 0.8 + ground * 0.2
    pixels: NDArray[np.uint8] = mixed.round().astype(np.uint8)
    return pixels


def _thing(node: Node) -> Thing:
    if node.name not in CLASSES or node.place not in PLACES:
        raise ConfigError(
            f"the renderer cannot draw {node.name!r} at {node.place!r}: its things are the miniature's, in its places; "
            "for other prompts use another teacher"
        )
    return Thing(node.name, node.color, PLACES.index(node.place))

"""Teacher ``renderer``: the embedded world draws any state of itself, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from evalharness.errors import ConfigError
from evalharness.miniature.world.board import CLASSES, PLACES, Thing, render
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
        return {"name": self.name, "version": 1}

    def draw(self, requests: Sequence[DrawingRequest]) -> list[Image.Image]:
        return [render(tuple(_thing(node) for node in request.after.nodes)) for request in requests]


def _thing(node: Node) -> Thing:
    if node.name not in CLASSES or node.place not in PLACES:
        raise ConfigError(
            f"the renderer cannot draw {node.name!r} at {node.place!r}: its things are the miniature's, in its places; "
            "for other prompts use another teacher"
        )
    return Thing(node.name, node.color, PLACES.index(node.place))

"""Images by which ``evalharness doctor`` checks a detector and a CLIP: the miniature's scenes, right and wrong.

Their verdicts are known for the embedded networks. What others see in such icons is not known but should be the same
on every machine; for them a photograph is added.
"""

from __future__ import annotations

import random
from typing import Any

from PIL import Image

from evalharness.api.benchmark import KnownAnswer
from evalharness.miniature.world import scenes
from evalharness.miniature.world.board import render
from evalharness.types.item import Item

from . import prompts
from .classes import TAGS

PORTRAIT = {
    "tag": "color_attr",
    "include": [{"class": "tie", "count": 1, "color": "black"}, {"class": "person", "count": 1}],
    "prompt": "a photo of a black tie and a person",
}
"""Of the photograph that comes with matplotlib: Grace Hopper in uniform."""


def with_known_verdicts(per_tag: int = 2) -> list[KnownAnswer]:
    """For each task ``per_tag`` of its prompts, each with a scene that fulfils it and one that breaks it in one way."""
    return [
        KnownAnswer(_part(item), image, item, correct) for item, images in _scenes(per_tag) for correct, image in images
    ]


def for_other_networks() -> list[KnownAnswer]:
    """The same with one prompt a task, and a photograph; what is right only an earlier run can tell."""
    drawn = [KnownAnswer(_part(item), image, item, None) for item, images in _scenes(1) for _, image in images]
    return [*drawn, KnownAnswer("colours", _photograph(), _item("portrait", PORTRAIT), None)]


def _scenes(per_tag: int) -> list[tuple[Item, list[tuple[bool, Image.Image]]]]:
    rng = random.Random(0)
    official = list(enumerate(prompts.generate()))
    scenes_of_items = []
    for tag in TAGS:
        for index, line in rng.sample([pair for pair in official if pair[1]["tag"] == tag], per_tag):
            images = [(True, render(scenes.right(line, rng))), (False, render(scenes.wrong(line, rng)[0]))]
            scenes_of_items.append((_item(f"{index:05d}", line), images))
    return scenes_of_items


def _item(name: str, line: dict[str, Any]) -> Item:
    return Item(name, line["prompt"], line["tag"], line)


def _part(item: Item) -> str:
    """The CLIP is asked where a prompt names a colour."""
    return "colours" if any("color" in clause for clause in item.metadata["include"]) else "detector"


def _photograph() -> Image.Image:
    from matplotlib.cbook import get_sample_data

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return image.convert("RGB")

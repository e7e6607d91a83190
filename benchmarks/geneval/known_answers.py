"""Images with which ``evalharness doctor`` checks a detector and a CLIP: scenes of the miniature, right and wrong.

The verdicts are known for the embedded networks. What other networks see in these icons is not known, but it should be
the same on every machine. For them a photograph is added.
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
"""The prompt of the photograph, which comes with matplotlib: Grace Hopper in uniform."""
SEED = 2
"""The embedded networks judge all scenes of this seed right; of all right scenes they misjudge 2 in 100."""
WARM = (1.0, 0.7, 0.45)
"""The shares of red, green and blue that warm light leaves."""


def with_known_verdicts(per_tag: int = 2) -> list[KnownAnswer]:
    """Images for ``per_tag`` prompts of each task: a scene that fulfils the prompt, and one that violates it once."""
    scenes_of_items = _scenes(per_tag)
    plain = [(item, correct, image) for item, images in scenes_of_items for correct, image in images]
    known = [KnownAnswer(_part(item), image, item, correct) for item, correct, image in plain]
    return [*known, *_warm_scenes(scenes_of_items)]


def for_other_networks() -> list[KnownAnswer]:
    """Images for one prompt of each task, and a photograph, without verdicts: only an earlier run can tell them."""
    scenes_of_items, photograph = _scenes(1), _photograph()
    drawn = [KnownAnswer(_part(item), image, item, None) for item, images in scenes_of_items for _, image in images]
    portraits = [
        KnownAnswer("colours", image, _item("portrait", PORTRAIT), None) for image in (photograph, _warm(photograph))
    ]
    return [*drawn, *_warm_scenes(scenes_of_items), *portraits]


def _warm_scenes(scenes_of_items: list[tuple[Item, list[tuple[bool, Image.Image]]]]) -> list[KnownAnswer]:
    """The right scene of the first item of each task, in warm light."""
    first = {item.category: (item, images) for item, images in reversed(scenes_of_items)}
    return [KnownAnswer("detector", _warm(images[0][1]), item, None) for item, images in reversed(first.values())]


def _warm(image: Image.Image) -> Image.Image:
    """An RGB image in warm light."""
    levels = [[int(level * share) for level in range(256)] for share in WARM]
    return Image.merge("RGB", [channel.point(table) for channel, table in zip(image.split(), levels, strict=True)])


def _scenes(per_tag: int) -> list[tuple[Item, list[tuple[bool, Image.Image]]]]:
    rng = random.Random(SEED)
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
    """The part of the scorer that an item tests: the colours if the prompt names one, else the detector."""
    return "colours" if any("color" in clause for clause in item.metadata["include"]) else "detector"


def _photograph() -> Image.Image:
    from matplotlib.cbook import get_sample_data

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False), formats=["JPEG"]) as image:
        return image.convert("RGB")

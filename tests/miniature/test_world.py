"""The drawn world: every class in every colour, apart from each other, where it is said to be."""

from __future__ import annotations

import random

import numpy as np
import pytest

from evalharness.benchmarks.geneval.classes import CLASSES as GENEVAL_CLASSES
from evalharness.benchmarks.geneval.classes import COLORS as GENEVAL_COLORS
from evalharness.miniature.world import scenes
from evalharness.miniature.world.board import (
    BACKGROUND,
    CLASSES,
    COLOR_NAMES,
    Thing,
    canvas,
    cell_slices,
    mask,
    natural_color,
    tile,
)
from evalharness.miniature.world.icons import icon
from evalharness.miniature.world.training_examples import TAGS


def test_it_has_geneval_s_classes_and_colours() -> None:
    assert set(CLASSES) == set(GENEVAL_CLASSES)
    assert tuple(COLOR_NAMES) == tuple(GENEVAL_COLORS)
    assert {natural_color(name) for name in CLASSES} <= set(COLOR_NAMES)


def test_icons_are_bulky_and_keep_off_the_border() -> None:
    for name in CLASSES:
        cover = icon(name, natural_color(name))[..., 3]
        assert (cover >= 0.5).mean() > 0.3, name
        assert max(cover[0].max(), cover[-1].max(), cover[:, 0].max(), cover[:, -1].max()) < 1, name


def test_no_two_tiles_look_alike() -> None:
    for color in COLOR_NAMES:
        tiles = np.stack([tile(name, color) for name in CLASSES]).reshape(len(CLASSES), -1).astype(np.float32) / 255
        squared = (tiles**2).sum(axis=1)
        distance = np.sqrt(np.maximum(squared[:, None] + squared - 2 * tiles @ tiles.T, 0) / tiles.shape[1])
        np.fill_diagonal(distance, 1)
        assert distance.min() > 0.08, color


def test_a_thing_is_drawn_in_its_cell_and_nowhere_else() -> None:
    pixels = canvas((Thing("dog", "blue", 5),))
    inside = np.zeros(pixels.shape[:2], bool)
    inside[cell_slices(5)] = True
    assert (pixels[~inside] == BACKGROUND).all()
    assert (pixels[cell_slices(5)] == tile("dog", "blue")).all()
    assert not mask(Thing("dog", "blue", 5))[~inside].any()


@pytest.mark.parametrize("tag", TAGS)
def test_right_scenes_hold_what_is_asked_and_wrong_ones_do_not(tag: str) -> None:
    rng = random.Random(tag)
    for _ in range(200):
        metadata = scenes.random_metadata(rng, tag)
        assert fulfils(metadata, scenes.right(metadata, rng))
        scene, way = scenes.wrong(metadata, rng)
        assert not fulfils(metadata, scene), (metadata, scene, way)


def fulfils(metadata: dict, scene: tuple[Thing, ...]) -> bool:
    """GenEval's question, asked of the scene instead of its picture."""
    prompts = []
    for clause in metadata["include"]:
        things = [thing for thing in scene if thing.name == clause["class"]]
        if "color" in clause:
            things = [thing for thing in things if thing.shown == clause["color"]]
        if len(things) < clause["count"]:
            return False
        if "position" in clause:
            relation, index = clause["position"]
            if not any(scenes.holds(relation, a.cell, b.cell) for a in things for b in prompts[index]):
                return False
        prompts.append(things)
    return all(
        sum(thing.name == clause["class"] for thing in scene) < clause["count"]
        for clause in metadata.get("exclude", ())
    )

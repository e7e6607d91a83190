"""Prompts of GenEval's six kinds, scenes that fulfil them, and scenes that break them in one way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalharness._util.text import plural, with_article
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, SIDE, Scene, Thing, natural_color
from evalharness.training_data.graphs import DIRECTIONS, relation_holds

RELATIONS = tuple(DIRECTIONS)
NUMBERS = {2: "two", 3: "three", 4: "four"}


def holds(relation: str, a: int, b: int) -> bool:
    """Whether a thing in cell ``a`` is left of, right of, above or below one in cell ``b``, at most 45 degrees off."""
    return relation_holds(relation, a % SIDE - b % SIDE, a // SIDE - b // SIDE)


PAIRS = {r: [(a, b) for a in range(CELLS) for b in range(CELLS) if holds(r, a, b)] for r in RELATIONS}
"""Relation → the pairs of cells for which it holds."""


def random_metadata(rng: random.Random, tag: str) -> dict[str, Any]:
    """A prompt of a GenEval kind, drawn at random: ``tag``, ``include``, perhaps ``exclude``, ``prompt``."""
    a, b = rng.sample(CLASSES, 2)
    things = [c for c in (a, b) if c != "person"] or ["dog"]
    if tag == "single_object":
        return {"tag": tag, "include": [{"class": a, "count": 1}], "prompt": f"a photo of {with_article(a)}"}
    if tag == "two_object":
        include = [{"class": a, "count": 1}, {"class": b, "count": 1}]
        return {"tag": tag, "include": include, "prompt": f"a photo of {with_article(a)} and {with_article(b)}"}
    if tag == "counting":
        n = rng.choice((2, 3, 4))
        return {
            "tag": tag,
            "include": [{"class": a, "count": n}],
            "exclude": [{"class": a, "count": n + 1}],
            "prompt": f"a photo of {NUMBERS[n]} {plural(a)}",
        }
    if tag == "colors":
        color = rng.choice(COLOR_NAMES)
        include = [{"class": things[0], "count": 1, "color": color}]
        return {"tag": tag, "include": include, "prompt": f"a photo of {with_article(f'{color} {things[0]}')}"}
    if tag == "position":
        relation = rng.choice(RELATIONS)
        include = [{"class": b, "count": 1}, {"class": a, "count": 1, "position": [relation, 0]}]
        return {
            "tag": tag,
            "include": include,
            "prompt": f"a photo of {with_article(a)} {relation} {with_article(b)}",
        }
    if tag == "color_attr":
        a, b = rng.sample([c for c in CLASSES if c != "person"], 2)
        p, q = rng.sample(COLOR_NAMES, 2)
        include = [{"class": a, "count": 1, "color": p}, {"class": b, "count": 1, "color": q}]
        return {
            "tag": tag,
            "include": include,
            "prompt": f"a photo of {with_article(f'{p} {a}')} and {with_article(f'{q} {b}')}",
        }
    raise ValueError(f"no tag {tag!r}")


def right(metadata: Mapping[str, Any], rng: random.Random) -> Scene:
    """A scene that fulfils a prompt and holds nothing else, its things in the order of the clauses."""
    clauses: Sequence[Mapping[str, Any]] = metadata["include"]
    if any("position" in clause for clause in clauses):
        target, subject = clauses
        a, b = rng.choice(PAIRS[subject["position"][0]])
        return (Thing(target["class"], target.get("color"), b), Thing(subject["class"], subject.get("color"), a))
    wanted = [(c["class"], c.get("color")) for c in clauses for _ in range(c["count"])]
    cells = rng.sample(range(CELLS), len(wanted))
    return tuple(Thing(name, color, cell) for (name, color), cell in zip(wanted, cells, strict=True))


def wrong(metadata: Mapping[str, Any], rng: random.Random) -> tuple[Scene, str]:
    """A scene that breaks a prompt in one way, and the way: ``class``, ``count``, ``color`` or ``relation``."""
    scene = list(right(metadata, rng))
    ways = {
        "counting": ["count", "class"],
        "colors": ["color", "class"],
        "color_attr": ["color", "class"],
        "position": ["relation", "class"],
    }.get(metadata["tag"], ["class"])
    way = rng.choice(ways)
    at = rng.randrange(len(scene))
    if way == "class":
        others = [c for c in CLASSES if c not in {thing.name for thing in scene}]
        scene[at] = replace(scene[at], name=rng.choice(others), color=scene[at].color)
    elif way == "count":
        if rng.random() < 0.5:
            del scene[at]
        else:
            free = [cell for cell in range(CELLS) if cell not in {thing.cell for thing in scene}]
            scene.append(replace(scene[at], cell=rng.choice(free)))
    elif way == "color" and len(scene) == 2:
        scene = [replace(scene[0], color=scene[1].color), replace(scene[1], color=scene[0].color)]
    elif way == "color":
        scene[at] = replace(scene[at], color=rng.choice([c for c in COLOR_NAMES if c != scene[at].shown]))
    else:
        scene = [replace(scene[0], cell=scene[1].cell), replace(scene[1], cell=scene[0].cell)]
    return tuple(scene), way


def random_scene(rng: random.Random, most: int = 5) -> Scene:
    """One to ``most`` things anywhere; half of the time one class stands there more than once."""
    count = rng.randint(1, most)
    pool = rng.sample(CLASSES, rng.randint(1, 2)) if rng.random() < 0.5 else CLASSES
    cells = rng.sample(range(CELLS), count)
    return tuple(
        Thing(name := rng.choice(pool), rng.choice((*COLOR_NAMES, natural_color(name))), cell) for cell in cells
    )

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
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
TAG_SHARES = (1, 2, 2, 2, 3, 3)
"""GenEval's kinds of prompt and their relative shares."""
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
    """A random scene that fulfils a prompt and contains nothing else, its things in the order of the clauses."""
    clauses: Sequence[Mapping[str, Any]] = metadata["include"]
    if any("position" in clause for clause in clauses):
        target, subject = clauses
        a, b = rng.choice(PAIRS[subject["position"][0]])
        return (Thing(target["class"], target.get("color"), b), Thing(subject["class"], subject.get("color"), a))
    things = [(clause["class"], clause.get("color")) for clause in clauses for _ in range(clause["count"])]
    cells = rng.sample(range(CELLS), len(things))
    return tuple(Thing(name, color, cell) for (name, color), cell in zip(things, cells, strict=True))


def wrong(metadata: Mapping[str, Any], rng: random.Random) -> tuple[Scene, str]:
    """A random scene that breaks a prompt, and in what: ``class``, ``count``, ``color`` or ``relation``."""
    scene = list(right(metadata, rng))
    respects = {
        "counting": ["count", "class"],
        "colors": ["color", "class"],
        "color_attr": ["color", "class"],
        "position": ["relation", "class"],
    }.get(metadata["tag"], ["class"])
    respect = rng.choice(respects)
    index = rng.randrange(len(scene))
    thing = scene[index]
    if respect == "class":
        present = {thing.name for thing in scene}
        scene[index] = replace(thing, name=rng.choice([name for name in CLASSES if name not in present]))
    elif respect == "count":
        if rng.random() < 0.5:
            del scene[index]
        else:
            occupied = {thing.cell for thing in scene}
            scene.append(replace(thing, cell=rng.choice([cell for cell in range(CELLS) if cell not in occupied])))
    elif respect == "color" and len(scene) == 2:
        scene = [replace(scene[0], color=scene[1].color), replace(scene[1], color=scene[0].color)]
    elif respect == "color":
        scene[index] = replace(thing, color=rng.choice([color for color in COLOR_NAMES if color != thing.shown]))
    else:
        scene = [replace(scene[0], cell=scene[1].cell), replace(scene[1], cell=scene[0].cell)]
    return tuple(scene), respect


def random_scene(rng: random.Random, most: int = 5) -> Scene:
    """One to ``most`` things anywhere; half of the scenes have things of one or two classes only."""
    count = rng.randint(1, most)
    pool = rng.sample(CLASSES, rng.randint(1, 2)) if rng.random() < 0.5 else CLASSES
    cells = rng.sample(range(CELLS), count)
    return tuple(
        Thing(name := rng.choice(pool), rng.choice((*COLOR_NAMES, natural_color(name))), cell) for cell in cells
    )

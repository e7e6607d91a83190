"""Generates GenEval's prompts from their seed.

The official file is a pure function of a seed (NumPy's PCG64). Each of the six tasks draws in a fixed order, so the
official seed gives the official 553 prompts byte for byte, and another seed gives a new suite of the same distribution.
Source: Ghosh et al., "GenEval", arXiv 2310.11513.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from evalharness.assets.asset import Asset
from evalharness.errors import ConfigError

from .classes import CLASSES, COLORS, RELATIONS

if TYPE_CHECKING:
    import numpy as np

OFFICIAL_SHA256 = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
"""Digest of the official ``evaluation_metadata.jsonl``, and therefore of ``to_jsonl(generate())``."""

REWRITTEN = Asset(
    folder="geneval",
    name="evaluation_metadata_long.jsonl",
    url=(
        "https://raw.githubusercontent.com/ByteDance-Seed/Bagel/5d85f732dde4bd6375b138365f341d09f5bf6337/"
        "eval/gen/geneval/prompts/evaluation_metadata_long.jsonl"
    ),
    sha256="09472cc9c24e225417b1d5df27e688e5f2a0fcac9ec772f33d9debe4e5d49f27",
    size=397_873,
)
"""The same prompts rewritten by a language model, as published with BAGEL, whose 0.88 was measured on them."""

NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}


def generate(n: int = 100, seed: int = 43) -> list[dict[str, Any]]:
    """Generate the prompts of one seed: 80 single objects and ``n`` draws of each other task, without duplicates.

    >>> len(generate())
    553
    >>> generate()[0]["prompt"]
    'a photo of a bench'
    """
    if n < 1 or seed < 0:
        raise ConfigError(f"GenEval prompts need n >= 1 and seed >= 0, got n={n}, seed={seed}")
    import numpy as np

    rng = np.random.default_rng(seed)
    tasks = (_single_objects(rng), _two_objects(rng, n), _counting(rng, n), _colors(rng, n), _positions(rng, n))
    prompts = [prompt for task in (*tasks, _color_attributes(rng, n)) for prompt in task]
    return list({json.dumps(prompt): prompt for prompt in prompts}.values())


def to_jsonl(prompts: Iterable[dict[str, Any]]) -> str:
    """Write one JSON object per line, as in the official file."""
    return "".join(json.dumps(prompt) + "\n" for prompt in prompts)


def plural(name: str) -> str:
    """Return the plural as the official prompts form it."""
    return name + ("es" if name.endswith("s") else "s")


def with_article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


# The tasks are generators that share one random stream: each has to be exhausted before the next one draws.


def _single_objects(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for index in rng.choice(len(CLASSES), size=len(CLASSES), replace=False):
        cls = CLASSES[index]
        yield _prompt("single_object", [_clause(cls)], with_article(cls))


def _two_objects(rng: np.random.Generator, n: int) -> Iterator[dict[str, Any]]:
    for _ in range(n):
        a, b = (CLASSES[index] for index in rng.choice(len(CLASSES), size=2, replace=False))
        yield _prompt("two_object", [_clause(a), _clause(b)], f"{with_article(a)} and {with_article(b)}")


def _counting(rng: np.random.Generator, n: int) -> Iterator[dict[str, Any]]:
    for _ in range(n):
        cls = CLASSES[rng.choice(len(CLASSES))]
        number = int(rng.integers(2, 4, endpoint=True))
        text = f"{NUMBER_WORDS[number]} {plural(cls)}"
        yield _prompt("counting", [_clause(cls, number)], text, exclude=[_clause(cls, number + 1)])


def _colors(rng: np.random.Generator, n: int) -> Iterator[dict[str, Any]]:
    for _ in range(n):
        cls = _colored_class(rng.choice(len(CLASSES) - 1))
        color = COLORS[rng.choice(len(COLORS))]
        yield _prompt("colors", [_clause(cls, color=color)], with_article(f"{color} {cls}"))


def _positions(rng: np.random.Generator, n: int) -> Iterator[dict[str, Any]]:
    for _ in range(n):
        a, b = (CLASSES[index] for index in rng.choice(len(CLASSES), size=2, replace=False))
        relation = RELATIONS[rng.choice(len(RELATIONS))]
        include = [_clause(b), _clause(a, position=[relation, 0])]
        yield _prompt("position", include, f"{with_article(a)} {relation} {with_article(b)}")


def _color_attributes(rng: np.random.Generator, n: int) -> Iterator[dict[str, Any]]:
    for _ in range(n):
        a, b = (_colored_class(index) for index in rng.choice(len(CLASSES) - 1, size=2, replace=False))
        color_a, color_b = (COLORS[index] for index in rng.choice(len(COLORS), size=2, replace=False))
        text = f"{with_article(f'{color_a} {a}')} and {with_article(f'{color_b} {b}')}"
        yield _prompt("color_attr", [_clause(a, color=color_a), _clause(b, color=color_b)], text)


def _colored_class(index: int) -> str:
    """The class ``index + 1`` places after "person", so that no person ever gets a colour."""
    return CLASSES[(index + 1 + CLASSES.index("person")) % len(CLASSES)]


def _clause(cls: str, count: int = 1, **extra: Any) -> dict[str, Any]:
    return {"class": cls, "count": count, **extra}


def _prompt(tag: str, include: list[Any], text: str, **extra: Any) -> dict[str, Any]:
    return {"tag": tag, "include": include, **extra, "prompt": f"a photo of {text}"}

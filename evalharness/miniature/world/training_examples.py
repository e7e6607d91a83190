"""What the unified miniature learns from: short lessons of text, canvases to look at and a canvas to draw.

Four kinds: ``single`` (prompt → picture), ``think`` (prompt → layout in words → picture), ``step`` (prompt and
canvas → plan → next canvas) and ``inspect`` (the same, then a sketch that may be wrong → inspection → refinement →
corrected canvas). A share of each is unconditional (canvas → picture), for guidance. A share of those with words to
say take prompts that need knowledge (``knowledge_prompts``) and end in words: no such prompt is ever drawn. The
words here are the miniature's own; their markers are those of the ``strokes`` format.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

from evalharness._util.text import with_article
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, PLACES, Scene, Thing, natural_color
from evalharness.miniature.world.knowledge_prompts import knowledge_prompt
from evalharness.miniature.world.scenes import random_metadata, right

Kind = Literal["single", "think", "step", "inspect"]
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
TAG_SHARES = (1, 2, 2, 2, 3, 3)


@dataclass(frozen=True, slots=True)
class Smear:
    """A cell that went wrong: two things blended, the second by ``share``."""

    first: Thing
    second: Thing
    share: float


Board = dict[int, Thing | Smear | int]
"""Cell → what is in it; a number is a row of the table of cells that the lesson's pictures came from."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; ``learn`` it, or only read it."""

    words: str
    learn: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """A canvas that is looked at."""

    board: Board


@dataclass(frozen=True, slots=True)
class Draw:
    """The canvas to draw, always last. ``learn`` is false where the lesson ends in words."""

    board: Board
    learn: bool = True


TrainingExample = list[Text | Look | Draw]


def name_of(thing: Thing) -> str:
    """
    >>> name_of(Thing("apple", "green", 3))
    'a green apple'
    """
    return with_article(f"{thing.color} {thing.name}" if thing.color else thing.name)


def describe(scene: Scene) -> str:
    """A whole scene in words; ``nothing`` for an empty one."""
    return " and ".join(f"{name_of(thing)} at {thing.place}" for thing in scene) or "nothing"


def board_of(scene: Scene) -> Board:
    return {thing.cell: thing for thing in scene}


def read_prompt(prompt: str) -> str:
    return f"<text> {prompt} </text>"


def plan(instruction: str, scene: Scene) -> str:
    return f"<ins> {instruction} </ins> <des> {describe(scene)} </des>"


def _other(rng: random.Random, thing: Thing) -> Thing:
    """Another thing in its cell: another colour or another class."""
    if thing.name != "person" and rng.random() < 0.5:
        return replace(thing, color=rng.choice([c for c in COLOR_NAMES if c != thing.shown]))
    name = rng.choice([c for c in CLASSES if c != thing.name])
    return replace(thing, name=name, color=thing.color or (rng.choice(COLOR_NAMES) if rng.random() < 0.3 else None))


def _any(rng: random.Random, cell: int) -> Thing:
    return Thing(rng.choice(CLASSES), rng.choice((None, None, *COLOR_NAMES)), cell)


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell that is not as it should be, in words."""

    board: Board
    conflict: str
    correction: str


def spoil(rng: random.Random, scene: Scene, at: Thing | None = None) -> Fault:
    """One fault in a scene: in the cell of ``at`` (or of any thing), or something extra in an empty cell."""
    board = board_of(scene)
    free = [cell for cell in range(CELLS) if cell not in board]
    extra = at is None and bool(free) and (not scene or rng.random() < 0.35)
    if extra:
        cell = rng.choice(free)
        alike = rng.choice(scene) if scene and rng.random() < 0.6 else None
        found: Thing | Smear | None = replace(alike, cell=cell) if alike else _any(rng, cell)
        wanted = None
    else:
        wanted = at or rng.choice(scene)
        cell = wanted.cell
        found = rng.choice((None, _other(rng, wanted), _other(rng, wanted), _smear(rng, wanted)))
    if found is None:
        del board[cell]
    else:
        board[cell] = found
    if isinstance(found, Thing):
        told = wanted is not None and wanted.color is not None
        shown = found.shown if told or found.shown != natural_color(found.name) else None
        seen = name_of(replace(found, color=shown))
    else:
        seen = "a smear" if found else "nothing"
    conflict = f"{seen} at {PLACES[cell]} should be {name_of(wanted) if wanted else 'nothing'}"
    return Fault(board, conflict, correction(cell, wanted))


def correction(cell: int, wanted: Thing | None) -> str:
    return f"change to {name_of(wanted)} at {PLACES[cell]}" if wanted else f"erase {PLACES[cell]}"


def _smear(rng: random.Random, thing: Thing) -> Smear:
    other = _other(rng, thing) if rng.random() < 0.5 else _any(rng, thing.cell)
    return Smear(thing, other, rng.uniform(0.35, 0.75))


def _single(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    return [Text(read_prompt(prompt), learn=False), Draw(board_of(goal))]


def _think(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    return [Text(read_prompt(prompt), learn=False), Text(f"<think> {describe(goal)} </think>"), Draw(board_of(goal))]


def _step(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    start = Text(read_prompt(prompt), learn=False)
    at = rng.random()
    if at < 0.18:
        return [start, Look(board_of(goal)), Text("<end>"), Draw(board_of(goal), learn=False)]
    count = rng.randrange(len(goal))
    if at < 0.34:
        done = goal[: count + 1]
        fault = spoil(rng, done)
        return [start, Look(fault.board), Text(plan(fault.correction, done)), Draw(board_of(done))]
    now, after, added = goal[:count], goal[: count + 1], goal[count]
    words = plan(f"add {name_of(added)} at {added.place}", after)
    return [start, Look(board_of(now)), Text(words), Draw(board_of(after))]


def _inspect(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    count = rng.randrange(len(goal))
    now, after, added = goal[:count], goal[: count + 1], goal[count]
    words = plan(f"add {name_of(added)} at {added.place}", after)
    start: TrainingExample = [Text(read_prompt(prompt), learn=False), Look(board_of(now))]
    at = rng.random()
    if at < 0.4:
        return [*start, Text(words, learn=False), Look(board_of(after)), Text("<inspect> ok </inspect>"),
                Draw(board_of(after), learn=False)]  # fmt: skip
    if at < 0.6:
        # The plan itself contradicts the prompt, and the sketch follows the plan.
        misread = _other(rng, added)
        told = replace(misread, color=misread.color if misread.shown != natural_color(misread.name) else added.color)
        words = plan(f"add {name_of(told)} at {told.place}", (*now, told))
        conflict = f"{name_of(told)} at {told.place} should be {name_of(added)}"
        fault = Fault(board_of((*now, told)), conflict, correction(added.cell, added))
    else:
        fault = spoil(rng, after, added if rng.random() < 0.6 else None)
    said = f"<inspect> {fault.conflict} </inspect> <refine> {fault.correction} </refine>"
    return [*start, Text(words, learn=False), Look(fault.board), Text(said), Draw(board_of(after))]


_EXAMPLES = {"single": _single, "think": _think, "step": _step, "inspect": _inspect}


KNOWLEDGE_SHARES: dict[Kind, float] = {"single": 0.0, "think": 0.5, "step": 0.4, "inspect": 0.3}
"""Kind of lesson → the share of riddles in it."""


def training_example(rng: random.Random, kind: Kind, *, unconditional: float = 0.1) -> TrainingExample:
    """One lesson of a kind, on a prompt of GenEval's distribution or a riddle."""
    if rng.random() < KNOWLEDGE_SHARES[kind]:
        prompt, metadata = knowledge_prompt(rng)
        made = _EXAMPLES[kind](rng, prompt, right(metadata, rng))
        return [replace(segment, learn=False) if isinstance(segment, Draw) else segment for segment in made]
    metadata = random_metadata(rng, rng.choices(TAGS, TAG_SHARES)[0])
    made = _EXAMPLES[kind](rng, metadata["prompt"], right(metadata, rng))
    draw = made[-1]
    if rng.random() < unconditional and isinstance(draw, Draw) and draw.learn:
        looked = [segment for segment in made if isinstance(segment, Look)]
        return [*looked[-1:], draw]
    return made

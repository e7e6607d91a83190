"""Training examples of the unified model: short sequences of texts, canvases to look at and a canvas to draw.

Four kinds: ``single`` (prompt → picture), ``think`` (prompt → layout in words → picture), ``step`` (prompt and canvas →
plan → next canvas) and ``inspect`` (the same, then a sketch that may be wrong → inspection → refinement → corrected
canvas). A share of each is unconditional (canvas → picture), for guidance. A share of those with words to
learn have prompts that need knowledge (``knowledge_prompts``) and end in words: a picture is never drawn for such a
prompt. The words are the miniature's; the markers are those of the ``strokes`` format.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

from evalharness._util.text import with_article
from evalharness.generation.formats.strokes import plan_text, wrap
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, PLACES, Scene, Thing, natural_color
from evalharness.miniature.world.knowledge_prompts import knowledge_prompt
from evalharness.miniature.world.scenes import random_metadata, right

Kind = Literal["single", "think", "step", "inspect"]
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
TAG_SHARES = (1, 2, 2, 2, 3, 3)
"""GenEval's kinds of prompt and their relative shares."""


@dataclass(frozen=True, slots=True)
class Smear:
    """A spoiled cell: two things blended, the second one by ``share``."""

    first: Thing
    second: Thing
    share: float


Board = dict[int, Thing | Smear | int]
"""Cell → content; a number is a row of the table of cells that the pictures of recorded examples come from."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, which is learned or only read."""

    words: str
    learn: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """A canvas to look at."""

    board: Board


@dataclass(frozen=True, slots=True)
class Draw:
    """The canvas to draw, always last; ``learn`` is false if the example ends in words."""

    board: Board
    learn: bool = True


TrainingExample = list[Text | Look | Draw]


def name_of(thing: Thing) -> str:
    """A thing in words, with its colour if one was asked for.

    >>> name_of(Thing("apple", "green", 3))
    'a green apple'
    """
    return with_article(f"{thing.color} {thing.name}" if thing.color else thing.name)


def describe(scene: Scene) -> str:
    """A complete scene in words; ``nothing`` for an empty one."""
    return " and ".join(f"{name_of(thing)} at {thing.place}" for thing in scene) or "nothing"


def board_of(scene: Scene) -> Board:
    return {thing.cell: thing for thing in scene}


def read_prompt(prompt: str) -> str:
    """A prompt with its markers."""
    return wrap(prompt, "text")


def plan(instruction: str, scene: Scene) -> str:
    return plan_text(instruction, describe(scene))


def correction(cell: int, wanted: Thing | None) -> str:
    return f"change to {name_of(wanted)} at {PLACES[cell]}" if wanted else f"erase {PLACES[cell]}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A board with a wrong cell, and what an inspection and a refinement say of it."""

    board: Board
    conflict: str
    correction: str


def spoil(rng: random.Random, scene: Scene, target: Thing | None = None) -> Fault:
    """Put one fault into a scene: in the cell of ``target`` (or of any thing), or an extra thing in an empty cell."""
    board = board_of(scene)
    free = [cell for cell in range(CELLS) if cell not in board]
    content: Thing | Smear | None
    wanted: Thing | None
    if target is None and free and (not scene or rng.random() < 0.35):
        cell, wanted = rng.choice(free), None
        duplicate = rng.choice(scene) if scene and rng.random() < 0.6 else None
        content = replace(duplicate, cell=cell) if duplicate else _any_thing(rng, cell)
    else:
        wanted = target or rng.choice(scene)
        cell = wanted.cell
        content = rng.choice((None, _vary(rng, wanted), _vary(rng, wanted), _smear(rng, wanted)))
    if content is None:
        del board[cell]
    else:
        board[cell] = content
    conflict = f"{_seen(content, wanted)} at {PLACES[cell]} should be {name_of(wanted) if wanted else 'nothing'}"
    return Fault(board, conflict, correction(cell, wanted))


def _seen(content: Thing | Smear | None, wanted: Thing | None) -> str:
    """The content of a cell in words, with its colour only if that matters or is not the natural one."""
    if content is None:
        return "nothing"
    if isinstance(content, Smear):
        return "a smear"
    color_matters = wanted is not None and wanted.color is not None
    plain = not color_matters and content.shown == natural_color(content.name)
    return name_of(replace(content, color=None if plain else content.shown))


def _vary(rng: random.Random, thing: Thing) -> Thing:
    """A thing of another colour or another class in the same cell."""
    if thing.name != "person" and rng.random() < 0.5:
        return replace(thing, color=rng.choice([color for color in COLOR_NAMES if color != thing.shown]))
    name = rng.choice([name for name in CLASSES if name != thing.name])
    color = thing.color
    if color is None and rng.random() < 0.3:
        color = rng.choice(COLOR_NAMES)
    return replace(thing, name=name, color=color)


def _any_thing(rng: random.Random, cell: int) -> Thing:
    return Thing(rng.choice(CLASSES), rng.choice((None, None, *COLOR_NAMES)), cell)


def _smear(rng: random.Random, thing: Thing) -> Smear:
    second = _vary(rng, thing) if rng.random() < 0.5 else _any_thing(rng, thing.cell)
    return Smear(thing, second, rng.uniform(0.35, 0.75))


def _single(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    return [Text(read_prompt(prompt), learn=False), Draw(board_of(goal))]


def _think(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    thought = Text(wrap(describe(goal), "think"))
    return [Text(read_prompt(prompt), learn=False), thought, Draw(board_of(goal))]


def _step(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    """A plan and its drawing: the end, the correction of a fault, or the next thing."""
    start = Text(read_prompt(prompt), learn=False)
    kind = rng.random()
    if kind < 0.18:
        return [start, Look(board_of(goal)), Text("<end>"), Draw(board_of(goal), learn=False)]
    count = rng.randrange(len(goal))
    before, after, added = goal[:count], goal[: count + 1], goal[count]
    if kind < 0.34:
        fault = spoil(rng, after)
        return [start, Look(fault.board), Text(plan(fault.correction, after)), Draw(board_of(after))]
    words = plan(f"add {name_of(added)} at {added.place}", after)
    return [start, Look(board_of(before)), Text(words), Draw(board_of(after))]


def _inspect(rng: random.Random, prompt: str, goal: Scene) -> TrainingExample:
    """A plan, its sketch, the inspection and, if the sketch is wrong, the refinement."""
    count = rng.randrange(len(goal))
    before, after, added = goal[:count], goal[: count + 1], goal[count]
    words = plan(f"add {name_of(added)} at {added.place}", after)
    start: TrainingExample = [Text(read_prompt(prompt), learn=False), Look(board_of(before))]
    kind = rng.random()
    if kind < 0.4:
        return [*start, Text(words, learn=False), Look(board_of(after)), Text(wrap("ok", "inspect")),
                Draw(board_of(after), learn=False)]  # fmt: skip
    if kind < 0.6:
        # The plan itself contradicts the prompt, and the sketch follows the plan.
        misread = _vary(rng, added)
        if misread.shown == natural_color(misread.name):
            misread = replace(misread, color=added.color)
        words = plan(f"add {name_of(misread)} at {misread.place}", (*before, misread))
        conflict = f"{name_of(misread)} at {misread.place} should be {name_of(added)}"
        fault = Fault(board_of((*before, misread)), conflict, correction(added.cell, added))
    else:
        fault = spoil(rng, after, added if rng.random() < 0.6 else None)
    critique = f"{wrap(fault.conflict, 'inspect')} {wrap(fault.correction, 'refine')}"
    return [*start, Text(words, learn=False), Look(fault.board), Text(critique), Draw(board_of(after))]


_EXAMPLES = {"single": _single, "think": _think, "step": _step, "inspect": _inspect}

KNOWLEDGE_SHARES: dict[Kind, float] = {"single": 0.0, "think": 0.5, "step": 0.4, "inspect": 0.3}
"""Kind of example → share of prompts that need knowledge."""


def training_example(rng: random.Random, kind: Kind, *, unconditional: float = 0.1) -> TrainingExample:
    """An example of a kind.

    Args:
        rng: Decides everything.
        kind: The kind.
        unconditional: Share of examples without their texts, for guidance.
    """
    if rng.random() < KNOWLEDGE_SHARES[kind]:
        prompt, metadata = knowledge_prompt(rng)
        example = _EXAMPLES[kind](rng, prompt, right(metadata, rng))
        return [replace(segment, learn=False) if isinstance(segment, Draw) else segment for segment in example]
    metadata = random_metadata(rng, rng.choices(TAGS, TAG_SHARES)[0])
    example = _EXAMPLES[kind](rng, metadata["prompt"], right(metadata, rng))
    draw = example[-1]
    if rng.random() < unconditional and isinstance(draw, Draw) and draw.learn:
        looks = [segment for segment in example if isinstance(segment, Look)]
        return [*looks[-1:], draw]
    return example

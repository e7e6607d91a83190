"""Training examples of the unified model: short sequences of texts, canvases to look at and a canvas to draw.

Five kinds are generated for pretraining: ``single`` (prompt → picture), ``think`` (prompt → description → picture),
``read`` (canvas → description with relations), ``ask`` (canvas and prompt → the one conflict to name, or none) and
``edit`` (canvas and correction → canvas). The last three teach to look. A share of drawings is unconditional (canvas →
picture), for guidance. A share of those with words to learn have prompts that need knowledge (``knowledge_prompts``)
and end in words: a picture is never drawn for such a prompt. The words are plain English without coordinates; the
markers are those of the ``strokes`` format.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

from evalharness.generation.formats.strokes import wrap
from evalharness.miniature.world import crowded
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES, PLACES, Scene, Thing
from evalharness.miniature.world.knowledge_prompts import knowledge_prompt
from evalharness.miniature.world.layouts import laid_out, scene_of, smudged_cells
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.scenes import TAG_SHARES, TAGS, holds, random_metadata, random_scene
from evalharness.training_data.conflicts import Conflict, Sighting
from evalharness.training_data.english import English
from evalharness.training_data.faults import spoil
from evalharness.training_data.graphs import DIRECTIONS, Edge, Node, SceneGraph

Kind = Literal["single", "think", "read", "ask", "edit"]
LANGUAGE = English()
WORLD = MiniatureWorld()
CROWDED = 0.4
"""Share of harder prompts."""
RIGHT = 0.4
"""Share of boards without a conflict."""
SCATTERED = 0.5
"""Share of boards of prompts with relations whose things stand anywhere, so that nothing but relations is wrong."""
SECOND_SPOILING = 0.3
"""Share of wrong boards that are spoiled a second time."""


@dataclass(frozen=True, slots=True)
class Smear:
    """A spoiled cell: two things blended, the second one by ``share``."""

    first: Thing
    second: Thing
    share: float


@dataclass(frozen=True, slots=True)
class DrawnCell:
    """A cell as a model drew it: its row in a table of latents, and what a scorer sees there (``None``: nothing)."""

    row: int
    shows: Node | None


Board = dict[int, Thing | Smear | DrawnCell | int]
"""Cell → content; a number is a row of the table of cells that the pictures of recorded examples come from."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, which is learned or only read."""

    words: str
    learn: bool = True


FaultPart = Literal["wrong thing", "wrong color", "too many", "smudge", "to move", "in its place"]
"""What a cell has to do with a conflict: its thing is wrong in some way, or is one of a relation that does not hold."""
FAULT_PARTS: tuple[FaultPart, ...] = get_args(FaultPart)


@dataclass(frozen=True, slots=True)
class Look:
    """A canvas to look at; ``faults``: cell → its part in the conflict that is named after it, if known."""

    board: Board
    faults: Mapping[int, FaultPart] | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """The canvas to draw, always last; ``learn`` is false if the example ends in words."""

    board: Board
    learn: bool = True


TrainingExample = list[Text | Look | Draw]


def board_of(scene: Scene) -> Board:
    return {thing.cell: thing for thing in scene}


def read_prompt(prompt: str) -> str:
    """A prompt with its markers."""
    return wrap(prompt, "text")


def graph_of(scene: Scene) -> SceneGraph:
    """What a board shows, in reading order, with all colours and a relation between each thing and the next one.

    A thing that is one of several alike has no relations, since words do not tell which of them is meant. Of two
    relations, on a diagonal, it is the first one of ``DIRECTIONS``.
    """
    things = sorted(scene, key=lambda thing: thing.cell)
    nodes = tuple(Node(thing.name, thing.shown, thing.place) for thing in things)
    looks = [(thing.name, thing.shown) for thing in things]
    single = [index for index, look in enumerate(looks) if looks.count(look) == 1]
    edges = []
    for first, second in pairwise(single):
        relation = next((r for r in DIRECTIONS if holds(r, things[second].cell, things[first].cell)), None)
        if relation is not None:
            edges.append(Edge(second, relation, first))
    return SceneGraph(nodes, tuple(edges))


def describe_board(scene: Scene) -> str:
    """A board in words, as an example of ``read`` does.

    >>> describe_board((Thing("cup", "red", 1), Thing("banana", None, 0)))
    'a yellow banana and a red cup; the red cup is right of the yellow banana'
    """
    return LANGUAGE.description(graph_of(scene))


def board_of_nodes(nodes: Sequence[Node], rng: random.Random) -> Board:
    """A board of things and smudges with places."""
    board = board_of(scene_of(SceneGraph(tuple(nodes))))
    for cell in smudged_cells(nodes):
        board[cell] = _smear(rng, cell)
    return board


def _smear(rng: random.Random, cell: int) -> Smear:
    first, second = (Thing(rng.choice(CLASSES), rng.choice(COLOR_NAMES), cell) for _ in range(2))
    return Smear(first, second, rng.uniform(0.35, 0.65))


@dataclass(frozen=True, slots=True)
class _Goal:
    """A prompt and a right board for it."""

    prompt: str
    graph: SceneGraph

    @property
    def board(self) -> Board:
        return board_of(scene_of(self.graph))


def _single(rng: random.Random, goal: _Goal) -> TrainingExample:
    return [Text(read_prompt(goal.prompt), learn=False), Draw(goal.board)]


def _think(rng: random.Random, goal: _Goal) -> TrainingExample:
    thought = Text(wrap(LANGUAGE.description(goal.graph), "think"))
    return [Text(read_prompt(goal.prompt), learn=False), thought, Draw(goal.board)]


def _read(rng: random.Random, goal: _Goal) -> TrainingExample:
    scene = random_scene(rng, most=7) if rng.random() < 0.5 else scene_of(goal.graph)
    board = board_of(scene)
    return [Look(board), Text(wrap(describe_board(scene), "des")), Draw(board, learn=False)]


def _scattered(graph: SceneGraph, rng: random.Random) -> SceneGraph:
    """The things of a graph in cells chosen at random."""
    for index, place in enumerate(rng.sample(PLACES, len(graph.nodes))):
        graph = graph.moved(index, place)
    return graph


def wrong_board(rng: random.Random, graph: SceneGraph) -> list[Sighting]:
    """What a wrong picture of a graph shows; now and then, what a right one shows."""
    spoiled = spoil(graph, range(len(graph.nodes)), WORLD, rng) or graph
    if rng.random() < SECOND_SPOILING and spoiled.nodes:
        spoiled = spoil(spoiled, range(len(spoiled.nodes)), WORLD, rng) or spoiled
    return WORLD.placed(spoiled) or []


def _ask(rng: random.Random, goal: _Goal) -> TrainingExample:
    """Look at a picture: is it what the prompt asks for? If not, correct it."""
    seen = WORLD.placed(goal.graph) or []
    if goal.graph.edges and rng.random() < SCATTERED:
        seen = WORLD.placed(_scattered(goal.graph, rng)) or []
    elif rng.random() >= RIGHT:
        seen = wrong_board(rng, goal.graph)
    board = board_of_nodes([sighting.node for sighting in seen], rng)
    return inspection(rng, goal.prompt, goal.graph, seen, board)


def inspection(
    rng: random.Random, prompt: str, graph: SceneGraph, seen: Sequence[Sighting], board: Board
) -> TrainingExample:
    """Look at a board of which ``seen`` is known: name the conflict with a prompt's graph, and mend it."""
    start = Text(read_prompt(prompt), learn=False)
    conflict = WORLD.conflict(graph, seen)
    if conflict is None:
        return [start, Look(board, {}), Text(wrap("ok", "inspect")), Draw(board, learn=False)]
    mended = WORLD.mend(graph, seen, conflict, rng)
    look = Look(board, _fault_parts(conflict, seen))
    return [start, look, Text(critique(conflict)), Draw(_after(board, mended))]


def _fault_parts(conflict: Conflict, seen: Sequence[Sighting]) -> dict[int, FaultPart]:
    """The cells of what a conflict speaks of, each with its part."""
    named: list[tuple[Node | None, FaultPart]] = []
    if conflict.kind == "wrong relation":
        named = [(conflict.wanted, "to move"), *((relation.object, "in its place") for relation in conflict.relations)]
    elif conflict.kind != "missing":
        named = [(conflict.seen, conflict.kind)]
    return {
        PLACES.index(str(sighting.node.place)): part
        for thing, part in named
        for sighting in seen
        if thing is not None and sighting.node.shows(thing)
    }


def critique(conflict: Conflict) -> str:
    """A conflict and its correction, with their markers."""
    return f"{wrap(LANGUAGE.conflict(conflict), 'inspect')} {wrap(LANGUAGE.correction(conflict), 'refine')}"


def _edit(rng: random.Random, goal: _Goal) -> TrainingExample:
    """Do what a correction says, whatever the prompt was."""
    example = _ask(rng, goal)
    while not any(isinstance(segment, Text) and "<refine>" in segment.words for segment in example):
        example = _ask(rng, goal)
    _, look, words, draw = example
    assert isinstance(words, Text)
    correction = words.words[words.words.index("<refine>") :]
    return [look, Text(correction, learn=False), draw]


def _after(board: Board, mended: SceneGraph | None) -> Board:
    """The mended board; smudges that remain are the same."""
    nodes = () if mended is None else mended.nodes
    after = board_of(scene_of(SceneGraph(nodes)))
    return after | {cell: board[cell] for cell in smudged_cells(nodes)}


_EXAMPLES = {"single": _single, "think": _think, "read": _read, "ask": _ask, "edit": _edit}

KNOWLEDGE_SHARES: dict[Kind, float] = {"single": 0.0, "think": 0.5, "read": 0.0, "ask": 0.2, "edit": 0.0}
"""Kind of example → share of prompts that need knowledge."""


def _goal(rng: random.Random) -> _Goal:
    if rng.random() < CROWDED:
        metadata = crowded.metadata(rng, rng.choices(crowded.TAGS, crowded.TAG_SHARES)[0])
    else:
        metadata = random_metadata(rng, rng.choices(TAGS, TAG_SHARES)[0])
    return _Goal(metadata["prompt"], laid_out(metadata, rng))


def training_example(rng: random.Random, kind: Kind, *, unconditional: float = 0.1) -> TrainingExample:
    """An example of a kind.

    Args:
        rng: Decides everything.
        kind: The kind.
        unconditional: Share of examples without their texts, for guidance.
    """
    if rng.random() < KNOWLEDGE_SHARES[kind]:
        prompt, metadata = knowledge_prompt(rng)
        example = _EXAMPLES[kind](rng, _Goal(prompt, laid_out(metadata, rng)))
        return [replace(segment, learn=False) if isinstance(segment, Draw) else segment for segment in example]
    example = _EXAMPLES[kind](rng, _goal(rng))
    draw = example[-1]
    if rng.random() < unconditional and isinstance(draw, Draw) and draw.learn:
        looks = [segment for segment in example if isinstance(segment, Look)]
        return [*looks[-1:], draw]
    return example

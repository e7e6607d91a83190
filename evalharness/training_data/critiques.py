"""Wrong sketches, and the inspection and the refinement that they call for.

There are two kinds of conflict, as in the paper (arXiv 2604.04746): ``instruction-state``, the sketch departs from its
instruction, and ``state-prompt``, the plan departs from the prompt and the sketch follows it. Conflicts have two
origins: the teacher draws a spoiled graph, or the model that is to learn draws (or plans) and a filter finds what is
wrong.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalharness.generation.formats.strokes import wrap
from evalharness.training_data.filters import MAX_MISMATCHES, Verdict
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Language, Mismatch
from evalharness.training_data.world import World


@dataclass(frozen=True, slots=True)
class Critique:
    """An inspection and, if it found a fault, the refinement; both with their markers."""

    inspection: str
    refinement: str = ""


NO_FAULT = Critique(wrap("ok", "inspect"))


def write_critique(verdict: Verdict, language: Language, instruction: str) -> Critique | None:
    """Put a filter's verdict into words.

    The refinement repeats ``instruction`` if the filter says only in its own words what is wrong.

    Returns:
        The critique; ``None`` for a sketch with too many faults to name.
    """
    if verdict.right:
        return NO_FAULT
    if not verdict.mismatches:
        reason = verdict.reason or "this is not what the instruction asks for"
        return Critique(wrap(reason, "inspect"), wrap(instruction, "refine"))
    mismatches = list(verdict.mismatches)
    if len(mismatches) > MAX_MISMATCHES:
        return None
    return Critique(wrap(language.conflict(mismatches), "inspect"), wrap(language.correction(mismatches), "refine"))


def spoil(graph: SceneGraph, index: int, world: World, rng: random.Random) -> tuple[SceneGraph, Mismatch]:
    """Put one fault into a graph.

    The thing ``index`` becomes another one, or gets another colour, or is missing; or a second one like it stands where
    nothing should.

    Returns:
        The spoiled graph and its fault.
    """
    thing = graph.nodes[index]
    taken = {node.place for node in graph.nodes}
    free = [place for place in world.places if place not in taken]
    faults = ["other", "other", "missing", "extra"]
    if world.places and not free:
        faults.remove("extra")
    fault = rng.choice(faults)
    if fault == "missing":
        rest = [number for number in range(len(graph.nodes)) if number != index]
        return graph.subgraph(rest), Mismatch(None, thing)
    if fault == "extra":
        extra = replace(thing, place=rng.choice(free) if free else None)
        return SceneGraph((*graph.nodes, extra), graph.edges), Mismatch(extra, None)
    wrong = vary(thing, world, rng)
    return graph.changed(index, wrong), Mismatch(wrong, thing)


def vary(thing: Node, world: World, rng: random.Random) -> Node:
    """A thing of another colour or class for the same place."""
    colors = [color for color in world.colors if color != thing.color]
    names = [name for name in world.names if name != thing.name]
    if (thing.color is not None and rng.random() < 0.5) or not names:
        return replace(thing, color=rng.choice(colors))
    return replace(thing, name=rng.choice(names))


def misplace(graph: SceneGraph, index: int, world: World, rng: random.Random) -> Node | None:
    """Move a thing to where its relations, or those that later things will have to it, cannot hold.

    Args:
        graph: Everything that the prompt asks for; things that are not drawn yet have no places.
        index: The thing in it.
        world: The world.
        rng: Chooses among such places.

    Returns:
        The thing in a wrong place; ``None`` if there is no such place.
    """
    taken = {node.place for node in graph.nodes}
    wrong = [place for place in world.places if place not in taken and not world.fits(graph.moved(index, place))]
    return replace(graph.nodes[index], place=rng.choice(wrong)) if wrong else None


def contradicting_addition(
    described: Sequence[Node], before: SceneGraph, remaining: SceneGraph, graph: SceneGraph, index: int, world: World
) -> Node | None:
    """Find the thing that a model's own plan adds, if it contradicts the prompt.

    It does if it is none of the things that remain to be added, or if it is the next one in a place where relations
    cannot hold. A plan that adds more or fewer things than one is not judged.

    Args:
        described: Everything that the plan describes.
        before: The state before the step.
        remaining: The things that are still to be added.
        graph: Everything that the prompt asks for (see :func:`misplace`).
        index: The next thing in ``graph``.
        world: The world.
    """
    added = [node for node in described if node not in before.nodes]
    if len(added) != 1 or len(described) != len(before.nodes) + 1:
        return None
    (new,) = added
    if world.places and new.place in {node.place for node in before.nodes}:
        return None
    if new.shows(graph.nodes[index]):
        return None if world.fits(graph.moved(index, new.place)) else new
    return None if any(new.shows(node) for node in remaining.nodes) else new

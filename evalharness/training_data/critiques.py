"""Sketches that are wrong, and the inspection and the refinement that they call for.

Two kinds of conflict, as in the paper: ``instruction-state``, the sketch departs from its instruction, and
``state-prompt``, the plan departs from the prompt and the sketch follows it. Two origins: the teacher draws a spoiled
graph, or the model that is to learn draws (or plans) and a filter finds what is wrong.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from evalharness.training_data.filters import MANY, Verdict
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Language, Mismatch
from evalharness.training_data.world import World

OK = "<inspect> ok </inspect>"


@dataclass(frozen=True, slots=True)
class Critique:
    """An inspection, and the refinement if it found something; each with its markers."""

    inspection: str
    refinement: str = ""


def critique(verdict: Verdict, language: Language, fallback: str) -> Critique | None:
    """What to say of a sketch; ``None`` of one with too many faults to name.

    A filter that only says wrong in words of its own gives these for the inspection; the refinement is then
    ``fallback``, the instruction once more.
    """
    if verdict.right:
        return Critique(OK)
    if not verdict.mismatches:
        said = verdict.reason or "this is not what the instruction asks for"
        return Critique(f"<inspect> {said} </inspect>", f"<refine> {fallback} </refine>")
    found = list(verdict.mismatches)
    if len(found) > MANY:
        return None
    return Critique(
        f"<inspect> {language.conflict(found)} </inspect>", f"<refine> {language.correction(found)} </refine>"
    )


def spoiled(graph: SceneGraph, node: int, world: World, rng: random.Random) -> tuple[SceneGraph, Mismatch]:
    """A graph with one fault, in the thing ``node`` or beside it, and what is wrong then.

    The thing is another one, or in another colour, or missing; or one more like it stands where nothing should.
    """
    thing = graph.nodes[node]
    ways = ["other", "other", "missing", "extra"]
    free = [place for place in world.places if place not in {one.place for one in graph.nodes}]
    if world.places and not free:
        ways.remove("extra")
    way = rng.choice(ways)
    if way == "missing":
        return graph.part([n for n in range(len(graph.nodes)) if n != node]), Mismatch(None, thing)
    if way == "extra":
        more = replace(thing, place=rng.choice(free) if free else None)
        return SceneGraph((*graph.nodes, more), graph.edges), Mismatch(more, None)
    other = another(thing, world, rng)
    return graph.changed(node, other), Mismatch(other, thing)


def another(thing: Node, world: World, rng: random.Random) -> Node:
    """Another thing for the same place: of another colour or another class."""
    colors = [color for color in world.colors if color != thing.color]
    names = [name for name in world.names if name != thing.name]
    if (thing.color is not None and rng.random() < 0.5) or not names:
        return replace(thing, color=rng.choice(colors))
    return replace(thing, name=rng.choice(names))


def misplaced(whole: SceneGraph, node: int, world: World, rng: random.Random) -> Node | None:
    """The thing ``node`` where its relations, or those that others will have to it, cannot hold, if there is such a
    place; ``whole``: all that the prompt asks for, without places for what is not there yet.
    """
    taken = {one.place for one in whole.nodes}
    lost = [place for place in world.places if place not in taken and not world.fits(whole.moved(node, place))]
    return replace(whole.nodes[node], place=rng.choice(lost)) if lost else None


def misread(
    told: list[Node], before: SceneGraph, left: SceneGraph, whole: SceneGraph, node: int, world: World
) -> Node | None:
    """What a model's own plan adds, if that contradicts the prompt; ``told``: all that the plan describes.

    It contradicts if it is none of the things that are ``left`` to add, or the next one (``node`` of ``whole``, see
    :func:`misplaced`) in a place where relations cannot hold. Of a plan that adds more or less than one thing nothing
    is said.
    """
    added = [one for one in told if one not in before.nodes]
    if len(added) != 1 or len(told) != len(before.nodes) + 1:
        return None
    (new,) = added
    if world.places and new.place in {one.place for one in before.nodes}:
        return None
    if new.shows(whole.nodes[node]):
        return None if world.fits(whole.moved(node, new.place)) else new
    return None if any(new.shows(one) for one in left.nodes) else new

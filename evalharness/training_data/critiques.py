"""Critiques: rounds of an inspection that names one conflict, a correction, and the picture after the correction.

There are two kinds of conflict, as in the paper (arXiv 2604.04746): ``instruction-state``, the sketch departs from its
instruction, and ``state-prompt``, the plan departs from the prompt and the sketch follows it. Conflicts have two
origins: the teacher draws a spoiled state, or the model that is to learn draws (or plans) and a filter finds what is
wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from evalharness.generation.formats.strokes import wrap
from evalharness.training_data.conflicts import Sighting, assign
from evalharness.training_data.filters import Verdict
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Language

ROUNDS = 4
"""Most rounds of an iteration; a sketch with more faults is a failure, and nothing is learned from it."""
NO_FAULT = wrap("ok", "inspect")


@dataclass(frozen=True, slots=True)
class Round:
    """An inspection that names a conflict, and the refinement that mends it; both texts with their markers."""

    inspection: str
    refinement: str
    image: Image.Image
    seed: int


def write_critique(verdict: Verdict, language: Language, instruction: str) -> tuple[str, str]:
    """Put what a filter finds wrong into words: the inspection and the correction, without markers.

    The correction repeats ``instruction`` if the filter says only in its own words what is wrong.
    """
    if verdict.conflict is None:
        return verdict.reason or "this is not what the instruction asks for", instruction
    return language.conflict(verdict.conflict), language.correction(verdict.conflict)


def is_mendable(verdict: Verdict, graph: SceneGraph) -> bool:
    """Whether a wrong picture can become right within :data:`ROUNDS` rounds."""
    return verdict.seen is None or sum(assign(graph, verdict.seen).faults) <= ROUNDS


def follows(seen: Sequence[Sighting], planned: SceneGraph) -> bool:
    """Whether a picture shows at least as many things of each class as a plan describes."""
    shown = Counter(sighting.node.name for sighting in seen)
    return Counter(node.name for node in planned.nodes) <= shown


def contradicts(planned: SceneGraph, before: SceneGraph, graph: SceneGraph) -> SceneGraph | None:
    """The graph of a model's own plan if it contradicts the prompt.

    It does if it is no sub-graph of what the prompt asks for. A plan that loses things of the picture, adds nothing, or
    asks for more than the complete scene and one thing is not judged.

    Args:
        planned: What the plan describes, without places.
        before: The state before the step.
        graph: Everything that the prompt asks for.

    Returns:
        The plan's graph, its first nodes those of ``before`` with their places.
    """
    rest = list(planned.nodes)
    positions: list[int] = []
    for node in before.nodes:
        match = next((i for i, other in enumerate(planned.nodes) if i not in positions and _alike(other, node)), None)
        if match is None:
            return None
        positions.append(match)
    new = [index for index in range(len(rest)) if index not in positions]
    if not new or len(rest) > len(graph.nodes) + 1:
        return None
    ordered = planned.subgraph([*positions, *new])
    if _is_subgraph(ordered, graph):
        return None
    return SceneGraph((*before.nodes, *ordered.nodes[len(before.nodes) :]), ordered.edges)


def _alike(one: Node, other: Node) -> bool:
    return _key(one) == _key(other)


def _key(node: Node) -> tuple[str, str | None]:
    return node.name, node.color


def _is_subgraph(planned: SceneGraph, graph: SceneGraph) -> bool:
    """Whether all things are asked for, with just the relations that the prompt gives them."""
    wanted = list(map(_key, graph.nodes))
    for key in map(_key, planned.nodes):
        if key not in wanted:
            return False
        wanted.remove(key)
    present = set(map(_key, planned.nodes))
    asked = {relation for relation in _relations(graph) if relation[0] in present and relation[2] in present}
    return _relations(planned) == asked


def _relations(graph: SceneGraph) -> set[tuple[tuple[str, str | None], str, tuple[str, str | None]]]:
    return {(_key(graph.nodes[edge.subject]), edge.relation, _key(graph.nodes[edge.object])) for edge in graph.edges}


def replaced_places(graph: SceneGraph, seen: tuple[Sighting, ...]) -> dict[int, str | None]:
    """Node index → the place of its thing in a picture."""
    return {node: seen[thing].node.place for node, thing in assign(graph, seen).pairs.items()}

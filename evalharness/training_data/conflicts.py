"""Conflicts between a picture and a scene graph.

There are six kinds. One conflict is named per round, and one edit of the picture mends it. There is no conflict if and
only if the things of the picture can be assigned to the nodes of the graph so that all classes, colours and relations
are right, and nothing remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from evalharness.training_data.graphs import DIRECTIONS, Edge, Node, SceneGraph, relation_holds

Kind = Literal["missing", "too many", "wrong color", "wrong relation", "wrong thing", "smudge"]
SMUDGE = "smudge"
"""The name for something in a picture that is no thing."""
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
assert set(INVERSE) == set(DIRECTIONS)
MOST_TRIES = 20_000
"""Partial assignments to try. Scenes of the benchmarks need some hundreds; data from elsewhere may hold any number of
things that look alike.
"""


class Sighting(NamedTuple):
    """A thing in a picture, and its centre (x to the right, y down)."""

    node: Node
    x: float
    y: float


class Relation(NamedTuple):
    """A relation to another thing, ``left of`` the cup."""

    name: str
    object: Node


@dataclass(frozen=True, slots=True)
class Conflict:
    """One thing that is wrong with a picture, as far as words tell: its nodes have no places.

    Attributes:
        kind: The kind of conflict.
        seen: The thing that is seen, if it is wrong or superfluous.
        wanted: The thing that should be there; of ``wrong relation`` the thing to move.
        relations: Of ``wrong relation`` the one that should hold; of ``missing`` those to things in the picture.
    """

    kind: Kind
    seen: Node | None = None
    wanted: Node | None = None
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """The things of a picture that are nodes of a graph, and what remains.

    Attributes:
        pairs: Node index → index of its thing in the picture, for as many nodes as possible.
        missing: Nodes without a thing.
        extra: Things, smudges not included, without a node.
        smudges: Things that are none.
        broken: Edges between nodes with a thing that do not hold: as few as possible.
    """

    pairs: dict[int, int]
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    smudges: tuple[int, ...]
    broken: tuple[Edge, ...]

    @property
    def faults(self) -> tuple[int, int]:
        """The numbers of wrong things and of wrong relations; every mended conflict makes this pair smaller."""
        return len(self.missing) + len(self.extra) + len(self.smudges), len(self.broken)


def assign(graph: SceneGraph, seen: Sequence[Sighting]) -> Assignment:
    """Find the assignment with the fewest faults; of a scene too large to try all, the best of :data:`MOST_TRIES`."""
    things = [index for index, sighting in enumerate(seen) if sighting.node.name != SMUDGE]
    smudges = tuple(index for index, sighting in enumerate(seen) if sighting.node.name == SMUDGE)
    pairs = _match(graph, range(len(graph.nodes)), seen, things)
    present = sorted(pairs)
    pool = sorted(pairs.values())
    edges = [edge for edge in graph.edges if edge.subject in pairs and edge.object in pairs]
    related = [index for index in present if any(index in (edge.subject, edge.object) for edge in edges)]
    best = _Search(graph, seen, edges, related, present, pool).best if related else pairs
    missing = tuple(index for index in range(len(graph.nodes)) if index not in pairs)
    extra = tuple(index for index in things if index not in pool)
    return Assignment(best, missing, extra, smudges, _broken(edges, best, seen))


def _match(graph: SceneGraph, nodes: Sequence[int], seen: Sequence[Sighting], things: Sequence[int]) -> dict[int, int]:
    """Pair as many nodes as possible with things: those with a colour first, since they are choosier."""
    rest = list(things)
    pairs: dict[int, int] = {}
    for node in sorted(nodes, key=lambda index: graph.nodes[index].color is None):
        thing = next((thing for thing in rest if seen[thing].node.shows(graph.nodes[node])), None)
        if thing is not None:
            rest.remove(thing)
            pairs[node] = thing
    return pairs


def _broken(edges: Sequence[Edge], pairs: dict[int, int], seen: Sequence[Sighting]) -> tuple[Edge, ...]:
    """The edges between assigned nodes that do not hold."""
    return tuple(
        edge
        for edge in edges
        if edge.subject in pairs
        and edge.object in pairs
        and not _holds(edge.relation, seen[pairs[edge.subject]], seen[pairs[edge.object]])
    )


def _holds(relation: str, subject: Sighting, object_: Sighting) -> bool:
    return relation_holds(relation, subject.x - object_.x, subject.y - object_.y)


class _Search:
    """Branch and bound over the nodes with relations; the others take what remains."""

    def __init__(
        self,
        graph: SceneGraph,
        seen: Sequence[Sighting],
        edges: Sequence[Edge],
        related: Sequence[int],
        present: Sequence[int],
        pool: Sequence[int],
    ) -> None:
        self._graph, self._seen, self._edges = graph, seen, edges
        self._related, self._pool = related, pool
        self._unrelated = [index for index in present if index not in related]
        self.best: dict[int, int] = {}
        self._fewest = len(edges) + 1
        self._tries = 0
        self._extend({}, 0)

    def _extend(self, pairs: dict[int, int], depth: int) -> None:
        broken = len(_broken(self._edges, pairs, self._seen))
        self._tries += 1
        if broken >= self._fewest or (self.best and self._tries > MOST_TRIES):
            return
        rest = [thing for thing in self._pool if thing not in pairs.values()]
        if depth == len(self._related):
            others = _match(self._graph, self._unrelated, self._seen, rest)
            if len(others) == len(self._unrelated):
                self.best, self._fewest = pairs | others, broken
            return
        node = self._related[depth]
        for thing in rest:
            if self._seen[thing].node.shows(self._graph.nodes[node]):
                self._extend({**pairs, node: thing}, depth + 1)


def find_conflict(graph: SceneGraph, seen: Sequence[Sighting]) -> Conflict | None:
    """The conflict to name first, or ``None`` if the picture shows the graph and nothing else."""
    assignment = assign(graph, seen)
    wanted = [graph.nodes[index] for index in assignment.missing]
    extra = [seen[index].node for index in assignment.extra]
    for node in wanted:
        for thing in extra:
            if thing.name == node.name:
                return Conflict("wrong color", _bare(thing), _bare(node))
    if wanted and extra:
        return Conflict("wrong thing", spoken(extra[0], graph), _bare(wanted[0]))
    if wanted and assignment.smudges:
        return Conflict("wrong thing", Node(SMUDGE), _bare(wanted[0]))
    if extra:
        return Conflict("too many", spoken(extra[0], graph))
    if wanted:
        relations = relations_of(graph, assignment.missing[0], set(assignment.pairs))
        return Conflict("missing", None, _bare(wanted[0]), relations)
    if assignment.smudges:
        return Conflict("smudge", Node(SMUDGE))
    if assignment.broken:
        return wrong_relation(graph, assignment.broken[0])
    return None


def wrong_relation(graph: SceneGraph, edge: Edge) -> Conflict:
    """The conflict of an edge that does not hold: its subject is to be moved."""
    subject, object_ = _bare(graph.nodes[edge.subject]), _bare(graph.nodes[edge.object])
    return Conflict("wrong relation", None, subject, (Relation(edge.relation, object_),))


def turned(edge: Edge) -> Edge:
    """The same relation, told of the other thing."""
    return Edge(edge.object, INVERSE[edge.relation], edge.subject)


def relations_of(graph: SceneGraph, index: int, others: set[int]) -> tuple[Relation, ...]:
    """The relations of a node to these other nodes, in whichever direction the graph has them."""
    edges = [edge for edge in graph.edges if edge.subject == index and edge.object in others]
    edges += [turned(edge) for edge in graph.edges if edge.object == index and edge.subject in others]
    return tuple(dict.fromkeys(Relation(edge.relation, _bare(graph.nodes[edge.object])) for edge in edges))


def spoken(thing: Node, graph: SceneGraph) -> Node:
    """A thing as it is named: with its colour only if the graph tells things of its class apart by colour."""
    color_matters = any(node.name == thing.name and node.color is not None for node in graph.nodes)
    return Node(thing.name, thing.color if color_matters else None)


def _bare(node: Node) -> Node:
    return replace(node, place=None)

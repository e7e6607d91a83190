"""Scene graphs: things with attributes, and relations between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

DIRECTIONS = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
"""Relation → its direction (x to the right, y down)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A thing.

    Attributes:
        name: Its class.
        color: ``None`` if any colour will do.
        place: Its named place; ``None`` if it has none, or the world has no named places.
    """

    name: str
    color: str | None = None
    place: str | None = None

    def shows(self, wanted: Node) -> bool:
        """Whether this thing is what ``wanted`` asks for, at any place."""
        return self.name == wanted.name and wanted.color in (None, self.color)


@dataclass(frozen=True, slots=True)
class Edge:
    """``nodes[subject]`` is ``relation`` (one of :data:`DIRECTIONS`) ``nodes[object]``."""

    subject: int
    relation: str
    object: int


@dataclass(frozen=True, slots=True)
class SceneGraph:
    """The content of a picture.

    >>> graph = SceneGraph((Node("dog"), Node("cup", "red")), (Edge(1, "left of", 0),))
    >>> graph.subgraph([1]) == SceneGraph((Node("cup", "red"),))
    True
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()

    def subgraph(self, indices: Sequence[int]) -> SceneGraph:
        """The sub-graph that these nodes induce, in this order."""
        new_index = {old: new for new, old in enumerate(indices)}
        edges = [
            Edge(new_index[edge.subject], edge.relation, new_index[edge.object])
            for edge in self.edges
            if edge.subject in new_index and edge.object in new_index
        ]
        return SceneGraph(tuple(self.nodes[index] for index in indices), tuple(edges))

    def moved(self, index: int, place: str | None) -> SceneGraph:
        """A copy in which one thing has another place."""
        return self.changed(index, replace(self.nodes[index], place=place))

    def changed(self, index: int, node: Node) -> SceneGraph:
        """A copy in which ``node`` replaces the node of this index."""
        return SceneGraph((*self.nodes[:index], node, *self.nodes[index + 1 :]), self.edges)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SceneGraph:
        """The inverse of :meth:`to_json`.

        Raises:
            KeyError, TypeError: the value is no graph.
        """
        nodes = tuple(Node(**node) for node in value["nodes"])
        return cls(nodes, tuple(Edge(**edge) for edge in value["edges"]))


def of_metadata(metadata: Mapping[str, Any]) -> SceneGraph:
    """The graph of a prompt in GenEval's format: a node for each thing that an ``include`` clause counts.

    >>> of_metadata({"include": [{"class": "cat", "count": 2}]}).nodes
    (Node(name='cat', color=None, place=None), Node(name='cat', color=None, place=None))
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    clause_nodes: list[range] = []
    for clause in metadata["include"]:
        indices = range(len(nodes), len(nodes) + clause["count"])
        nodes += [Node(clause["class"], clause.get("color"))] * len(indices)
        if clause.get("position") is not None:
            relation, target = clause["position"]
            edges += [Edge(subject, relation, object_) for subject, object_ in product(indices, clause_nodes[target])]
        clause_nodes.append(indices)
    return SceneGraph(tuple(nodes), tuple(edges))


def relation_holds(relation: str, dx: float, dy: float) -> bool:
    """Whether an offset (x to the right, y down) points in a relation's direction, at most 45 degrees off."""
    direction_x, direction_y = DIRECTIONS[relation]
    along = dx * direction_x + dy * direction_y
    across = abs(dx * direction_y) + abs(dy * direction_x)
    return along > 0 and across <= along

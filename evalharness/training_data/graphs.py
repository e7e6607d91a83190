"""Scene graphs: things with attributes, and relations between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """One thing. ``color`` is ``None`` if nobody asks for one, ``place`` if the world has no named places."""

    name: str
    color: str | None = None
    place: str | None = None

    def shows(self, wanted: Node) -> bool:
        """Whether this thing is what ``wanted`` asks for, wherever it stands."""
        return self.name == wanted.name and wanted.color in (None, self.color)


@dataclass(frozen=True, slots=True)
class Edge:
    """``nodes[subject]`` is ``relation`` (left of, right of, above, below) ``nodes[object]``."""

    subject: int
    relation: str
    object: int


@dataclass(frozen=True, slots=True)
class SceneGraph:
    """What a picture shows.

    >>> graph = SceneGraph((Node("dog"), Node("cup", "red")), (Edge(1, "left of", 0),))
    >>> graph.part([1]) == SceneGraph((Node("cup", "red"),))
    True
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()

    def part(self, keep: Sequence[int]) -> SceneGraph:
        """The sub-graph that these nodes induce, in this order."""
        at = {node: number for number, node in enumerate(keep)}
        edges = [
            Edge(at[edge.subject], edge.relation, at[edge.object])
            for edge in self.edges
            if edge.subject in at and edge.object in at
        ]
        return SceneGraph(tuple(self.nodes[node] for node in keep), tuple(edges))

    def moved(self, node: int, place: str | None) -> SceneGraph:
        """The same with one thing elsewhere."""
        return self.changed(node, replace(self.nodes[node], place=place))

    def changed(self, node: int, by: Node) -> SceneGraph:
        """The same with another thing in the place of one."""
        return SceneGraph((*self.nodes[:node], by, *self.nodes[node + 1 :]), self.edges)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SceneGraph:
        """The inverse of :meth:`to_json`; KeyError or TypeError for anything else."""
        nodes = tuple(Node(**node) for node in value["nodes"])
        return cls(nodes, tuple(Edge(**edge) for edge in value["edges"]))


def of_metadata(metadata: Mapping[str, Any]) -> SceneGraph:
    """The graph of a prompt in GenEval's format: one node for each thing that an ``include`` clause counts.

    >>> of_metadata({"include": [{"class": "cat", "count": 2}]}).nodes
    (Node(name='cat', color=None, place=None), Node(name='cat', color=None, place=None))
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    of_clause: list[range] = []
    for clause in metadata["include"]:
        own = range(len(nodes), len(nodes) + clause["count"])
        nodes += [Node(clause["class"], clause.get("color"))] * len(own)
        if clause.get("position") is not None:
            relation, target = clause["position"]
            edges += [Edge(a, relation, b) for a, b in product(own, of_clause[target])]
        of_clause.append(own)
    return SceneGraph(tuple(nodes), tuple(edges))

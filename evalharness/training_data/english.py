"""Plain English for scene graphs, as editing pipelines and large models read it: no places, no coordinates.

:mod:`~evalharness.training_data.english_parser` reads it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from evalharness._util.text import plural, with_article
from evalharness.training_data import english_parser
from evalharness.training_data.conflicts import Conflict, Kind, relations_of
from evalharness.training_data.graphs import Edge, Node, SceneGraph

NUMBERS = english_parser.NUMBERS
COLORS = english_parser.COLORS

FAULTS: Mapping[Kind, str] = {
    "missing": "{a_wanted} is missing",
    "too many": "one {seen} too many",
    "wrong color": "the {seen} should be {color}",
    "wrong relation": "the {wanted} is not {relations}",
    "wrong thing": "{a_seen} should be {a_wanted}",
    "smudge": "a smudge should not be there",
}
REMEDIES: Mapping[Kind, str] = {
    "missing": "Add {a_wanted}{after_relations}",
    "too many": "Remove one {seen}",
    "wrong color": "Make the {seen} {color}",
    "wrong relation": "Move the {wanted} {relations}",
    "wrong thing": "Change the {seen} into {a_wanted}",
    "smudge": "Clear the smudge",
}


class English:
    """A :class:`~evalharness.training_data.language.Language`.

    >>> English().description(SceneGraph((Node("cat"), Node("cat"), Node("cup", "orange")), (Edge(2, "above", 0),)))
    'two cats and an orange cup; the orange cup is above the cat'
    """

    def description(self, graph: SceneGraph) -> str:
        clauses = [_things(graph.nodes) or "nothing", *_relation_clauses(graph, graph.edges)]
        return "; ".join(clauses)

    def instruction(self, graph: SceneGraph, indices: Sequence[int]) -> str:
        """Ask for things of the graph.

        >>> English().instruction(SceneGraph((Node("cat"), Node("cup")), (Edge(1, "left of", 0),)), [1])
        'Add a cup left of the cat'
        """
        before = range(min(indices, default=0))
        added = [graph.nodes[index] for index in indices]
        phrase = _things(added, [graph.nodes[index] for index in before])
        if len(added) == 1:
            relations = relations_of(graph, indices[0], set(before))
            return f"Add {phrase}" + " and".join(
                f" {relation.name} the {noun(relation.object)}" for relation in relations
            )
        edges = [
            edge
            for edge in graph.edges
            if {edge.subject, edge.object} & set(indices) and {edge.subject, edge.object} <= {*before, *indices}
        ]
        return "; ".join([f"Add {phrase}", *_relation_clauses(graph, edges)])

    def conflict(self, conflict: Conflict) -> str:
        return FAULTS[conflict.kind].format_map(_fields(conflict))

    def correction(self, conflict: Conflict) -> str:
        return REMEDIES[conflict.kind].format_map(_fields(conflict))

    def read(self, description: str) -> SceneGraph | None:
        return english_parser.read_description(description)

    def read_conflict(self, inspection: str) -> Conflict | None:
        return english_parser.read_conflict(inspection)

    def read_correction(self, correction: str) -> Conflict | None:
        return english_parser.read_correction(correction)


def noun(node: Node) -> str:
    """A thing in words, without article.

    >>> noun(Node("apple", "green"))
    'green apple'
    """
    return f"{node.color} {node.name}" if node.color else node.name


def _things(nodes: Sequence[Node], before: Sequence[Node] = ()) -> str:
    """Things with their numbers; ``another`` or ``more`` of those that are in the picture ``before``."""
    present = {(node.name, node.color) for node in before}
    counts = Counter((node.name, node.color) for node in nodes)
    return " and ".join(_counted(count, Node(*thing), more=thing in present) for thing, count in counts.items())


def _counted(count: int, node: Node, *, more: bool) -> str:
    if count == 1:
        return f"another {noun(node)}" if more else with_article(noun(node))
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    return f"{number} {'more ' if more else ''}{plural(noun(node))}"


def _relation_clauses(graph: SceneGraph, edges: Sequence[Edge]) -> list[str]:
    return list(
        dict.fromkeys(
            f"the {noun(graph.nodes[edge.subject])} is {edge.relation} the {noun(graph.nodes[edge.object])}"
            for edge in edges
        )
    )


def _fields(conflict: Conflict) -> dict[str, str]:
    relations = " and ".join(f"{relation.name} the {noun(relation.object)}" for relation in conflict.relations)
    fields = {"relations": relations, "after_relations": f" {relations}" if relations else ""}
    for name, node in (("seen", conflict.seen), ("wanted", conflict.wanted)):
        if node is not None:
            fields |= {name: noun(node), f"a_{name}": with_article(noun(node))}
    if conflict.wanted is not None:
        fields["color"] = conflict.wanted.color or ""
    return fields

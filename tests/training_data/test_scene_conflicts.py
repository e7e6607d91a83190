"""Conflicts between pictures and scene graphs, against all assignments of things to nodes."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.training_data.conflicts import SMUDGE, Sighting, assign, find_conflict, relations_of
from evalharness.training_data.graphs import DIRECTIONS, Edge, Node, SceneGraph, relation_holds

NAMES, COLORS = ("cat", "dog", "cup"), ("red", "blue")
WANTED = st.builds(Node, st.sampled_from(NAMES), st.sampled_from((None, *COLORS)))
SEEN = st.builds(Node, st.sampled_from((*NAMES, SMUDGE)), st.sampled_from(COLORS))


@st.composite
def graphs(draw: st.DrawFn) -> SceneGraph:
    nodes = draw(st.lists(WANTED, min_size=1, max_size=4))
    pairs = [(a, b) for a in range(len(nodes)) for b in range(len(nodes)) if a < b]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=2, unique=True)) if pairs else []
    return SceneGraph(tuple(nodes), tuple(Edge(a, draw(st.sampled_from(tuple(DIRECTIONS))), b) for a, b in chosen))


@st.composite
def pictures(draw: st.DrawFn) -> tuple[SceneGraph, list[Sighting]]:
    """A graph, and a picture with just its things or with others."""
    graph = draw(graphs())
    things = [Node(node.name, node.color or draw(st.sampled_from(COLORS))) for node in graph.nodes]
    if draw(st.booleans()):
        things = draw(st.lists(SEEN, max_size=5))
    cells = draw(st.permutations(range(9)))
    return graph, [Sighting(node, cell % 3, cell // 3) for node, cell in zip(things, cells, strict=False)]


def _fits(graph: SceneGraph, seen: list[Sighting]) -> bool:
    if len(seen) != len(graph.nodes):
        return False
    return any(
        all(thing.node.shows(node) for thing, node in zip(order, graph.nodes, strict=True))
        and all(
            relation_holds(
                edge.relation,
                order[edge.subject].x - order[edge.object].x,
                order[edge.subject].y - order[edge.object].y,
            )
            for edge in graph.edges
        )
        for order in permutations(seen)
    )


@given(pictures())
def test_no_conflict_if_and_only_if_some_assignment_fits(picture: tuple[SceneGraph, list[Sighting]]) -> None:
    graph, seen = picture
    assert (find_conflict(graph, seen) is None) == _fits(graph, seen)
    assert (assign(graph, seen).faults == (0, 0)) == _fits(graph, seen)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (["red cup 0", "blue dog 4"], None),
        (["red cup 4", "blue dog 0"], "wrong relation"),
        (["red cup 0"], "missing"),
        (["red cup 0", "blue dog 4", "red cat 8"], "too many"),
        (["blue cup 0", "blue dog 4"], "wrong color"),
        (["red cup 0", "blue cat 4"], "wrong thing"),
        (["red cup 0", "blue smudge 4"], "wrong thing"),
        (["red cup 0", "blue dog 4", "blue smudge 5"], "smudge"),
    ],
    ids=["right", "relation", "missing", "extra", "color", "thing", "smudge-instead", "smudge-besides"],
)
def test_each_kind_of_conflict(seen: list[str], kind: str | None) -> None:
    graph = SceneGraph((Node("dog"), Node("cup", "red")), (Edge(1, "left of", 0),))
    sightings = []
    for thing in seen:
        color, name, cell = thing.split()
        sightings.append(Sighting(Node(name, color), int(cell) % 3, int(cell) // 3))
    conflict = find_conflict(graph, sightings)
    assert (None if conflict is None else conflict.kind) == kind


def test_a_missing_thing_is_told_with_its_relations_in_both_directions() -> None:
    graph = SceneGraph((Node("dog"), Node("cup"), Node("cat")), (Edge(1, "left of", 0), Edge(2, "above", 1)))
    assert [(name, node.name) for name, node in relations_of(graph, 1, {0, 2})] == [
        ("left of", "dog"),
        ("below", "cat"),
    ]


def test_a_scene_of_many_like_things_is_assigned_in_the_time_of_a_small_one() -> None:
    nodes = tuple(Node("dog") for _ in range(14))
    circle = tuple(Edge(index, "left of", (index + 1) % 14) for index in range(14))  # cannot hold
    seen = [Sighting(Node("dog", "brown"), float(index % 4), float(index // 4)) for index in range(14)]
    assignment = assign(SceneGraph(nodes, circle), seen)
    assert sorted(assignment.pairs) == sorted(assignment.pairs.values()) == list(range(14))
    assert assignment.faults == (0, len(assignment.broken)) and assignment.broken

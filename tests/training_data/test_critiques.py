"""Plans that contradict their prompt: what is lost already, and what can still be had."""

from __future__ import annotations

import random
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from small_world import records

from evalharness.miniature.world.board import PLACES
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.scenes import RELATIONS, holds
from evalharness.training_data.critiques import contradicting_addition, misplace
from evalharness.training_data.graphs import Edge, Node, SceneGraph

WORLD = MiniatureWorld()


@st.composite
def graphs(draw: st.DrawFn) -> SceneGraph:
    """Up to four things, each related to the one before or not, in places or without."""
    count = draw(st.integers(1, 4))
    places = draw(st.lists(st.sampled_from([None, *PLACES]), min_size=count, max_size=count))
    pairs = [node for node in range(1, count) if draw(st.booleans())]
    edges = tuple(Edge(node, draw(st.sampled_from(RELATIONS)), node - 1) for node in pairs)
    return SceneGraph(tuple(Node("cup", None, place) for place in places), edges)


@given(graphs())
def test_what_fits_is_what_some_layout_of_all_things_keeps(graph: SceneGraph) -> None:
    wanted = [None if node.place is None else PLACES.index(node.place) for node in graph.nodes]
    layouts = permutations(range(9), len(wanted))
    assert WORLD.fits(graph) == any(
        all(want in (None, cell) for want, cell in zip(wanted, cells, strict=True))
        and all(holds(edge.relation, cells[edge.subject], cells[edge.object]) for edge in graph.edges)
        for cells in layouts
    )


def pair(first: str | None, second: str | None) -> SceneGraph:
    """A dog left of a cup: the cup comes first."""
    return SceneGraph((Node("cup", None, first), Node("dog", None, second)), (Edge(1, "left of", 0),))


def test_a_thing_is_misplaced_where_its_relations_cannot_hold_or_those_to_it() -> None:
    seen = {misplace(pair("center", None), 0, WORLD, random.Random(seed)) for seed in range(60)}
    # In the left column nothing is left of it.
    assert {one and one.place for one in seen} == {"left", "top-left", "bottom-left"}
    after = {misplace(pair("left", "center"), 1, WORLD, random.Random(seed)) for seed in range(90)}
    # Left of what is at left is nowhere.
    assert {one and one.place for one in after} == set(PLACES) - {"left", "center"}
    free = SceneGraph((Node("cup", None, "left"), Node("dog", None, "top")))
    assert misplace(free, 1, WORLD, random.Random(0)) is None


def test_a_plan_that_loses_a_relation_contradicts_the_prompt() -> None:
    whole, nothing = pair("center", None), SceneGraph(())

    def said(name: str, place: str) -> Node | None:
        return contradicting_addition([Node(name, None, place)], nothing, whole, whole, 0, WORLD)

    assert said("cup", "right") is None, "elsewhere, but the dog still has room"
    assert said("cup", "left") == Node("cup", None, "left")
    assert said("dog", "right") is None, "asked for, if later"
    assert said("apple", "right") == Node("apple", None, "right")


def test_a_teacher_s_misplaced_thing_is_moved() -> None:
    moved = 0
    for one in records("no-self-sampling", 3, 120):
        for number, about in one.provenance.get("critiques", {}).items():
            own = {step.kind: step for step in one.trajectory.steps if step.iteration == int(number)}
            told = own["plan"].text.partition("add ")[2].partition(" </ins>")[0]
            if about["conflict"] == "state-prompt" and "erase" in own["refine"].text:
                noun, place = told.split(" at ")
                assert f"erase {place}" in own["refine"].text
                assert f"change to {noun} at " in own["refine"].text
                assert f"at {place} should be nothing" in own["inspect"].text
                moved += 1
    assert moved > 2

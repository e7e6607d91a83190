"""Plans that contradict their prompt, and the faults that a teacher makes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.miniature.world.crowded import TAGS, metadata
from evalharness.miniature.world.layouts import lay_out
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.training_data.conflicts import Sighting
from evalharness.training_data.critiques import contradicts, follows
from evalharness.training_data.english import English
from evalharness.training_data.faults import mistake, spoil
from evalharness.training_data.graphs import Edge, Node, SceneGraph, of_metadata

WORLD = MiniatureWorld()
PAIR = SceneGraph((Node("cup"), Node("dog", "red")), (Edge(1, "left of", 0),))


@pytest.mark.parametrize(
    ("before", "plan", "wrong"),
    [
        ([], "a cup", False),
        ([], "a cup and a red dog; the red dog is left of the cup", False),
        ([], "a cup and a red dog; the cup is right of the red dog", True),
        ([], "a cup and a red dog", True),
        ([], "a cup and a red dog; the red dog is above the cup", True),
        ([], "a blue dog", True),
        ([], "two cups", True),
        ([Node("cup", None, "a1")], "a cup and a bus", True),
        ([Node("cup", None, "a1")], "a bus", False),
        ([Node("cup", None, "a1")], "a cup", False),
        ([], "a bus and a cup and a dog and a cat", False),
    ],
    ids=["part", "whole", "turned", "relation-lost", "other-relation", "other-color", "too-many", "other-thing",
         "picture-lost", "nothing-added", "far-off"],
)  # fmt: skip
def test_a_plan_contradicts_the_prompt_if_it_is_no_sub_graph(before: list[Node], plan: str, wrong: bool) -> None:
    planned = English().read(plan)
    assert planned is not None
    result = contradicts(planned, SceneGraph(tuple(before)), PAIR)
    assert (result is not None) == wrong
    if result is not None:
        assert list(result.nodes[: len(before)]) == before


@pytest.mark.parametrize(
    ("plan", "shown", "follows_it"),
    [
        ("two cups", ["cup", "cup"], True),
        ("two cups", ["cup", "smudge", "cup"], True),
        ("two cups", ["cup"], False),
        ("a cup and a dog", ["cup", "cup"], False),
        ("a cup", [], False),
    ],
)
def test_a_sketch_follows_a_plan_if_nothing_of_it_is_missing(plan: str, shown: list[str], follows_it: bool) -> None:
    planned = English().read(plan)
    assert planned is not None
    assert follows([Sighting(Node(name, "red", "a1"), 0.5, 0.5) for name in shown], planned) == follows_it


@given(st.integers(0, 10**6), st.sampled_from(TAGS))
def test_a_spoiled_state_has_a_conflict(seed: int, tag: str) -> None:
    rng = random.Random(seed)
    graph = lay_out(of_metadata(metadata(rng, tag)), rng)
    assert graph is not None
    spoiled = spoil(graph, range(len(graph.nodes)), WORLD, rng)
    assert spoiled is not None
    assert WORLD.conflict(graph, WORLD.placed(spoiled)) is not None


@given(st.integers(0, 10**6), st.sampled_from(TAGS))
def test_a_wrong_plan_describes_another_scene_and_can_be_drawn(seed: int, tag: str) -> None:
    rng = random.Random(seed)
    graph = lay_out(of_metadata(metadata(rng, tag)), rng)
    assert graph is not None
    last = len(graph.nodes) - 1
    wrong = mistake(graph, [last], WORLD, rng)
    assert wrong is not None
    assert wrong.nodes[:last] == graph.nodes[:last] or wrong.edges
    assert WORLD.conflict(graph, WORLD.placed(wrong)) is not None
    assert WORLD.conflict(wrong, WORLD.placed(wrong)) is None

"""Mending a board, conflict by conflict."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from evalharness.miniature.world.board import CLASSES, PLACES
from evalharness.miniature.world.crowded import TAGS as CROWDED
from evalharness.miniature.world.crowded import metadata
from evalharness.miniature.world.layouts import lay_out
from evalharness.miniature.world.mending import faults, mend, sighted
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.scenes import TAGS, random_metadata
from evalharness.training_data.conflicts import SMUDGE
from evalharness.training_data.faults import spoil
from evalharness.training_data.graphs import Node, SceneGraph, of_metadata

WORLD = MiniatureWorld()


@st.composite
def wrong_boards(draw: st.DrawFn) -> tuple[SceneGraph, tuple[Node, ...], random.Random]:
    rng = random.Random(draw(st.integers(0, 2**32)))
    tag = draw(st.sampled_from((*TAGS, *CROWDED)))
    graph = of_metadata(metadata(rng, tag) if tag in CROWDED else random_metadata(rng, tag))
    if draw(st.booleans()):  # everything shuffled, some of it lost, and other things besides
        kept = [node for node in graph.nodes if rng.random() < 0.8]
        kept += [Node(rng.choice((SMUDGE, *CLASSES)), rng.choice((None, "red"))) for _ in range(rng.randint(0, 3))]
        places = rng.sample(PLACES, len(kept))
        nodes = tuple(Node(node.name, node.color, place) for node, place in zip(kept, places, strict=True))
    else:
        placed = lay_out(graph, rng)
        assert placed is not None
        nodes = (spoil(placed, range(len(placed.nodes)), WORLD, rng) or placed).nodes
    return graph, tuple(sighted(node).node for node in nodes), rng


@given(wrong_boards())
def test_repeated_mending_ends_with_a_right_board(case: tuple[SceneGraph, tuple[Node, ...], random.Random]) -> None:
    graph, board, rng = case
    while (conflict := WORLD.conflict(graph, seen := [sighted(node) for node in board])) is not None:
        before = faults(graph, board).faults
        after = mend(graph, seen, conflict, rng)
        assert after is not None, conflict
        assert faults(graph, after).faults < before
        board = tuple(sighted(node).node for node in after)
        assert len({node.place for node in board}) == len(board)
    assert faults(graph, board).faults == (0, 0)


@given(wrong_boards())
def test_one_edit_changes_one_thing_or_a_pair(case: tuple[SceneGraph, tuple[Node, ...], random.Random]) -> None:
    graph, board, rng = case
    seen = [sighted(node) for node in board]
    conflict = WORLD.conflict(graph, seen)
    if conflict is None:
        return
    after = mend(graph, seen, conflict, rng)
    assert after is not None
    changed = set(board) ^ {sighted(node).node for node in after}
    assert len(changed) <= (4 if conflict.kind == "wrong relation" else 2)


@given(st.integers(0, 2**32), st.sampled_from((*TAGS, *CROWDED)))
def test_a_layout_is_right_and_keeps_the_places_that_it_can(seed: int, tag: str) -> None:
    rng = random.Random(seed)
    graph = of_metadata(metadata(rng, tag) if tag in CROWDED else random_metadata(rng, tag))
    placed = lay_out(graph, rng)
    assert placed is not None
    assert WORLD.conflict(graph, WORLD.placed(placed)) is None
    kept = lay_out(placed.moved(len(placed.nodes) - 1, None), rng)
    assert kept is not None
    assert kept.nodes[:-1] == placed.nodes[:-1]

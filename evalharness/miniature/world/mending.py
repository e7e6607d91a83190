"""Edits that mend one conflict of a board, and which of two ways to word a wrong relation can be done.

Every edit leaves fewer faults than before (:attr:`~evalharness.training_data.conflicts.Assignment.faults`), so mending
again and again ends in a right picture.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from evalharness.miniature.world.board import PLACES, SIDE, natural_color
from evalharness.training_data.conflicts import (
    SMUDGE,
    Assignment,
    Conflict,
    Sighting,
    assign,
    find_conflict,
    turned,
    wrong_relation,
)
from evalharness.training_data.graphs import Edge, Node, SceneGraph

Board = tuple[Node, ...]
"""What a picture shows: nodes with their places and with the colours in which they are seen."""


def sighted(node: Node) -> Sighting:
    """A thing with its place, seen in its natural colour if it has no other; in cells, at the centre of its cell."""
    row, column = divmod(PLACES.index(str(node.place)), SIDE)
    color = node.color if node.color or node.name == SMUDGE else natural_color(node.name)
    return Sighting(replace(node, color=color), float(column), float(row))


def faults(graph: SceneGraph, board: Iterable[Node]) -> Assignment:
    return assign(graph, [sighted(node) for node in board])


def find(graph: SceneGraph, seen: Sequence[Sighting]) -> Conflict | None:
    """The conflict to name first.

    A wrong relation is told of the thing that can move to where it holds: to move its subject may be impossible, as
    when the object is at the edge of the board.
    """
    conflict = find_conflict(graph, seen)
    if conflict is None or conflict.kind != "wrong relation":
        return conflict
    board = tuple(sighting.node for sighting in seen)
    assignment = assign(graph, seen)
    broken = assignment.broken
    for edge in [*broken, *map(turned, broken)]:
        if _moves(graph, board, assignment, edge):
            return wrong_relation(graph, edge)
    return conflict


def mend(graph: SceneGraph, seen: Sequence[Sighting], conflict: Conflict, rng: random.Random) -> Board | None:
    """The board after the edit that mends a conflict; ``None`` if no single edit does."""
    board = tuple(sighting.node for sighting in seen)
    candidates = _edits(graph, board, assign(graph, seen), conflict)
    if not candidates:
        return None
    scored = [(faults(graph, candidate).faults, candidate) for candidate in candidates]
    fewest = min(score for score, _ in scored)
    if fewest >= faults(graph, board).faults:
        return None
    return rng.choice([candidate for score, candidate in scored if score == fewest])


def _edits(graph: SceneGraph, board: Board, assignment: Assignment, conflict: Conflict) -> list[Board]:
    """The boards that the edit of a conflict may lead to."""
    wanted = conflict.wanted
    if conflict.kind == "missing" and wanted is not None:
        return [(*board, _drawn(wanted, place)) for place in _free(board)]
    if conflict.kind == "smudge":
        return [_without(board, index) for index in assignment.smudges]
    if conflict.kind == "wrong relation":
        return _relation_edits(graph, board, assignment, conflict)
    shown = [index for index, node in enumerate(board) if conflict.seen is not None and node.shows(conflict.seen)]
    if conflict.kind == "too many":
        return [_without(board, index) for index in shown]
    if wanted is None:
        return []
    return [_changed(board, index, _drawn(wanted, board[index].place)) for index in shown]


def _relation_edits(graph: SceneGraph, board: Board, assignment: Assignment, conflict: Conflict) -> list[Board]:
    edges = [
        edge
        for edge in [*assignment.broken, *map(turned, assignment.broken)]
        if wrong_relation(graph, edge) == conflict
    ]
    moves = [move for edge in edges for move in _moves(graph, board, assignment, edge)]
    if moves:
        return moves
    # There is no room on that side: both things change places, or both go elsewhere.
    pairs = [(assignment.pairs[edge.subject], assignment.pairs[edge.object]) for edge in edges]
    swaps = [_swapped(board, *pair) for pair in pairs]
    if any(faults(graph, swap).faults < assignment.faults for swap in swaps):
        return swaps
    return [both for pair in pairs for both in _both_elsewhere(board, *pair)]


def _moves(graph: SceneGraph, board: Board, assignment: Assignment, edge: Edge) -> list[Board]:
    """The boards with the edge's subject in another cell, so that the edge holds and fewer are broken."""
    thing = assignment.pairs[edge.subject]
    moved = [_changed(board, thing, replace(board[thing], place=place)) for place in _free(board)]
    return [candidate for candidate in moved if faults(graph, candidate).faults < assignment.faults]


def _both_elsewhere(board: Board, first: int, second: int) -> list[Board]:
    places = [*_free(board), str(board[first].place), str(board[second].place)]
    return [
        _changed(_changed(board, first, replace(board[first], place=one)), second, replace(board[second], place=other))
        for one in places
        for other in places
        if one != other
    ]


def _swapped(board: Board, first: int, second: int) -> Board:
    one, other = board[first], board[second]
    return _changed(_changed(board, first, replace(one, place=other.place)), second, replace(other, place=one.place))


def _drawn(node: Node, place: str | None) -> Node:
    return replace(node, place=place, color=node.color or natural_color(node.name))


def _free(board: Board) -> list[str]:
    taken = {node.place for node in board}
    return [place for place in PLACES if place not in taken]


def _without(board: Board, index: int) -> Board:
    return (*board[:index], *board[index + 1 :])


def _changed(board: Board, index: int, node: Node) -> Board:
    return (*board[:index], node, *board[index + 1 :])

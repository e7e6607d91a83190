"""The kinds of conflict that an inspection names in the miniature's language: things at places."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalharness.api.conflicts import ConflictKind, conflict_kind
from evalharness.miniature.world.board import CLASSES, PLACES, natural_color
from evalharness.miniature.world.placed_language import SMEAR, PlacedLanguage
from evalharness.training_data.graphs import Node

_PLACE = rf"(?P<place>{'|'.join(sorted(PLACES, key=len, reverse=True))})"
_SEEN = re.compile(rf"(?P<seen>.+?) at {_PLACE} should be (?P<wanted>.+)")
_CHANGE = re.compile(rf"change to (?P<wanted>an? .+) at {_PLACE}")
_ERASE = re.compile(rf"erase {_PLACE}")

Appearance = tuple[str, str]
"""Class and colour of a thing."""


def read_conflicts(description: str, inspection: str, correction: str) -> list[ConflictKind | None] | None:
    """See :class:`evalharness.api.conflicts.ConflictReader`.

    >>> read_conflicts("a red cat at left", "a dog at left should be a red cat", "")
    ['instruction-state']
    """
    planned = PlacedLanguage().read(description)
    if planned is None:
        return None
    clauses = (inspection or correction).split(" and ")
    return [_kind_of_clause(planned, clause.strip(), inspected=bool(inspection)) for clause in clauses]


def _kind_of_clause(planned: Sequence[Node], clause: str, *, inspected: bool) -> ConflictKind | None:
    match = _SEEN.fullmatch(clause) if inspected else _CHANGE.fullmatch(clause) or _ERASE.fullmatch(clause)
    if match is None:
        return None
    place, words = match["place"], match.groupdict()
    planned_here = next((_appearance(node) for node in planned if node.place == place), None)
    try:
        wanted = _read_thing(words.get("wanted") or "nothing", place)
        seen = _read_thing(words["seen"], place) if inspected else planned_here
    except ValueError:
        return None
    return conflict_kind(wanted_is_planned=wanted == planned_here, seen_is_planned=seen == planned_here)


def _read_thing(words: str, place: str) -> Appearance | None:
    """The thing that words name; ``None`` for nothing.

    Raises:
        ValueError: the words name no thing.
    """
    if words == "nothing":
        return None
    if words == f"a {SMEAR}":
        return SMEAR, ""
    nodes = PlacedLanguage().read(f"{words} at {place}")
    if not nodes:
        raise ValueError(words)
    return _appearance(nodes[0])


def _appearance(node: Node) -> Appearance:
    """A thing without a colour has the natural one of its class."""
    return node.name, node.color or (natural_color(node.name) if node.name in CLASSES else "")

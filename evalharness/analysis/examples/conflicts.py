"""Finds the kind of conflict that a refinement was about, from the words of its plan, inspection and correction.

An inspection says what the picture shows and what it should show. If the plan's description contains what it should
show, the sketch is at fault; if the description contains what it shows, the plan is at fault.

Texts are read by the installed readers (:class:`~evalharness.api.conflicts.ConflictReader`), then as the plain English
of :mod:`evalharness.training_data`. The kind is not known for texts in any other language.
"""

from __future__ import annotations

from functools import cache

from evalharness._util.installed import entry_points
from evalharness.api.conflicts import ConflictKind, ConflictReader, conflict_kind
from evalharness.generation.formats.strokes import inner
from evalharness.training_data.conflicts import Conflict, turned
from evalharness.training_data.english import English
from evalharness.training_data.graphs import Node, SceneGraph

GROUP = "evalharness.conflict_readers"


def conflict(plan: str, inspection: str, correction: str) -> ConflictKind | None:
    """The kind of all that was wrong; ``None`` if it is of both kinds, of neither, or cannot be read.

    Texts are as the model wrote them, with their markers. Without an inspection the correction alone is read.

    >>> plan = "<ins> Add a red cat </ins> <des> a red cat </des>"
    >>> conflict(plan, "<inspect> a dog should be a red cat </inspect>", "")
    'instruction-state'
    >>> conflict(plan, "<inspect> a red cat should be a dog </inspect>", "")
    'state-prompt'
    """
    texts = (
        inner(plan, "des").lower(),
        inner(inspection, "inspect").lower(),
        inner(correction, "refine").lower(),
    )
    for read in _readers():
        kinds = read(*texts)
        if kinds is not None:
            return kinds[0] if len(set(kinds)) == 1 else None
    return None


@cache
def _readers() -> list[ConflictReader]:
    """The installed readers by name, then English, which would misread much of their languages."""
    installed = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return [*(entry.load() for entry in installed), read_english]


def read_english(description: str, inspection: str, correction: str) -> list[ConflictKind | None] | None:
    """The reader of plain English, a :class:`~evalharness.api.conflicts.ConflictReader`."""
    english = English()
    planned = english.read(description)
    if planned is None:
        return None
    clauses = (inspection or correction).split("; ")
    read = english.read_conflict if inspection else english.read_correction
    return [_kind(planned, read(clause.strip())) for clause in clauses]


def _kind(planned: SceneGraph, conflict: Conflict | None) -> ConflictKind | None:
    """The kind of one conflict: the sketch is at fault if the plan describes what is wanted.

    One thing too many of those that the plan has tells nothing: either the plan has too many, or the sketch. One that
    is missing although the plan has such things is taken for a fault of the sketch, as it mostly is.
    """
    if conflict is None:
        return None
    seen, wanted = (_is_planned(planned, node) for node in (conflict.seen, conflict.wanted))
    if conflict.kind == "smudge":  # no plan asks for a smudge
        return "instruction-state"
    if conflict.kind == "wrong relation":
        return _kind_of_relation(planned, conflict)
    if conflict.kind == "missing":
        return conflict_kind(wanted_is_planned=wanted, seen_is_planned=not wanted)
    if conflict.kind == "too many":
        return None if seen else "instruction-state"
    return conflict_kind(wanted_is_planned=wanted, seen_is_planned=seen)


def _kind_of_relation(planned: SceneGraph, conflict: Conflict) -> ConflictKind | None:
    (relation,), subject = conflict.relations, conflict.wanted
    facts = {
        (planned.nodes[fact.subject].name, fact.relation, planned.nodes[fact.object].name)
        for edge in planned.edges
        for fact in (edge, turned(edge))
    }
    assert subject is not None
    wanted = (subject.name, relation.name, relation.object.name) in facts
    related = any((one, other) == (subject.name, relation.object.name) for one, _, other in facts)
    return conflict_kind(wanted_is_planned=wanted, seen_is_planned=related)


def _is_planned(planned: SceneGraph, thing: Node | None) -> bool:
    return thing is not None and any(node.shows(thing) or thing.shows(node) for node in planned.nodes)

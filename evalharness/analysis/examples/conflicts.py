"""Finds the kind of conflict that a refinement was about, from the words of its plan, inspection and correction.

An inspection says what the picture shows and what it should show. If the plan's description contains what it should
show, the sketch is at fault; if the description contains what it shows, the plan is at fault.

Texts are read by the installed readers (:class:`~evalharness.api.conflicts.ConflictReader`), then as the plain English
of :mod:`evalharness.training_data`. The kind is not known for texts in any other language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from evalharness._util.installed import entry_points
from evalharness.api.conflicts import ConflictKind, ConflictReader, conflict_kind
from evalharness.generation.formats.strokes import inner
from evalharness.training_data.english import English
from evalharness.training_data.graphs import Node

GROUP = "evalharness.conflict_readers"

_MISSING = re.compile(r"(?P<wanted>an? .+) is missing")
_EXTRA = re.compile(r"(?P<seen>an? .+) should not be there")
_OTHER = re.compile(r"(?P<seen>an? .+) should be (?P<wanted>an? .+)")
_ADD = re.compile(r"add (?P<wanted>an? .+)")
_REMOVE = re.compile(r"remove the (?P<seen>.+)")
_CHANGE = re.compile(r"change the (?P<seen>.+) into (?P<wanted>an? .+)")


def conflict(plan: str, inspection: str, correction: str) -> ConflictKind | None:
    """The kind of all that was wrong; ``None`` if it is of both kinds, of neither, or cannot be read.

    Texts are as the model wrote them, with their markers. Without an inspection the correction alone is read.

    >>> plan = "<ins> add a red cat at left </ins> <des> a red cat at left </des>"
    >>> conflict(plan, "<inspect> a dog at left should be a red cat </inspect>", "")
    'instruction-state'
    >>> conflict(plan, "<inspect> a red cat at left should be a dog </inspect>", "")
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
    planned = English().read(description)
    if planned is None:
        return None
    clauses = (inspection or correction).split("; ")
    return [_kind_of_clause(planned, clause.strip(), inspected=bool(inspection)) for clause in clauses]


def _kind_of_clause(planned: Sequence[Node], clause: str, *, inspected: bool) -> ConflictKind | None:
    patterns = (_MISSING, _EXTRA, _OTHER) if inspected else (_ADD, _REMOVE, _CHANGE)
    match = next(filter(None, (pattern.fullmatch(clause) for pattern in patterns)), None)
    if match is None:
        return None
    things = match.groupdict()
    wanted, seen = (_is_planned(planned, things.get(name)) for name in ("wanted", "seen"))
    if seen is None:  # something is missing: if the plan lacks it as well, the sketch follows the plan
        seen = not wanted
    elif wanted is None:  # something is superfluous: if the plan lacks it, the plan asks for nothing there
        wanted = not seen
    return conflict_kind(wanted_is_planned=bool(wanted), seen_is_planned=seen)


def _is_planned(planned: Sequence[Node], words: str | None) -> bool | None:
    """Whether the plan has a thing that these words describe; ``None`` without words."""
    if words is None:
        return None
    phrase = words if re.match(r"an? ", words) else f"a {words}"
    return any(node.shows(thing) for thing in English().read(phrase) or () for node in planned)

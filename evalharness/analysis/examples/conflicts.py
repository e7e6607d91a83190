"""Which kind of conflict a refinement was about, told from the words of its plan, inspection and correction.

``instruction-state``: the sketch departs from its instruction. ``state-prompt``: the plan departs from the prompt, and
the sketch follows it. An inspection says what is seen and what should be there. If the plan's description has what
should be there, the sketch is at fault; if it has what is seen instead, the plan is.

Texts are read in the miniature's words (things at places) and in the plain English of ``evalharness.training_data``. Of
any others nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalharness.generation.formats.strokes import inner
from evalharness.miniature.world.board import CLASSES, PLACES, natural_color
from evalharness.miniature.world.placed_language import SMEAR, PlacedLanguage
from evalharness.training_data.critiques import Conflict
from evalharness.training_data.english import English
from evalharness.training_data.graphs import Node

_PLACE = rf"(?P<place>{'|'.join(sorted(PLACES, key=len, reverse=True))})"
_SEEN_AT = re.compile(rf"(?P<seen>.+?) at {_PLACE} should be (?P<wanted>.+)")
_CHANGE_AT = re.compile(rf"change to (?P<wanted>an? .+) at {_PLACE}")
_ERASE_AT = re.compile(rf"erase {_PLACE}")
_MISSING = re.compile(r"(?P<wanted>an? .+) is missing")
_EXTRA = re.compile(r"(?P<seen>an? .+) should not be there")
_OTHER = re.compile(r"(?P<seen>an? .+) should be (?P<wanted>an? .+)")
_ADD = re.compile(r"add (?P<wanted>an? .+)")
_REMOVE = re.compile(r"remove the (?P<seen>.+)")
_CHANGE = re.compile(r"change the (?P<seen>.+) into (?P<wanted>an? .+)")


@dataclass(frozen=True, slots=True)
class _Clause:
    """One thing that is wrong. ``asked``: the plan's description has what should be there; ``followed``: it has what is
    seen."""

    asked: bool
    followed: bool

    @property
    def conflict(self) -> Conflict | None:
        if self.asked:
            return "instruction-state"
        return "state-prompt" if self.followed else None


def conflict(plan: str, inspection: str, correction: str) -> Conflict | None:
    """The kind of all that was wrong; ``None`` if it is of both kinds, of neither, or cannot be read.

    Texts are as they were written, with their markers. Where nothing was inspected the correction alone is read.

    >>> plan = "<ins> add a red cat at left </ins> <des> a red cat at left </des>"
    >>> conflict(plan, "<inspect> a dog at left should be a red cat </inspect>", "")
    'instruction-state'
    >>> conflict(plan, "<inspect> a red cat at left should be a dog </inspect>", "")
    'state-prompt'
    """
    description, said = inner(plan, "des").lower(), inner(inspection, "inspect").lower()
    mended = inner(correction, "refine").lower()
    kinds = {one.conflict if one is not None else None for one in _clauses(description, said, mended)}
    return kinds.pop() if len(kinds) == 1 else None


def _clauses(description: str, said: str, mended: str) -> Iterator[_Clause | None]:
    """``None`` for a clause that cannot be read."""
    placed = PlacedLanguage().read(description)
    if placed is not None:
        parts = (said or mended).split(" and ")
        yield from (_at_place(placed, part.strip(), inspected=bool(said)) for part in parts)
        return
    named = English().read(description)
    if named is not None:
        parts = (said or mended).split("; ")
        yield from (_anywhere(named, part.strip(), inspected=bool(said)) for part in parts)


# --- things at places ---


def _at_place(description: Sequence[Node], part: str, *, inspected: bool) -> _Clause | None:
    found = _SEEN_AT.fullmatch(part) if inspected else _CHANGE_AT.fullmatch(part) or _ERASE_AT.fullmatch(part)
    if found is None:
        return None
    place, groups = found["place"], found.groupdict()
    told = next((_shown(node) for node in description if node.place == place), None)
    try:
        wanted = _read_at(groups.get("wanted") or "nothing", place)
        seen = _read_at(groups["seen"], place) if inspected else told
    except ValueError:
        return None
    return _Clause(wanted == told, seen == told)


def _read_at(words: str, place: str) -> tuple[str, str] | None:
    """Class and colour; ``None`` for nothing.

    Raises:
        ValueError: these are no words for a thing.
    """
    if words == "nothing":
        return None
    if words == f"a {SMEAR}":
        return SMEAR, ""
    read = PlacedLanguage().read(f"{words} at {place}")
    if not read:
        raise ValueError(words)
    return _shown(read[0])


def _shown(node: Node) -> tuple[str, str]:
    """A thing without a colour has the one that is natural for it."""
    return node.name, node.color or (natural_color(node.name) if node.name in CLASSES else "")


# --- things without places ---


def _anywhere(description: Sequence[Node], part: str, *, inspected: bool) -> _Clause | None:
    shapes = (_MISSING, _EXTRA, _OTHER) if inspected else (_ADD, _REMOVE, _CHANGE)
    found = next(filter(None, (shape.fullmatch(part) for shape in shapes)), None)
    if found is None:
        return None
    groups = found.groupdict()
    wanted, seen = (_describes(description, groups.get(name)) for name in ("wanted", "seen"))
    if seen is None:  # missing: the description that lacks it, too, is followed
        return _Clause(bool(wanted), not wanted)
    if wanted is None:  # too much: the description that lacks it asks for nothing there
        return _Clause(not seen, seen)
    return _Clause(wanted, seen)


def _describes(description: Sequence[Node], words: str | None) -> bool | None:
    """Whether a description has a thing of these words; ``None`` for no words."""
    if words is None:
        return None
    phrase = words if re.match(r"an? ", words) else f"a {words}"
    return any(node.shows(thing) for thing in English().read(phrase) or () for node in description)

"""What a refinement did, and the rules by which examples are chosen.

A refinement is a step that draws a state again. Whether it helped is for the benchmark's scorer to say. It looks at the
picture before it and at the one that it drew as at any final image: for the whole prompt, right if its score is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalharness.analysis.examples.conflicts import conflict
from evalharness.api.conflicts import ConflictKind
from evalharness.store.results import Judged

Effect = Literal["fixed", "broke", "neither"]


@dataclass(frozen=True, slots=True)
class Refinement:
    """``place``: of the step among all steps; ``before`` and ``after``: digests of the pictures."""

    place: int
    iteration: int
    before: str
    after: str
    conflict: ConflictKind | None


@dataclass(frozen=True, slots=True)
class Case:
    """A refinement as a rule sees it. ``before`` and ``after`` are ``None`` where nobody judged; ``final``: whether the
    sample's final image is right."""

    refinement: Refinement
    before: Judged | None
    after: Judged | None
    final: bool

    @property
    def judged(self) -> bool:
        return self.before is not None and self.after is not None

    @property
    def effect(self) -> Effect:
        if self.before is None or self.after is None or self.before.right == self.after.right:
            return "neither"
        return "fixed" if self.after.right else "broke"


@dataclass(frozen=True, slots=True)
class Rule:
    """``says`` is the definition for readers; ``holds`` is the same for programs."""

    name: str
    title: str
    says: str
    holds: Callable[[Case], bool]


_FIXED = "a picture that the scorer finds wrong became one that it finds right"
_SKETCH = "the inspection asks for what the plan describes, and the sketch shows something else"
_PLAN = "the inspection asks for something else than what the plan describes, and the sketch shows what the plan says"
RULES = (
    Rule(
        "fixed-instruction-state",
        "Fixed: the drawing had departed from its instruction",
        f"The first refinement by which {_FIXED}, of an instruction–state conflict: {_SKETCH}.",
        lambda case: case.effect == "fixed" and case.refinement.conflict == "instruction-state",
    ),
    Rule(
        "fixed-state-prompt",
        "Fixed: the plan had departed from the prompt",
        f"The first refinement by which {_FIXED}, of a state–prompt conflict: {_PLAN}.",
        lambda case: case.effect == "fixed" and case.refinement.conflict == "state-prompt",
    ),
    Rule(
        "broke",
        "Broke a right picture",
        "The first refinement by which a picture that the scorer finds right became one that it finds wrong.",
        lambda case: case.effect == "broke",
    ),
)
UNTOLD = Rule(
    "fixed",
    "Fixed, the kind of conflict unknown",
    f"The first refinement by which {_FIXED}. Of which kind the conflict was cannot be told from such words.",
    lambda case: case.effect == "fixed",
)
"""In place of the first two where no refinement's words can be read."""
_WEAKER = (
    "in a trajectory that ends in a right image. The scorer did not find a wrong picture made right by it: the "
    "pictures were not judged, or more was still to come. That the conflict was one, and was mended here, are the "
    "model’s words."
)


def _claimed(case: Case) -> bool:
    return case.final and case.effect == "neither" and not (case.before is not None and case.before.right)


CLAIMED = (
    Rule(
        "claimed-instruction-state",
        "In the model’s own words: the drawing had departed from its instruction",
        f"The first refinement of an instruction–state conflict ({_SKETCH}) {_WEAKER}",
        lambda case: _claimed(case) and case.refinement.conflict == "instruction-state",
    ),
    Rule(
        "claimed-state-prompt",
        "In the model’s own words: the plan had departed from the prompt",
        f"The first refinement of a state–prompt conflict ({_PLAN}) {_WEAKER}",
        lambda case: _claimed(case) and case.refinement.conflict == "state-prompt",
    ),
)
"""Shown after the first and the second of the rules where these have no example."""
CLAIMED_UNTOLD = Rule(
    "claimed",
    "In the model’s own words, the kind of conflict unknown",
    f"The first refinement {_WEAKER} Of which kind the conflict was cannot be told from such words.",
    _claimed,
)


def refinements(steps: Sequence[Mapping[str, Any]]) -> Iterator[Refinement]:
    """Those of a trajectory's steps (``kind``, ``iteration``, ``text``, ``image``) that drew over a picture."""
    before, plan, inspection = None, "", ""
    for place, step in enumerate(steps):
        kind, text, image = step["kind"], step["text"] or "", step["image"]
        if kind == "plan":
            plan, inspection = text, ""
        elif kind == "inspect":
            inspection = text
        elif kind == "refine" and image is not None and before is not None:
            yield Refinement(place, step["iteration"], before, image, conflict(plan, inspection, text))
        before = image or before

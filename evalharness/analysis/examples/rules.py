"""The effect of a refinement, and the rules by which examples are chosen.

A refinement is a step that draws a state again. Whether it helped is decided by the benchmark's scorer. It scores the
image before the refinement and the image that it drew like any final image: for the whole prompt, right if the score
is 1.
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
    """A refinement of a trajectory.

    ``step``: the index of its step among all steps. ``before`` and ``after``: the digests of the images.
    ``conflict``: what it was about, if that is known.
    """

    step: int
    iteration: int
    before: str
    after: str
    conflict: ConflictKind | None


@dataclass(frozen=True, slots=True)
class Case:
    """A refinement with its scores, to which a rule is applied.

    ``before`` and ``after`` are ``None`` where there is no score. ``final``: whether the sample's final image is right.
    """

    refinement: Refinement
    before: Judged | None
    after: Judged | None
    final: bool

    @property
    def judged(self) -> bool:
        """Whether both images have a score."""
        return self.before is not None and self.after is not None

    @property
    def effect(self) -> Effect:
        """Whether a wrong image became right (fixed), a right one wrong (broke), or neither."""
        if self.before is None or self.after is None or self.before.right == self.after.right:
            return "neither"
        return "fixed" if self.after.right else "broke"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that chooses the first refinement for which ``holds`` is true; ``definition`` states it for readers."""

    name: str
    title: str
    definition: str
    holds: Callable[[Case], bool]


_FIXED = "a picture that the scorer finds wrong became one that it finds right"
_SKETCH = "the inspection asks for what the plan describes, and the sketch shows something else"
_PLAN = "the inspection asks for something other than what the plan describes, and the sketch shows what the plan says"
RULES = (
    Rule(
        "fixed-instruction-state",
        "Fixed: the drawing had departed from its instruction",
        f"The first refinement of an instruction–state conflict ({_SKETCH}) by which {_FIXED}.",
        lambda case: case.effect == "fixed" and case.refinement.conflict == "instruction-state",
    ),
    Rule(
        "fixed-state-prompt",
        "Fixed: the plan had departed from the prompt",
        f"The first refinement of a state–prompt conflict ({_PLAN}) by which {_FIXED}.",
        lambda case: case.effect == "fixed" and case.refinement.conflict == "state-prompt",
    ),
    Rule(
        "broke",
        "Broke a right picture",
        "The first refinement by which a picture that the scorer finds right became one that it finds wrong.",
        lambda case: case.effect == "broke",
    ),
)
KIND_UNKNOWN = Rule(
    "fixed",
    "Fixed, the kind of conflict unknown",
    f"The first refinement by which {_FIXED}. The words do not tell which kind of conflict it was.",
    lambda case: case.effect == "fixed",
)
"""Replaces the first two rules if the words of no refinement can be read."""
_WEAKER = (
    "in a trajectory that ends in a right image. The scorer did not see it make a wrong picture right: the pictures "
    "were not judged, or more was still to come. Only the model’s words say that there was a conflict and that it was "
    "resolved."
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
"""Weaker rules for the first two: shown after a rule that has no example."""
CLAIMED_KIND_UNKNOWN = Rule(
    "claimed",
    "In the model’s own words, the kind of conflict unknown",
    f"The first refinement {_WEAKER} The words do not tell which kind of conflict it was.",
    _claimed,
)


def refinements(steps: Sequence[Mapping[str, Any]]) -> Iterator[Refinement]:
    """The refinements of a trajectory, from its steps (with ``kind``, ``iteration``, ``text`` and ``image``)."""
    before, plan, inspection = None, "", ""
    for index, step in enumerate(steps):
        kind, text, image = step["kind"], step["text"] or "", step["image"]
        if kind == "plan":
            plan, inspection = text, ""
        elif kind == "inspect":
            inspection = text
        elif kind == "refine" and image is not None and before is not None:
            yield Refinement(index, step["iteration"], before, image, conflict(plan, inspection, text))
        before = image or before

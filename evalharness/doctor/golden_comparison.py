"""Compares a scorer with a golden file. Machines that work differ only by rounding; the tolerances allow for this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from evalharness._util.hashing import canonical
from evalharness.doctor.check_result import CheckResult, fail, ok, warn
from evalharness.doctor.golden import MIN_DETECTION_SCORE, Golden, GoldenObject, GoldenScorer, golden_objects
from evalharness.doctor.scorer_check import ScorerCheck, describe_identity, score_known_answers
from evalharness.errors import EvalHarnessError

SCORE_TOLERANCE = 0.02
"""Accepted difference of a detection's score, or of a benchmark's."""
BOX_TOLERANCE = 0.02
"""Accepted difference of a box's edge, as a share of the image's longer side."""
TOLERATED_SHARE = 0.05
"""Share of objects and of verdicts that may differ with no more than a warning."""


def compare_golden(golden: Golden, check: ScorerCheck) -> Iterator[CheckResult]:
    """Compare the scorer's results on the golden file's images with those in the file."""
    name = f"{check.label} golden"
    recorded = golden.scorers.get(check.benchmark.name)
    if recorded is None:
        yield fail(name, f"the golden file is of {', '.join(golden.scorers)}", "write one with --write-golden")
        return
    identity = check.identity
    if canonical(identity) != canonical(recorded.identity):
        scorers = f"{describe_identity(recorded.identity)} there, {describe_identity(identity)} here"
        message = f"the golden file is of another scorer ({scorers}: {_first_difference(recorded, identity)})"
        yield fail(name, message, "compare like with like, or write another")
        return
    yield _compare_images(name, golden.hardware, recorded, check)


def _compare_images(name: str, hardware: str, recorded: GoldenScorer, check: ScorerCheck) -> CheckResult:
    try:
        specimens = [image.known_answer() for image in recorded.images]
    except EvalHarnessError as error:
        raise EvalHarnessError(f"{name}: {error}") from None
    scores = score_known_answers(check.scorer, specimens)
    objects = different_objects = different_verdicts = 0
    first_difference = ""
    for image, specimen, score in zip(recorded.images, specimens, scores, strict=True):
        current, side = golden_objects(score), max(specimen.image.size)
        lost, new = unmatched(image.objects, current, side), unmatched(current, image.objects, side)
        objects += max(len(image.objects), len(current))
        different_objects += max(len(lost), len(new))
        different_verdicts += abs(score.value - image.value) > SCORE_TOLERANCE
        if (lost or new) and not first_difference:
            first_difference = f"; the first, {_describe(new)} for {_describe(lost)} in {image.prompt!r}"
    if not different_objects and not different_verdicts:
        tolerances = f"scores within {SCORE_TOLERANCE}, edges within {BOX_TOLERANCE:.0%}"
        return ok(name, f"{objects} objects in {len(specimens)} images as on {hardware} ({tolerances})")
    message = (
        f"{different_objects} of {objects} objects and {different_verdicts} of {len(specimens)} verdicts are not as on "
        f"{hardware}{first_difference}"
    )
    few_objects = different_objects <= TOLERATED_SHARE * objects
    if few_objects and different_verdicts <= TOLERATED_SHARE * len(specimens):
        return warn(name, message, "so few can be rounding, where a score or an edge stands on a threshold")
    advice = (
        "trust no score from here before the two agree; see the lines cuda, kernels and mmcv, and whether the detector "
        "is given red, green and blue in the order that it expects"
    )
    return fail(name, message, advice)


def unmatched(objects: Sequence[GoldenObject], candidates: Sequence[GoldenObject], side: int) -> list[GoldenObject]:
    """Objects without a partner among the candidates.

    An object whose score is within the tolerance of the recording threshold counts as matched: its partner may have
    fallen below the threshold.

    Args:
        objects: the objects to match.
        candidates: possible partners; each is the partner of at most one object.
        side: longer side of the image in pixels.
    """
    remaining = list(candidates)
    alone = []
    for item in objects:
        partner = next((candidate for candidate in remaining if _agree(item, candidate, side)), None)
        if partner is not None:
            remaining.remove(partner)
        elif item.score >= MIN_DETECTION_SCORE + SCORE_TOLERANCE:
            alone.append(item)
    return alone


def _agree(left: GoldenObject, right: GoldenObject, side: int) -> bool:
    close = all(abs(a - b) <= BOX_TOLERANCE * side for a, b in zip(left.box, right.box, strict=True))
    same_kind = (left.cls, left.color) == (right.cls, right.color)
    return close and same_kind and abs(left.score - right.score) <= SCORE_TOLERANCE


def _describe(objects: Sequence[GoldenObject]) -> str:
    """The first object, or ``nothing``."""
    if not objects:
        return "nothing"
    first = objects[0]
    color = f"{first.color} " if first.color else ""
    return f"{color}{first.cls} at {', '.join(f'{edge:.0f}' for edge in first.box)} with {first.score:.2f}"


def _first_difference(recorded: GoldenScorer, identity: dict[str, Any]) -> str:
    """The first key in which two identities differ."""
    keys = {**recorded.identity, **identity}
    return next((key for key in keys if recorded.identity.get(key) != identity.get(key)), "")

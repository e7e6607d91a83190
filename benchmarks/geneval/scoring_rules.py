"""GenEval's rules: from the detections in an image to a verdict. These are pure functions, without images or models.

They follow the published evaluation (Ghosh et al., arXiv 2310.11513) exactly, including its surprises: detections of
one class may overlap; a class with too few detections fails its own clause and every clause that is placed relative to
it; a placement stops at its first failing pair, while later clauses are still evaluated.

The published program leaves two outcomes to chance. Here, detections with equal scores keep the detector's order, and
several relations of one pair are listed in the order of :data:`RELATIONS` (the published program uses a Python set).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from evalharness.api.detector import Detection

from .classes import COLORS, RELATIONS

Share = Annotated[float, Field(ge=0.0, le=1.0)]
ColorOf = Callable[[Detection], str]
Kept = Mapping[str, Sequence[Detection]]


class Rules(BaseModel):
    """The numbers of the protocol; the defaults are the published ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    threshold: Share = 0.3
    """Detections count if their score is above this."""
    counting_threshold: Share = 0.9
    """The same for the counting task."""
    max_objects: int = Field(16, ge=1)
    """At most this many detections of a class count, the best ones."""
    max_overlap: Share = 1.0
    """Detections that overlap a better one of their class by this IoU do not count; 1.0 keeps all."""
    position_threshold: float = Field(0.1, ge=0.0, allow_inf_nan=False)
    """Offsets below this share of the objects' sizes are no relation."""

    def min_score(self, tag: str) -> float:
        return self.counting_threshold if tag == "counting" else self.threshold


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the rules for one image.

    Attributes:
        correct: Whether all clauses are fulfilled.
        reason: One line for each failure.
        kept: The detections that counted, by class, best first.
    """

    correct: bool
    reason: str
    kept: Kept


def judge(detections: Iterable[Detection], metadata: Mapping[str, Any], rules: Rules, color_of: ColorOf) -> Verdict:
    """Apply the rules to one image.

    Args:
        detections: All detections in the image.
        metadata: The prompt's line in the prompt file.
        rules: The numbers of the rules.
        color_of: Returns the colour of a detection; called only if a clause asks for one.
    """
    kept = keep(detections, metadata["tag"], rules)
    failures: list[str] = []
    groups: list[Sequence[Detection] | None] = []
    for clause in metadata["include"]:
        taken = kept.get(clause["class"], ())[: clause["count"]]
        failure = _include_failure(clause, taken, groups, rules, color_of)
        groups.append(taken if failure is None else None)
        failures += [failure] if failure is not None else []
    for clause in metadata.get("exclude", ()):
        name, limit = clause["class"], clause["count"]
        count = len(kept.get(name, ()))
        if count >= limit:
            failures.append(f"expected {name}<{limit}, found {count}")
    return Verdict(not failures, "\n".join(failures), kept)


def objects_to_color(detections: Iterable[Detection], metadata: Mapping[str, Any]) -> list[Detection]:
    """The detections whose colours :func:`judge` may ask for, whatever the numbers of the rules."""
    colored = {clause["class"] for clause in metadata["include"] if clause.get("color") is not None}
    return [detection for detection in detections if detection.cls in colored]


def keep(detections: Iterable[Detection], tag: str, rules: Rules) -> dict[str, list[Detection]]:
    """The detections that count, by class, best first.

    Score and threshold are compared in single precision, as published: 0.3 in single precision is above 0.3.
    """
    by_class: dict[str, list[Detection]] = {}
    threshold = np.float32(rules.min_score(tag))
    for detection in sorted(detections, key=lambda detection: -detection.score):
        if np.float32(detection.score) > threshold:
            by_class.setdefault(detection.cls, []).append(detection)
    return {cls: _drop_overlaps(ranked[: rules.max_objects], rules.max_overlap) for cls, ranked in by_class.items()}


def _drop_overlaps(ranked: list[Detection], max_overlap: float) -> list[Detection]:
    if max_overlap == 1.0:
        return ranked
    kept: list[Detection] = []
    for detection in ranked:
        if all(iou(detection, better) < max_overlap for better in kept):
            kept.append(detection)
    return kept


def iou(a: Detection, b: Detection) -> float:
    """Intersection over union of two boxes, in single precision as published.

    The second corner counts as inclusive, as published ("+ 1" in widths).
    """
    first, second = np.array([a.box, b.box], dtype=np.float32)
    shared = _area(np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])]))
    union = _area(first) + _area(second) - shared
    return float(shared / union) if union else 0.0


def _area(box: NDArray[np.float32]) -> np.float32:
    width, height = np.maximum(box[2:] - box[:2] + 1, 0)
    return np.float32(width * height)


def _include_failure(
    clause: Mapping[str, Any],
    taken: Sequence[Detection],
    groups: Sequence[Sequence[Detection] | None],
    rules: Rules,
    color_of: ColorOf,
) -> str | None:
    """Why detections do not fulfil a clause, or ``None`` if they do.

    Args:
        clause: The clause.
        taken: The detections that were assigned to it.
        groups: The detections assigned to each earlier clause; ``None`` for a clause that failed.
        rules: The numbers of the rules.
        color_of: Returns the colour of a detection.
    """
    name, count = clause["class"], clause["count"]
    if len(taken) < count:
        return f"expected {name}>={count}, found {len(taken)}"
    if clause.get("color") is not None:
        failure = _color_failure(clause, [color_of(detection) for detection in taken])
        if failure is not None:
            return failure
    if clause.get("position") is not None:
        relation, target = clause["position"]
        return _position_failure(name, relation, taken, groups[target], rules.position_threshold)
    return None


def _color_failure(clause: Mapping[str, Any], colors: Sequence[str]) -> str | None:
    name, count, color = clause["class"], clause["count"], clause["color"]
    matching = colors.count(color)
    if matching >= count:
        return None
    histogram = ", ".join(f"{colors.count(other)} {other}" for other in COLORS if other in colors)
    return f"expected {color} {name}>={count}, found {matching} {color}; and {histogram}"


def _position_failure(
    name: str, relation: str, taken: Sequence[Detection], targets: Sequence[Detection] | None, threshold: float
) -> str | None:
    if targets is None:
        return f"no target for {name} to be {relation}"
    for detection in taken:
        for target in targets:
            holding = relations(detection, target, threshold)
            if relation not in holding:
                return f"expected {name} {relation} target, found {' and '.join(holding)} target"
    return None


def relations(a: Detection, b: Detection, threshold: float) -> list[str]:
    """The position of ``a`` relative to ``b``: none, one or two of :data:`RELATIONS`.

    This is computed in single precision, as published, because some placements lie exactly on a limit.
    """
    corners = np.array([a.box, b.box], dtype=np.float32).reshape(2, 2, 2)
    offset = corners[0].mean(axis=0) - corners[1].mean(axis=0)
    sizes = np.abs(corners[:, 1] - corners[:, 0]).sum(axis=0)
    shrunk = np.maximum(np.abs(offset) - threshold * sizes, 0) * np.sign(offset)
    if (np.abs(shrunk) < 1e-3).all():
        return []
    dx, dy = shrunk / np.linalg.norm(offset)
    holds = (dx < -0.5, dx > 0.5, dy < -0.5, dy > 0.5)
    return [relation for relation, true in zip(RELATIONS, holds, strict=True) if true]

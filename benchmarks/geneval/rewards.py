"""Rewards that follow from an image's detections and are finer, or stricter, than the published verdict.

The published verdict is 1 if all conditions of the prompt hold, and asks for at least so many objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalharness.api.detector import Detection

from .scoring_rules import ColorOf, Kept, Rules, keep, relations


def rewards(details: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, float]:
    """Rewards by the details of a score.

    Args:
        details: Those of the score: ``detections`` with their colours, ``rules``.
        metadata: The prompt's line in the prompt file.

    Returns:
        ``soft``: the share of the conditions that hold, each counted alone; 1 exactly if the published verdict is.
        ``strict``: 1 if the published verdict is and each class is found exactly as often as the prompt asks, else 0.
    """
    rules = Rules.model_validate(details["rules"])
    detections = [Detection(entry["class"], tuple(entry["box"]), entry["score"]) for entry in details["detections"]]
    colors = {id(detection): entry["color"] for detection, entry in zip(detections, details["detections"], strict=True)}
    kept = keep(detections, metadata["tag"], rules)
    holding = list(_conditions(kept, metadata, rules, lambda detection: str(colors[id(detection)])))
    strict = all(holding) and _exact(kept, metadata["include"])
    return {"soft": sum(holding) / len(holding), "strict": float(strict)}


def _conditions(kept: Kept, metadata: Mapping[str, Any], rules: Rules, color_of: ColorOf) -> Iterator[bool]:
    """Whether each condition holds: number, colour and position of each clause, and each exclusion."""
    clauses = metadata["include"]
    groups = [kept.get(clause["class"], ())[: clause["count"]] for clause in clauses]
    for clause, taken in zip(clauses, groups, strict=True):
        present = len(taken) >= clause["count"]
        yield present
        if clause.get("color") is not None:
            yield present and all(color_of(detection) == clause["color"] for detection in taken)
        if clause.get("position") is not None:
            relation, target = clause["position"]
            anchored = present and len(groups[target]) >= clauses[target]["count"]
            yield anchored and _placed(relation, taken, groups[target], rules)
    for clause in metadata.get("exclude", ()):
        yield len(kept.get(clause["class"], ())) < clause["count"]


def _placed(relation: str, taken: Sequence[Detection], targets: Sequence[Detection], rules: Rules) -> bool:
    return all(relation in relations(a, b, rules.position_threshold) for a in taken for b in targets)


def _exact(kept: Kept, clauses: Sequence[Mapping[str, Any]]) -> bool:
    asked: dict[str, int] = {}
    for clause in clauses:
        asked[clause["class"]] = max(asked.get(clause["class"], 0), clause["count"])
    return all(len(kept.get(name, ())) == count for name, count in asked.items())

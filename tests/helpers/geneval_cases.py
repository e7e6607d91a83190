"""Random images of GenEval, as prompts and detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from evalharness.api.detector import Detection

CLASSES = ("dog", "cat", "cow")
COORDINATES = st.integers(0, 100).map(float)


def clause(cls: str, count: int = 1, **extra: Any) -> dict[str, Any]:
    return {"class": cls, "count": count, **extra}


def prompt(*include: dict[str, Any], tag: str = "two_object", exclude: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {"tag": tag, "include": list(include)} | ({"exclude": list(exclude)} if exclude else {})


@st.composite
def detections(draw: st.DrawFn) -> list[Detection]:
    scores = draw(st.lists(st.floats(0.0, 1.0), max_size=12, unique=True))
    boxes = st.tuples(COORDINATES, COORDINATES, st.integers(1, 60), st.integers(1, 60))
    drawn = [(draw(st.sampled_from(CLASSES)), draw(boxes), score) for score in scores]
    return [Detection(cls, (x, y, x + width, y + height), score) for cls, (x, y, width, height), score in drawn]


@st.composite
def prompts(draw: st.DrawFn) -> dict[str, Any]:
    include = []
    for index in range(draw(st.integers(1, 3))):
        extra: dict[str, Any] = {}
        if draw(st.booleans()):
            extra["color"] = draw(st.sampled_from(("red", "blue")))
        if index and draw(st.booleans()):
            relation = draw(st.sampled_from(("left of", "right of", "above", "below")))
            extra["position"] = [relation, draw(st.integers(0, index - 1))]
        include.append(clause(draw(st.sampled_from(CLASSES)), draw(st.integers(1, 3)), **extra))
    exclude = [clause(cls, draw(st.integers(1, 4))) for cls in draw(st.sets(st.sampled_from(CLASSES), max_size=2))]
    return prompt(*include, tag=draw(st.sampled_from(("counting", "position"))), exclude=exclude)


def by_score(detection: Detection) -> str:
    return "red" if int(detection.score * 1000) % 2 else "blue"

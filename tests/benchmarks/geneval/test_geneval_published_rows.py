"""Rows of the published program's ``results.jsonl`` give the verdicts that they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from geneval_cases import by_score, detections, prompts
from hypothesis import given

from evalharness.api.benchmark import Exported
from evalharness.api.detector import Detection
from evalharness.benchmarks.geneval.detection_scoring import score_detections
from evalharness.benchmarks.geneval.published_layout import row
from evalharness.benchmarks.geneval.scoring_rules import Rules, judge
from evalharness.errors import ConfigError
from evalharness.types.item import Item
from evalharness.types.score import Score

RULES = Rules()


def published(found: list[Detection], metadata: dict[str, Any]) -> dict[str, Any]:
    """The row that the published program writes of an image in which these were detected."""
    verdict = judge(found, metadata, RULES, by_score)
    counted = {id(detection) for kept in verdict.kept.values() for detection in kept}
    listed = [
        {
            "class": detection.cls,
            "box": list(detection.box),
            "score": detection.score,
            "counted": id(detection) in counted,
        }
        for detection in sorted(found, key=lambda detection: -detection.score)
    ]
    score = Score(float(verdict.correct), verdict.reason, {"detections": listed})
    return row(Exported(Item("0", metadata["prompt"], metadata["tag"], metadata), 0, b"", score), "00000/samples/0.png")


@given(detections(), prompts())
def test_a_row_has_the_verdict_that_it_was_given(found: list[Detection], metadata: dict[str, Any]) -> None:
    metadata = metadata | {"prompt": "a photo"}
    line = json.loads(json.dumps(published(found, metadata)))
    try:
        again = score_detections(line, RULES, "line 1")
    except ConfigError as error:
        assert "which has none" in str(error)
        mixed = [text for text in line["reason"].splitlines() if "red; and" in text or "blue; and" in text]
        assert any(" red" in text.partition("; and")[2] and " blue" in text.partition("; and")[2] for text in mixed)
        return
    assert (again.value == 1, again.reason) == (line["correct"], line["reason"])


RED_DOG = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}], "prompt": "a photo of a red dog"}
ROW = {
    "metadata": json.dumps(RED_DOG),
    "details": json.dumps({"dog": [[0, 0, 10, 10, 0.8]]}),
    "reason": "expected red dog>=1, found 0 red; and 1 brown",
    "correct": False,
}


def test_other_rules_judge_a_row_anew() -> None:
    assert score_detections(ROW, RULES, "line 1").reason == ROW["reason"]
    assert score_detections(ROW, Rules(threshold=0.85), "line 1").reason == "expected dog>=1, found 0"
    assert score_detections(ROW | {"reason": "", "correct": True}, RULES, "line 1").value == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": "{"}, "metadata is not JSON"),
        ({"details": "[]"}, "details must be a JSON object, got list"),
        ({"details": '{"dog": [[1, 2, 3]]}'}, "details: dog: a detection must be"),
        ({"details": '{"dragon": [[0, 0, 1, 1, 0.5]]}'}, "unknown class 'dragon'"),
        ({"details": '{"dog": [[0, 0, 1, 1, NaN]]}'}, "finite number"),
        ({"reason": None}, "reason must be a text, got NoneType"),
    ],
)
def test_a_malformed_row_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"^line 3:? ?") as caught:
        score_detections(ROW | change, RULES, "line 3")
    assert message in str(caught.value)

"""Soft and strict rewards against the published verdict, and against cases that can be counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from geneval_cases import by_score, clause, detections, prompt, prompts
from hypothesis import given

from evalharness.api.detector import Detection
from evalharness.benchmarks.geneval.rewards import rewards
from evalharness.benchmarks.geneval.scoring_rules import Rules, judge

RULES = Rules()


def graded(found: list[Detection], metadata: dict[str, Any]) -> dict[str, float]:
    listed = [
        {"class": detection.cls, "box": list(detection.box), "score": detection.score, "color": by_score(detection)}
        for detection in found
    ]
    return rewards({"detections": listed, "rules": RULES.model_dump()}, metadata)


@given(detections(), prompts())
def test_the_soft_reward_is_one_exactly_where_the_published_verdict_is(
    found: list[Detection], metadata: dict[str, Any]
) -> None:
    verdict, given_rewards = judge(found, metadata, RULES, by_score), graded(found, metadata)
    assert 0 <= given_rewards["soft"] <= 1
    assert (given_rewards["soft"] == 1) == verdict.correct
    assert given_rewards["strict"] <= verdict.correct


@given(detections(), prompts())
def test_strict_is_the_verdict_of_a_prompt_that_excludes_one_more_of_each_class(
    found: list[Detection], metadata: dict[str, Any]
) -> None:
    counts: dict[str, int] = {}
    for included in metadata["include"]:
        counts[included["class"]] = max(counts.get(included["class"], 0), included["count"])
    exclusions = [*metadata.get("exclude", ()), *(clause(name, count + 1) for name, count in counts.items())]
    exact = judge(found, metadata | {"exclude": exclusions}, RULES, by_score)
    assert graded(found, metadata)["strict"] == exact.correct


def at(cls: str, x: float, score: float = 0.901) -> Detection:
    """0.901 is red, 0.902 blue; see ``by_score``."""
    return Detection(cls, (x, 0.0, x + 10, 10.0), score)


@pytest.mark.parametrize(
    ("found", "soft"),
    [
        ([], 0 / 4),
        ([at("dog", 0, 0.902)], 1 / 4),
        ([at("dog", 0)], 2 / 4),
        ([at("dog", 0, 0.902), at("cat", 50)], 3 / 4),
        ([at("dog", 50), at("cat", 0)], 3 / 4),
        ([at("dog", 0), at("cat", 50)], 4 / 4),
    ],
)
def test_each_condition_counts_alone(found: list[Detection], soft: float) -> None:
    """A red dog, and a cat right of it: number, colour, number, position."""
    red_dog_and_cat = prompt(clause("dog", color="red"), clause("cat", position=["right of", 0]), tag="position")
    assert graded(found, red_dog_and_cat)["soft"] == soft

"""Results of plugins become plain Python values, or a clear error."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from evalharness.api.plugin_results import plain_reply, plain_score, plain_trajectory
from evalharness.errors import NotFiniteError, SampleError
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory

NUMBERS = [1, True, 1.0, np.float16(1), np.float32(1), np.float64(1), np.int64(1), np.bool_(True), torch.ones(())]
NOT_FINITE = [float("nan"), float("inf"), np.float32("nan"), np.float64("-inf"), torch.tensor(float("nan"))]
NO_NUMBERS = ["1", None, b"1", [1.0], 1j, np.ones(2)]


@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_is_a_value(number: Any) -> None:
    score = plain_score(Score(number), "scorer")
    assert type(score.value) is float
    assert score == Score(1.0)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["evaluations", "tokens", "seconds", "dollars"])
def test_any_number_is_a_cost(number: Any, name: str) -> None:
    (step,) = plain_trajectory(Trajectory((Step("draw", cost=replace(Cost(), **{name: number})),)), "model").steps
    kind = int if name in ("evaluations", "tokens") else float
    assert type(getattr(step.cost, name)) is kind
    assert step.cost == replace(Cost(), **{name: 1})


@pytest.mark.parametrize("number", NOT_FINITE)
def test_numbers_that_are_none_are_named_wherever_they_stand(number: Any) -> None:
    for score, name in (
        (Score(number), "value"),
        (Score(1, "", {"a": {"b": [0, number]}}), r"details\.a\.b\[1\]"),
        (Score(1, "", {"a": np.array([0, float(number)])}), r"details\.a\[1\]"),
    ):
        with pytest.raises(NotFiniteError, match=f"^benchmark 'x' returned (nan|-?inf) as {name}; "):
            plain_score(score, "benchmark 'x'")
    for field in ("evaluations", "tokens", "seconds", "dollars"):
        steps = (Step("think"), Step("draw", cost=replace(Cost(), **{field: number})))
        with pytest.raises(NotFiniteError, match=rf"^model 'x' returned .* as steps\[1\]\.cost\.{field}; "):
            plain_trajectory(Trajectory(steps), "model 'x'")
    for field in ("prompt_tokens", "completion_tokens", "cost", "seconds"):
        with pytest.raises(NotFiniteError, match=f" as {field}; "):
            plain_reply(replace(Reply("yes"), **{field: number}), "benchmark 'x'")


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(SampleError, match=r"^benchmark 'x' returned .* as value, which must be a number$"):
        plain_score(Score(value), "benchmark 'x'")
    trajectory = Trajectory((Step("draw", cost=Cost(value)),))
    with pytest.raises(SampleError, match=r"returned .* as steps\[0\]\.cost\.evaluations, which must be a whole"):
        plain_trajectory(trajectory, "model 'x'")


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (Step("draw", image="a path"), "image"),  # type: ignore[arg-type]
        (Step("draw", text=None), "text"),  # type: ignore[arg-type]
        (Step("draw", iteration=1.5), "iteration"),  # type: ignore[arg-type]
        (Step("draw", seed="1"), "seed"),  # type: ignore[arg-type]
        (Step("draw", cost=3), "cost"),  # type: ignore[arg-type]
        (Step(1), "kind"),  # type: ignore[arg-type]
    ],
)
def test_each_field_of_a_step_is_checked(step: Step, name: str) -> None:
    with pytest.raises(SampleError, match=rf"^model 'x' returned \w+ as steps\[0\]\.{name}, which must be "):
        plain_trajectory(Trajectory((step,)), "model 'x'")


@pytest.mark.parametrize("result", [None, 0.5, {"value": 1}])
def test_what_is_no_result_at_all_is_named(result: Any) -> None:
    for check, kind in ((plain_score, "Score"), (plain_trajectory, "Trajectory"), (plain_reply, "Reply")):
        with pytest.raises(SampleError, match=f"^'x' returned {type(result).__name__} as .*, which must be a {kind}$"):
            check(result, "'x'")


def test_details_are_what_json_would_read_back() -> None:
    details = {"a": (1, None, True), "b": {1: "x", np.int64(2): np.arange(2)}, "c": np.float32(0.5)}
    plain = plain_score(Score(1, "", details), "scorer").details
    assert plain == {"a": [1, None, True], "b": {"1": "x", "2": [0, 1]}, "c": 0.5}
    assert json.loads(json.dumps(dict(plain))) == plain


def test_plain_results_stay_as_they_are() -> None:
    steps = (Step("plan", 1, "a plan", cost=Cost(0, 3, 0.5)), Step("sketch", 1, "", b"png", 7, Cost(8, 0, 0.25, 0.125)))
    trajectory, reply = Trajectory(steps, False), Reply("Score: 1", "length", 3, 4, 0.5, 0.25, "no", "because", "eye")
    assert plain_trajectory(trajectory, "model") == trajectory
    assert plain_reply(reply, "judge") == reply
    assert plain_score(Score(0.5, "half", {"a": [1]}), "scorer") == Score(0.5, "half", {"a": [1]})

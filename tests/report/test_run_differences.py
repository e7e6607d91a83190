"""What runs differ in is told, and what is alike is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from runs import random_scores, run

from evalharness.report.run_differences import incomparable, run_differences
from evalharness.store.results import Results

SCORES = random_scores(["x"])
Change = Callable[[dict[str, Any]], None]


def with_info(change: Change) -> Results:
    results = run(SCORES)
    info = copy.deepcopy(dict(results.info))
    change(info)
    return replace(results, info=info)


def toy(**values: Any) -> Change:
    return lambda info: info["benchmarks"]["toy"].update(values)


def environment(**values: str) -> Change:
    counts = {"drawn": {"toy": {"x": 9}}, "begun": {}, "scored": {"toy": {"x": 9}}}
    return lambda info: info.update(environments=[{"id": str(values), "host": "h", **counts, **values}])


def test_equal_runs_differ_in_nothing() -> None:
    assert run_differences([run(SCORES), run(SCORES)]) == []


@pytest.mark.parametrize(
    ("change", "what", "texts", "kind"),
    [
        (toy(prompt_set="rewritten"), "Prompt set", ("original abababab", "rewritten abababab"), "prompts"),
        (toy(version="2"), "Protocol", ("1", "2"), "protocol"),
        (toy(samples=4), "Images", ("3 images per prompt", "4 images per prompt"), None),
        (toy(scorer={"name": "judge", "cut": {"at": 3}}), "Scorer", ("name rules", "name judge, cut.at 3"), "scorer"),
        (toy(weights={"a": 0.5, "b": 0.5}), "Weights of categories", ("a 0.25, b 0.75", "a 0.5, b 0.5"), "weights"),
        (lambda info: info.update(seed=7), "Seed", ("0", "7"), None),
        (lambda info: info["models"]["m"].update(dtype="bf16"), "Models", ("m", "m.dtype bf16"), None),
    ],
)
def test_each_respect_is_told(change: Change, what: str, texts: tuple[str, ...], kind: str | None) -> None:
    differences = run_differences([run(SCORES), with_info(change)])
    assert [(found.what, found.values[1]) for found in differences] == [(what, texts[1])]
    if what != "Models":
        assert differences[0].values == texts
    assert incomparable(differences, "toy", 1, 0) == ([kind] if kind else [])
    assert incomparable(differences, "toy", 0, 0) == []


def test_another_environment_is_told_by_what_differs_in_it() -> None:
    runs = [with_info(environment(cuda=version, driver="1")) for version in ("12.1", "12.4")]
    differences = run_differences(runs)
    assert [(found.what, found.values) for found in differences] == [
        ("Drawn in", ("CUDA 12.1", "CUDA 12.4")),
        ("Scored in", ("CUDA 12.1", "CUDA 12.4")),
    ]
    assert incomparable(differences, "toy", 1, 0) == ["environment"]


def test_an_environment_that_is_not_known_is_no_difference() -> None:
    differences = run_differences([run(SCORES), with_info(environment(cuda="12.1"))])
    assert differences == []


def test_other_prompts_of_the_same_number_are_told() -> None:
    other = run(SCORES, items=[f"other {number}" for number in range(40)])
    (difference,) = run_differences([run(SCORES), other])
    assert difference.what == "Prompts taken"
    assert difference.values[0] != difference.values[1]


def test_a_run_without_the_benchmark_has_a_dash() -> None:
    runs = [run(SCORES), run(SCORES, benchmark="other"), with_info(toy(version="2"))]
    (difference,) = run_differences(runs)
    assert difference.values == ("1", "–", "2")
    assert incomparable([difference], "toy", 1, 0) == []


def test_settings_of_several_arms_are_told_once() -> None:
    two = {"x": SCORES["x"], "y": SCORES["x"]}
    runs = [run(two, settings={arm: {"steps": steps, "same": 1} for arm in two}) for steps in (20, 50)]
    (difference,) = run_differences(runs)
    assert difference.what == "Settings of x and 1 more arm"
    assert difference.values == ("steps 20", "steps 50")

"""Numbers that plugins return are the same in every executor, and those that are none never reach the store."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import number_plugins
import pytest
from plugin_packages import install_package
from ray_runs import content, rows, run, write

IN_PROCESS = {"name": "local", "in_process": True}
RAY = pytest.param(
    {"name": "ray"},
    marks=[pytest.mark.slow, pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is missing")],
)
executors = pytest.mark.parametrize("executor", [IN_PROCESS, {"name": "local", "workers": 2}, RAY])


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": install_package(tmp_path / "site", **number_plugins.PLUGINS)}


def sweep(folder: Path, executor: Any, benchmark: dict[str, Any], **model: Any) -> Path:
    benchmarks = [{"name": "numbers", "prompts": ["thing 0", "thing 1", "thing 2", "thing 3"], **benchmark}]
    return write(folder, executor, model={"name": "numbers", **model}, benchmarks=benchmarks)


@executors
def test_numbers_of_numpy_are_stored_as_numbers(tmp_path: Path, env: dict[str, str], executor: Any) -> None:
    for value, number in (("float32", 0.25), ("int64", 1.0)):
        file = sweep(tmp_path / value, executor, {"value": value})
        run(file, env)
        assert set(rows(file, "scores", "typeof(value), value")) == {("real", number)}
        assert all('"evaluations": 3,' in steps for (steps,) in rows(file, "trajectories", "steps"))
    run(file, env)
    alone = sweep(tmp_path / "alone", IN_PROCESS, {"value": value})
    run(alone, env)
    assert content(file) == content(alone)


@executors
@pytest.mark.parametrize(
    ("benchmark", "reason"),
    [
        ({"value": "nan"}, "benchmark 'numbers' returned nan as value; its weights"),
        ({"value": "inf"}, "benchmark 'numbers' returned inf as value; its weights"),
        ({"detail": "nan"}, "benchmark 'numbers' returned nan as details.score; its weights"),
        (
            {"value": "network"},
            "benchmark 'numbers': 3 of 9 numbers of the class logits are NaN or infinite; its",
        ),
    ],
)
def test_a_scorer_without_numbers_ends_the_run(
    tmp_path: Path, env: dict[str, str], executor: Any, benchmark: dict[str, Any], reason: str
) -> None:
    file = sweep(tmp_path / "x", executor, benchmark)
    output = run(file, env, code=2)
    assert [reason in line for line in output.strip().splitlines()] == [True], output
    assert rows(file, "scores", "key") == rows(file, "failures", "key") == []


@executors
def test_a_model_without_numbers_fails_its_sample(tmp_path: Path, env: dict[str, str], executor: Any) -> None:
    file = sweep(tmp_path / "network", executor, {}, broken=["thing 1", "thing 3"])
    run(file, env, code=3)
    reason = "12 of 48 numbers of the latents are NaN or infinite"
    assert rows(file, "failures", "reason") == [(reason,), (reason,)]
    assert len(rows(file, "scores", "key")) == 2
    for evaluations, message in (("nan", "returned nan as steps[0].cost.evaluations; "), ("text", "returned str as ")):
        file = sweep(tmp_path / evaluations, executor, {}, evaluations=evaluations)
        run(file, env, code=3)
        reasons = [reason for (reason,) in rows(file, "failures", "reason")]
        assert len(reasons) == 4
        assert all(reason.startswith(f"model 'numbers' {message}") for reason in reasons), reasons
        assert not rows(file, "trajectories", "key")


@pytest.mark.parametrize("in_process", [True, False])
def test_scores_of_judges_pass_the_same_place(tmp_path: Path, env: dict[str, str], in_process: bool) -> None:
    def judged(name: str, **settings: str) -> Path:
        benchmark = {"name": "judged-numbers", "in_process": in_process, **settings}
        return write(tmp_path / name, IN_PROCESS, model={"name": "mock"}, benchmarks=[benchmark])

    run(judged("numpy"), env)
    file = tmp_path / "numpy" / "crashes.yaml"
    assert rows(file, "scores", "typeof(value), value") == [("real", 0.25)] * 4
    assert {json.loads(reply)["cost"] for (reply,) in rows(file, "replies", "reply")} == {0.25}
    for name, settings in (("value", {"value": "nan"}), ("cost", {"cost": "nan"})):
        file = judged(name, **settings)
        output = run(file, env, code=2)
        (line,) = output.strip().splitlines()
        assert f"benchmark 'judged-numbers' returned nan as {name}; its weights" in line
        assert rows(file, "scores", "key") == rows(file, "failures", "key") == []
    file = judged("text", value="text")
    run(file, env, code=3)
    assert set(rows(file, "failures", "reason")) == {
        ("benchmark 'judged-numbers' returned str as value, which must be a number",)
    }


def test_what_a_service_charges_passes_the_same_place(tmp_path: Path, env: dict[str, str]) -> None:
    for dollars, code in (("float32", 0), ("nan", 3)):
        model = {"name": "number-endpoint", "dollars": dollars}
        file = write(tmp_path / dollars, IN_PROCESS, model=model, benchmarks=[{"name": "mock", "limit": 3}])
        run(file, env, code=code)
    steps = rows(tmp_path / "float32" / "crashes.yaml", "trajectories", "steps")
    assert {json.loads(text)[0]["dollars"] for (text,) in steps} == {0.25}
    reasons = {reason for (reason,) in rows(file, "failures", "reason")}
    assert len(reasons) == 1
    assert reasons.pop().startswith("model 'number-endpoint' returned nan as steps[0].cost.dollars; ")

"""A failure belongs to the arms that reach it, keeps its circumstances, and is tried again unless the sample's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faulty_plugins
import pytest
from mock_sweeps import IN_PROCESS, SINGLE, SWEEP, draw_and_score
from plugin_packages import InstallPlugins

from evalharness.cli import main
from evalharness.store.store import Store

Write = Callable[[str], Path]
PROMPTS = "prompts: [large 0, thing 1, large 2, thing 3, thing 4, thing 5],"


@pytest.fixture(autouse=True)
def faulty(install_plugins: InstallPlugins) -> None:
    install_plugins(**faulty_plugins.PLUGINS)


def faulty_sweep(settings: str, text: str = SWEEP) -> str:
    text = text.replace("limit: 6,", PROMPTS).replace(
        "model: mock", f"model: {{name: faulty, iterations: 5{settings}}}"
    )
    return text + IN_PROCESS


def test_a_failure_at_an_iteration_leaves_the_arms_that_end_before(sweep_file: Write, tmp_path: Path) -> None:
    """Whether they run with the arm that fails, before it, or after it."""
    expected = draw_and_score(sweep_file(faulty_sweep("")), tmp_path / "whole" / "x")
    file = sweep_file(faulty_sweep(", fitting: 2"))
    together = draw_and_score(file, tmp_path / "together" / "x")
    failed = [row for row in together if row["state"] == "failed"]
    assert {(row["arm"], row["item"]) for row in failed} == {
        ("process max_iterations=3", "0"),
        ("process max_iterations=3", "2"),
    }
    assert [row for row in together if row not in failed] == [
        row for row in expected if (row["arm"], row["item"]) not in {(row["arm"], row["item"]) for row in failed}
    ]
    draw_and_score(file, tmp_path / "apart" / "x", only=["process max_iterations=3"])
    draw_and_score(file, tmp_path / "apart" / "x", only=["process max_iterations=1"])
    assert draw_and_score(file, tmp_path / "apart" / "x") == together


def test_only_failures_that_are_no_samples_fault_are_tried_again(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "x"
    draw_and_score(sweep_file(faulty_sweep(", fitting: 2, fails: [thing 4]")), out)
    capsys.readouterr()
    assert main.main(["status", str(tmp_path / "tiny.yaml"), "--store", str(tmp_path / "r" / "store")]) == 0
    output = capsys.readouterr().out
    assert "2 × worker: RuntimeError: CUDA out of memory" in output
    assert "4 × sample: ValueError: the mock fails on 'thing 4'" in output
    after = draw_and_score(sweep_file(faulty_sweep("")), out)
    assert {row["item"] for row in after if row["state"] == "failed"} == {"4"}


def test_a_failure_keeps_its_circumstances(sweep_file: Write, tmp_path: Path) -> None:
    file = sweep_file(faulty_sweep(", fails: [thing 4]", SINGLE))
    for _ in range(2):
        draw_and_score(file, tmp_path / "r" / "x", retry_failed=True)
    with Store(tmp_path / "r" / "store", write=False) as store:
        ((_, failure),) = store.failures.all()
        traceback = store.failures.traceback(failure)
    assert (failure.kind, failure.exception) == ("sample", "ValueError")
    assert failure.attempt >= 2
    assert failure.host
    assert failure.worker
    assert traceback.startswith("Traceback (most recent call last):")
    assert "testing.py" in traceback
    assert (tmp_path / "r" / "store" / failure.traceback).is_file()

"""What is stored is never drawn again or replaced: a longer cap continues from the stored steps."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from growing_model import GrowingModel
from mock_sweeps import IN_PROCESS, draw_and_score, states
from plugin_packages import InstallPlugins, install_package

from evalharness.api.model import Drawn
from evalharness.testing import MockModel

Write = Callable[[str], Path]
SWEEP = (
    """\
name: tiny
seed: 3
model: {name: growing, iterations: 9%s}
benchmarks:
  - {name: mock, limit: 6, samples: 2}
arms:
  - {name: process, variant: process, max_iterations: 2..3}
"""
    + IN_PROCESS
)
SHORT, LONG = "process max_iterations=2", "process max_iterations=3"


@pytest.fixture(autouse=True)
def growing(install_plugins: InstallPlugins) -> Iterator[None]:
    install_plugins(models=[GrowingModel])
    GrowingModel.drawings = 0
    yield
    GrowingModel.device = "first"


def steps(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The steps of each stored trajectory."""
    with sqlite3.connect(f"file:{folder / 'store' / 'store.sqlite'}?mode=ro", uri=True) as connection:
        return {key: json.loads(text) for key, text in connection.execute("SELECT key, steps FROM trajectories")}


def images(folder: Path) -> dict[str, str]:
    """The digest of each image file, by name."""
    files = (folder / "store" / "images").rglob("*.png")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def untimed(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name not in ("seconds", "continued")}


def test_a_longer_cap_draws_what_is_new_and_changes_nothing(sweep_file: Write, tmp_path: Path) -> None:
    file = sweep_file(SWEEP % "")
    whole = draw_and_score(file, tmp_path / "whole" / "x")
    undisturbed = GrowingModel.drawings
    draw_and_score(file, tmp_path / "later" / "x", only=[SHORT])
    short, files, drawn = steps(tmp_path / "later"), images(tmp_path / "later"), GrowingModel.drawings - undisturbed
    assert draw_and_score(file, tmp_path / "later" / "x") == whole
    assert GrowingModel.drawings == 2 * undisturbed, "nothing is drawn twice"
    assert 0 < drawn < undisturbed
    for key, made in steps(tmp_path / "later").items():
        begun = len(short[key])
        assert made[:begun] == short[key]
        assert [number for number, step in enumerate(made) if step.get("continued")] == [begun]
        assert list(map(untimed, made)) == list(map(untimed, steps(tmp_path / "whole")[key]))
    assert images(tmp_path / "later").items() > files.items()


def test_another_device_changes_no_arm_that_is_complete(sweep_file: Write, tmp_path: Path) -> None:
    file = sweep_file(SWEEP % "")
    short = draw_and_score(file, tmp_path / "r" / "x", only=[SHORT])
    GrowingModel.device = "second"
    both = draw_and_score(file, tmp_path / "r" / "x")
    assert [row for row in both if row["arm"] == SHORT] == short
    assert states(both) == {"scored"}


def test_a_model_that_cannot_replay_draws_again_if_that_gives_the_same(sweep_file: Write, tmp_path: Path) -> None:
    file = sweep_file(SWEEP % ", replays: false")
    short = draw_and_score(file, tmp_path / "r" / "x", only=[SHORT])
    before = steps(tmp_path / "r")
    GrowingModel.device = "second"
    both = draw_and_score(file, tmp_path / "r" / "x")
    assert [row for row in both if row["arm"] == SHORT] == short
    assert steps(tmp_path / "r") == before
    failed = [row for row in both if row["arm"] == LONG]
    assert states(failed) == {"failed"}
    assert "drawn again, step 2 of" in failed[0]["reason"]
    GrowingModel.device = "first"
    assert states(draw_and_score(file, tmp_path / "r" / "x", retry_failed=True)) == {"scored"}
    for key, made in steps(tmp_path / "r").items():
        assert made[: len(before[key])] == before[key]


def test_a_failure_at_a_step_keeps_those_before_and_is_healed_from_there(sweep_file: Write, tmp_path: Path) -> None:
    whole = draw_and_score(sweep_file(SWEEP % ""), tmp_path / "whole" / "x")
    undisturbed, GrowingModel.drawings = GrowingModel.drawings, 0
    broken = draw_and_score(sweep_file(SWEEP % ", fails_after: 2"), tmp_path / "healed" / "x")
    assert "failed" in states(broken)
    before, files = steps(tmp_path / "healed"), images(tmp_path / "healed")
    assert GrowingModel.drawings == sum(step["image"] is not None for made in before.values() for step in made), (
        "batches that are tried again in parts draw nothing twice"
    )
    assert draw_and_score(sweep_file(SWEEP % ""), tmp_path / "healed" / "x") == whole
    assert GrowingModel.drawings == undisturbed
    for key, made in steps(tmp_path / "healed").items():
        assert made[: len(before[key])] == before[key]
        assert list(map(untimed, made)) == list(map(untimed, steps(tmp_path / "whole")[key]))
    assert images(tmp_path / "healed").items() >= files.items()


class Candidates(GrowingModel):
    """Runs out of memory at its third call of ``paint`` while ``broken``."""

    name = "candidates"
    broken: ClassVar[bool] = False
    calls: ClassVar[int] = 0

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        Candidates.calls += 1
        if Candidates.broken and Candidates.calls > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().paint(prompts, seeds)


def test_candidates_of_the_best_are_stored_as_they_are_drawn(
    sweep_file: Write, tmp_path: Path, install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugins(models=[Candidates])
    text = SWEEP.replace("growing", "candidates").replace("process, max_iterations: 2..3", "best_of_n, n: 4") % ""
    whole = draw_and_score(sweep_file(text), tmp_path / "whole" / "x")
    undisturbed = sorted(MockModel.drawn)
    monkeypatch.setattr(MockModel, "drawn", [])
    monkeypatch.setattr(Candidates, "calls", 0)
    monkeypatch.setattr(Candidates, "broken", True)
    assert "failed" in states(draw_and_score(sweep_file(text), tmp_path / "healed" / "x"))
    before = steps(tmp_path / "healed")
    assert any(step["image"] for made in before.values() for step in made)
    monkeypatch.setattr(Candidates, "broken", False)
    assert draw_and_score(sweep_file(text), tmp_path / "healed" / "x") == whole
    assert sorted(MockModel.drawn) == undisturbed, "nothing is drawn twice"
    for key, made in steps(tmp_path / "healed").items():
        assert made[: len(before.get(key, ()))] == before.get(key, [])
        assert list(map(untimed, made)) == list(map(untimed, steps(tmp_path / "whole")[key]))


@pytest.mark.parametrize("executor", [IN_PROCESS, "executor: {name: local, workers: 2}\n"], ids=["run", "child"])
def test_a_kill_between_steps_loses_the_step_in_hand(sweep_file: Write, tmp_path: Path, executor: str) -> None:
    """Of the run, which is then started again, or of a child process, which is replaced."""
    text = SWEEP.replace(IN_PROCESS, executor).replace("samples: 2", "samples: 1")
    whole = draw_and_score(sweep_file(SWEEP.replace("samples: 2", "samples: 1") % ""), tmp_path / "whole" / "x")
    undisturbed = sum(step["image"] is not None for made in steps(tmp_path / "whole").values() for step in made)
    out = tmp_path / "killed" / "x"
    notes = f", batch_size: 8, seconds: 0.6, notes: {json.dumps(str(tmp_path))}"
    file = sweep_file(text % f"{notes}, dies_after: 3")
    package = install_package(tmp_path / "package", models=[GrowingModel])
    command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(out)]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": package}, capture_output=True, check=False)
    assert (tmp_path / "died").exists(), ended.stderr
    begun = steps(tmp_path / "killed")
    assert begun
    if executor == IN_PROCESS:
        assert ended.returncode == -9
        assert any(step["image"] for made in begun.values() for step in made)
    assert draw_and_score(sweep_file(text % notes), out) == whole
    assert len((tmp_path / "drawn").read_text().split()) == undisturbed, "nothing is drawn twice"
    for key, made in steps(tmp_path / "killed").items():
        assert made[: len(begun[key])] == begun[key] if key in begun else made
        assert list(map(untimed, made)) == list(map(untimed, steps(tmp_path / "whole")[key]))

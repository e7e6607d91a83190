"""Results are stored under the identity of the plan, so workers make sure that they loaded what was planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import IN_PROCESS
from plugin_packages import InstallPlugins

import evalharness as eh
from evalharness._util.file_digests import file_digest
from evalharness._util.progress import Progress
from evalharness.api.model import Drawn
from evalharness.errors import WeightsError
from evalharness.execution.session import run_plan
from evalharness.store.store import Store
from evalharness.testing import MockBenchmark, MockModel, MockScorer

Write = Callable[[str], Path]
SWEEP = """\
name: weighty
model: {{name: weighty, weights: {model}{more}}}
benchmarks: [{{name: weighty-bench, weights: {scorer}, limit: 4, samples: 1}}]
arms: [{{name: single, variant: single_pass}}]
"""
CHILDREN = "executor: {name: local, workers: 2}\n"
CHANGED = "'weights' of its identity is not what was planned"


class Weighty(MockModel):
    """Loads a file; ``replaces``: overwrites it as soon as it has."""

    class Settings(MockModel.Settings):
        weights: Path
        replaces: bool = False

    name = "weighty"
    settings: Settings

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), "weights": file_digest(self.settings.weights)}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        if self.settings.replaces:
            self.settings.weights.write_text("replaced while it was loaded")
        return super().paint(prompts, seeds)


class WeightyScorer(MockScorer):
    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.weights = weights

    def identity(self) -> Mapping[str, Any]:
        return {"detector": {"name": "eyes", "weights": file_digest(self.weights)}}


class WeightyBenchmark(MockBenchmark):
    class Settings(MockBenchmark.Settings):
        weights: Path

    name = "weighty-bench"
    settings: Settings

    def scorer(self) -> MockScorer:
        return WeightyScorer(self.settings.weights)


@pytest.fixture
def plan_and_run(tmp_path: Path, sweep_file: Write, install_plugins: InstallPlugins) -> Callable[..., None]:
    """Plans a sweep whose weights are ``model-1`` and ``scorer-1``, changes them, and runs the plan."""
    install_plugins(models=[Weighty], benchmarks=[WeightyBenchmark])
    for name in ("model", "scorer"):
        (tmp_path / f"{name}-1").write_text(f"{name} 1")
        (tmp_path / f"{name}-2").write_text(f"{name} 2")
        (tmp_path / name).symlink_to(tmp_path / f"{name}-1")

    def run(change: Callable[[], object], executor: str, more: str = "") -> None:
        text = SWEEP.format(model=tmp_path / "model", scorer=tmp_path / "scorer", more=more)
        plan = eh.plan(sweep_file(text + executor))
        change()
        with Store(tmp_path / "r" / "store") as store:
            run_plan(plan, store, tmp_path / "r" / "x", progress=Progress(quiet=True))

    return run


def rows(store_path: Path) -> tuple[int, int, int]:
    with Store(store_path, write=False) as store:
        tables = (store.trajectories, store.scores, store.failures)
        return tuple(len(list(table.all())) for table in tables)  # type: ignore[attr-defined, return-value]


def overwrite(path: Path) -> None:
    path.write_text("overwritten")


def retarget(link: Path) -> None:
    target = link.resolve().with_name(f"{link.name}-2")
    link.unlink()
    link.symlink_to(target)


@pytest.mark.parametrize("executor", [IN_PROCESS, CHILDREN], ids=["in process", "children"])
@pytest.mark.parametrize("change", [overwrite, retarget])
@pytest.mark.parametrize(("part", "label", "kept"), [("model", "model", 0), ("scorer", "benchmark", 4)])
def test_weights_that_change_after_planning_end_the_run(
    plan_and_run: Callable[..., None],
    tmp_path: Path,
    executor: str,
    change: Callable[[Path], None],
    part: str,
    label: str,
    kept: int,
) -> None:
    path = "weights" if part == "model" else "detector.weights"
    with pytest.raises(WeightsError, match=f"^{label} 'weighty.*': '{path}' of its identity is not what was planned"):
        plan_and_run(lambda: change(tmp_path / part), executor)
    drawn, scored, failed = rows(tmp_path / "r" / "store")
    assert (scored, failed) == (0, 0)
    assert drawn <= kept
    plan_and_run(lambda: None, executor)
    assert rows(tmp_path / "r" / "store")[1:] == (len({*_images(tmp_path)}), 0)


def _images(folder: Path) -> list[str]:
    with Store(folder / "r" / "store", write=False) as store:
        return [image for _, image, _ in store.scores.all()]


def test_weights_that_change_while_they_are_loaded_end_the_run(
    plan_and_run: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=CHANGED):
        plan_and_run(lambda: None, IN_PROCESS, ", replaces: true")
    assert rows(tmp_path / "r" / "store") == (0, 0, 0)


def test_weights_that_move_are_the_same(plan_and_run: Callable[..., None], tmp_path: Path) -> None:
    def move() -> None:
        (tmp_path / "model").unlink()
        (tmp_path / "model-1").rename(tmp_path / "model")

    plan_and_run(move, IN_PROCESS)
    assert rows(tmp_path / "r" / "store")[0] == 4

"""What a dry run says at most, against what the run then does."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import rated_benchmark
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_sweeps import run_without_report
from PIL import Image
from plugin_packages import InstallPlugins

import evalharness as eh
from evalharness.analysis.examples.missing import most_intermediate_scores
from evalharness.execution.disk_forecast import disk_forecasts
from evalharness.execution.scoring_forecast import scoring_forecasts
from evalharness.execution.shared_drawings import without_contained
from evalharness.planning.plan import Plan
from evalharness.store.states import pending_jobs, sample_states
from evalharness.store.store import Store
from evalharness.testing import MockModel, MockScorer
from evalharness.types.trajectory import Trajectory

Json = dict[str, Any]
BLOCK = 4096


class Numbers(NamedTuple):
    """Images that are drawn, bytes of their files, images that are scored without a judge, replies of judges."""

    drawings: int
    bytes: float
    scored: int
    replies: int


def bounds(plan: Plan, store_path: Path) -> Numbers:
    with Store(store_path, write=False) as store:
        states, retry = sample_states(plan, store), store.failures.to_retry()
        jobs = without_contained(pending_jobs(plan, states, retry))
        disk = disk_forecasts(plan, store, jobs)
        scoring = scoring_forecasts(plan, store, states, retry, most_intermediate_scores(plan, store, jobs))
    return Numbers(
        drawings=sum(forecast.images for forecast in disk),
        bytes=sum(forecast.images * forecast.most for forecast in disk),
        scored=sum(each.images + each.intermediate for each in scoring if not each.most_replies),
        replies=sum(each.calls for each in scoring),
    )


def so_far(store_path: Path) -> Numbers:
    with Store(store_path, write=False) as store:
        replies = sum(1 for _ in store.replies.all())
    files = [path.stat().st_size for path in store_path.rglob("*.png")]
    return Numbers(
        len(MockModel.drawn), sum(-(-size // BLOCK) * BLOCK for size in files), len(MockScorer.scored), replies
    )


def forget_ends(plan: Plan, store_path: Path, steps: int) -> None:
    """Leave of each process what a run had stored that was killed after so many steps."""
    with Store(store_path) as store, store.batch():
        rows = dict(store.trajectories.all())
        for key, stored in store.trajectories.get(plan.jobs).items():
            job, row = plan.jobs[key], rows[key]
            if job.cap is None or len(stored.steps) <= steps:
                continue
            kept, following = stored.steps[:steps], stored.steps[steps]
            store.trajectories.delete([key])
            if kept:
                store.trajectories.add(
                    key,
                    Trajectory(store.trajectories.with_images(kept), finished=False),
                    model=row["model"],
                    variant=json.dumps(row["variant"]),
                    prompt=job.prompt,
                    seed=job.seed,
                    cap=following.iteration - 1,
                )


@st.composite
def sweeps(draw: st.DrawFn, *, worst: bool = False) -> Json:
    """Small sweeps; the worst is that of a model that always goes to its cap, without equal images, and of a judge
    whose last reply alone can be read."""
    few = st.integers(1, 3)
    model = {
        "iterations": 9 if worst else draw(few),
        "conflicts": 99 if worst else draw(st.integers(0, 3)),
        "batch_size": draw(few),
        "size": 8,
    }
    judge = {"name": "mumbling", "mumbles": 2 if worst else draw(st.integers(0, 3))}
    judged = {
        "name": "rated",
        "items": draw(few),
        "judge": judge,
        "judge_repeats": draw(few),
        "repeat_items": draw(few),
    }
    scored = {"name": "mock", "prompts": [f"thing {number}" for number in range(draw(few))], "samples": draw(few)}
    drawn_once: list[Json] = [
        {"name": "single", "variant": "single_pass"},
        {"name": "best", "variant": "best_of_n", "n": draw(st.lists(few, min_size=1, max_size=2, unique=True))},
    ]
    process: list[Json] = [
        {
            "name": "process",
            "variant": "process",
            "max_iterations": draw(st.lists(few, min_size=1, max_size=3, unique=True)),
            "refinements": draw(st.integers(0, 2)),
            "inspect": draw(st.booleans()),
            "refine": draw(st.booleans()),
        },
    ]
    return {
        "name": "small",
        "model": {"name": "mock", **model},
        "benchmarks": draw(st.permutations([scored, judged])),
        "arms": process if worst else draw(st.lists(st.sampled_from(drawn_once + process), min_size=1, unique_by=str)),
    }


def run(file: Path, data: Json) -> tuple[Numbers, Numbers]:
    """Run a sweep; return what it did, and what was said of it before."""
    file.write_text(json.dumps(data))
    store = file.parent / "r" / "store"
    said, before = bounds(eh.plan(file), store), so_far(store)
    run_without_report(file, file.parent / "r" / "x").close()
    return Numbers(*(after - earlier for after, earlier in zip(so_far(store), before, strict=True))), said


@pytest.fixture
def canvas(install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock model says how large its canvas is."""
    install_plugins(**rated_benchmark.PLUGINS)
    monkeypatch.setattr(MockModel, "blank", lambda model: Image.new("RGB", (model.settings.size,) * 2))


many = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@many
@given(sweep=sweeps(), part=st.data())
@pytest.mark.usefixtures("canvas")
def test_a_run_never_does_more_than_a_dry_run_said(sweep: Json, part: st.DataObject) -> None:
    """First a part of the sweep, of which the ends may be lost, then all."""
    caps = st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.yaml"
        first = [
            arm | ({"max_iterations": part.draw(caps)} if "max_iterations" in arm else {}) for arm in sweep["arms"]
        ]
        did, said = run(file, sweep | {"arms": first})
        assert all(done <= most for done, most in zip(did, said, strict=True)), (did, said)
        forget_ends(eh.plan(file), file.parent / "r" / "store", part.draw(st.integers(0, 9)))
        did, said = run(file, sweep)
        assert all(done <= most for done, most in zip(did, said, strict=True)), (did, said)
        did, said = run(file, sweep)
        assert did == (0, 0, 0, 0)


@many
@given(sweep=sweeps(worst=True))
@pytest.mark.usefixtures("canvas")
def test_at_worst_a_run_does_what_a_dry_run_said(sweep: Json) -> None:
    with tempfile.TemporaryDirectory() as folder:
        did, said = run(Path(folder) / "small.yaml", sweep)
    assert (did.drawings, did.replies) == (said.drawings, said.replies)
    assert did.scored <= said.scored
    assert did.bytes <= said.bytes

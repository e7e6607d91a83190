"""What a sweep file says of workers, and what a worker elsewhere makes of its paths; all of it without Ray."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evalharness.execution.executors.host import WorkerHost
from evalharness.execution.executors.ray.executor import Ray


def need(settings: dict[str, Any], stage: str, subject: str, *, has_gpus: bool) -> tuple[Any, ...]:
    queue: Any = SimpleNamespace(stage=stage, subject=subject)
    found = Ray.Settings.model_validate(settings).resources(queue, has_gpus=has_gpus)
    return found.gpus, found.cpus, found.workers


@pytest.mark.parametrize(
    ("settings", "stage", "has_gpus", "expected"),
    [
        ({}, "draw", True, (1.0, 1.0, None)),
        ({}, "draw", False, (0.0, 1.0, None)),
        ({}, "score", True, (0.25, 1.0, None)),
        ({}, "check", True, (0.25, 1.0, None)),
        ({"draw": {"gpus": 0.5}}, "draw", True, (0.5, 1.0, None)),
        ({"draw": {"gpus": 0.5}, "models": {"big": {"gpus": 2, "workers": 3}}}, "draw", True, (2.0, 1.0, 3)),
        ({"score": {"cpus": 2}, "models": {"big": {"gpus": 2}}}, "score", True, (0.25, 2.0, None)),
        ({"benchmarks": {"big": {"gpus": 0}}}, "check", True, (0.0, 1.0, None)),
    ],
)
def test_what_a_worker_needs(settings: dict[str, Any], stage: str, has_gpus: bool, expected: tuple[Any, ...]) -> None:
    assert need(settings, stage, "big", has_gpus=has_gpus) == expected


def settings_there(settings: dict[str, Any], paths: dict[str, str]) -> Any:
    worker_spec = {"kind": "models", "name": "toy", "settings": settings, "rescoring": None, "planned": None}
    return WorkerHost(worker_spec, paths, 1).spec["settings"]


def test_a_node_reads_its_own_copy_where_it_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    (tmp_path / "own" / "bagel").mkdir(parents=True)
    given = {
        "weights": "/shared/bagel",
        "parts": [{"vae": "/shared/vae"}, "/shared/bagel-2", 7],
        "name": "bagel",
    }
    moved = settings_there(given, {"/shared/": "$SCRATCH/own"})
    assert moved == given | {"weights": f"{tmp_path}/own/bagel"}, "what it has no copy of is read where all read it"
    assert settings_there(given, {"/sha": "$SCRATCH/own"}) == given, "half a name is no folder"
    assert settings_there(given, {}) == given

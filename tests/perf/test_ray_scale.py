"""What the harness itself costs at scale: many samples of a model that costs nothing, and two workers against one.

``EVALHARNESS_SCALE`` is the number of samples, by default 100,000.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toy_plugins

from evalharness import config
from evalharness.benchmarks.geneval.benchmark import GenEval

pytestmark = [
    pytest.mark.perf,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]
SAMPLES = int(os.environ.get("EVALHARNESS_SCALE", "100000"))


def measure(env: dict[str, str], store: Path, executor: Any, **changes: Any) -> dict[str, float]:
    sweep = {
        "name": "scale",
        "model": {"name": "toy", "batch_size": 64},
        "arms": [{"name": "single", "variant": "single_pass"}],
        "executor": executor,
    }
    script = Path(__file__).with_name("ray_scale.py")
    command = [sys.executable, str(script), json.dumps(sweep | changes), str(store)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def size(store: Path) -> tuple[float, float]:
    """Bytes of the database and of the images."""
    images = sum(path.stat().st_size for path in (store / "images").rglob("*.png"))
    return float((store / "store.sqlite").stat().st_size), float(images)


def test_many_samples_through_ray_and_the_store(tmp_path: Path) -> None:
    env = toy_plugins.install(tmp_path / "site")
    ray = {"name": "ray", "cpus": 2}
    few = measure(env, tmp_path / "few", ray, benchmarks=[{"name": "toy", "items": SAMPLES // 10}])
    many = measure(env, tmp_path / "many", ray, benchmarks=[{"name": "toy", "items": SAMPLES}])
    again = measure(env, tmp_path / "many", ray, benchmarks=[{"name": "toy", "items": SAMPLES}])
    database, images = size(tmp_path / "many")
    grown = (many["peak_kib"] - few["peak_kib"]) / (SAMPLES * 0.9)
    print(  # noqa: T201
        f"\n{SAMPLES} samples: {SAMPLES / many['seconds']:.0f}/s, "
        f"the driver {many['cpu'] / SAMPLES * 1e3:.2f} ms each; "
        f"peak {many['peak_kib'] / 1024:.0f} MiB, with a tenth {few['peak_kib'] / 1024:.0f} MiB, so {grown:.2f} KiB a "
        f"sample for plan and keys; its rows take {database / SAMPLES:.0f} bytes, "
        f"an image {images / SAMPLES:.0f}; to find that nothing is left {again['seconds']:.1f} s"
    )
    assert many["worked"] == 2 * SAMPLES
    assert again["worked"] == 0
    assert grown < 4.0, "the driver keeps more than the plan and keys"


def test_two_workers_against_one(tmp_path: Path) -> None:
    """On the embedded model; worth its name where there are cores for both workers and the driver."""
    env = toy_plugins.install(tmp_path / "site") | {"OMP_NUM_THREADS": "1"}
    prompts = [item.prompt for item in config.PluginSpec("benchmarks", "geneval", GenEval.Settings()).build().items()]
    count = min(SAMPLES // 10, len(prompts))
    changes = {
        "model": {"name": "miniature", "batch_size": 16},
        "benchmarks": [{"name": "toy", "items": count, "special": prompts[:count], "samples": 4}],
    }
    taken = {}
    for workers in (1, 2):
        executor = {"name": "ray", "cpus": 3, "draw": {"workers": workers}}
        taken[workers] = measure(env, tmp_path / str(workers), executor, **changes)["seconds"]
    efficiency = taken[1] / taken[2] / 2
    cores = len(os.sched_getaffinity(0))
    print(f"\n2 workers against 1: {taken[1]:.0f} s and {taken[2]:.0f} s, efficiency {efficiency:.2f} on {cores} cores")  # noqa: T201
    if cores >= 4:
        assert efficiency >= 0.85

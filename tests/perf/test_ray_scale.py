"""What the harness itself costs at scale: many samples of a model that costs nothing, and two workers against one.

``EVALHARNESS_SCALE`` is the number of samples, by default 100,000.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import crash_plugins
import pytest

from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.config import schema

pytestmark = [
    pytest.mark.perf,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]
FLAT = 2000
PAIR = 240
SAMPLES = int(os.environ.get("EVALHARNESS_SCALE", "100000"))


def measure(env: dict[str, str], store: Path, executor: Any, **changes: Any) -> dict[str, float]:
    sweep = {
        "name": "scale",
        "model": {"name": "crashing", "batch_size": 64},
        "arms": [{"name": "single", "variant": "single_pass"}],
        "executor": executor,
    }
    script = Path(__file__).with_name("ray_scale.py")
    command = [sys.executable, str(script), json.dumps(sweep | changes), str(store)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def size(store: Path) -> tuple[float, float]:
    """Bytes of the database and of the images."""
    images = sum(path.stat().st_size for path in (store / "images").rglob("*.png"))
    return float((store / "store.sqlite").stat().st_size), float(images)


def say(*lines: str) -> None:
    print("\n" + "\n".join(lines))  # noqa: T201


def test_many_samples_through_ray_and_the_store(tmp_path: Path) -> None:
    env = crash_plugins.install(tmp_path / "site")
    ray = {"name": "ray", "cpus": 2}
    few = measure(env, tmp_path / "few", ray, benchmarks=[{"name": "crashing", "items": SAMPLES // 10}])
    many = measure(env, tmp_path / "many", ray, benchmarks=[{"name": "crashing", "items": SAMPLES}])
    again = measure(env, tmp_path / "many", ray, benchmarks=[{"name": "crashing", "items": SAMPLES}])
    database, images = size(tmp_path / "many")
    grown = (many["peak_kib"] - few["peak_kib"]) / (SAMPLES * 0.9)
    say(
        f"{SAMPLES} samples: {SAMPLES / many['seconds']:.0f} a second with the start of Ray, "
        f"{1 / many['each']:.0f} after it",
        f"the driver takes {many['cpu'] / SAMPLES * 1e3:.2f} ms of a processor for each",
        f"peak {many['peak_kib'] / 1024:.0f} MiB, with a tenth {few['peak_kib'] / 1024:.0f} MiB, so {grown:.2f} KiB "
        "a sample for plan and keys",
        f"its rows take {database / SAMPLES:.0f} bytes, an image {images / SAMPLES:.0f}",
        f"to plan and find that nothing is left {again['planning'] + again['seconds']:.1f} s",
    )
    assert many["worked"] == 2 * SAMPLES
    assert again["worked"] == 0
    assert grown < 4.0, "the driver keeps more than the plan and keys"


def test_memory_is_flat_in_what_is_drawn(tmp_path: Path) -> None:
    """Images of 110 KB: ten times as many of them want no more memory."""
    env = crash_plugins.install(tmp_path / "site")
    model = {"name": "crashing", "batch_size": 64, "size": 192, "noise": True}
    peaks = []
    for count in (FLAT // 10, FLAT):
        changes = {"model": model, "benchmarks": [{"name": "crashing", "items": count}]}
        measured = measure(env, tmp_path / str(count), {"name": "ray", "cpus": 2}, **changes)
        peaks.append(measured["peak_kib"] / 1024)
    _, images = size(tmp_path / str(FLAT))
    say(f"{FLAT} images, {images / 2**20:.0f} MiB: peak {peaks[1]:.0f} MiB, with a tenth of them {peaks[0]:.0f} MiB")
    assert peaks[1] - peaks[0] < images / 2**20 / 4, "the driver keeps images"


def test_two_workers_against_one(tmp_path: Path) -> None:
    """On the embedded model, a thread to a worker; worth its name where there are cores for both.

    From where a fifth is drawn, as the start of Ray and of its workers is nothing to a run of hours. What the machine
    itself allows is measured beside it: two processes at once that know nothing of one another, against one.
    """
    env = crash_plugins.install(tmp_path / "site") | {"OMP_NUM_THREADS": "1"}
    prompts = [item.prompt for item in schema.PluginSpec("benchmarks", "geneval", GenEval.Settings()).build().items()]
    changes = {
        "model": {"name": "miniature", "batch_size": 8},
        "benchmarks": [{"name": "crashing", "items": PAIR, "special": prompts[:PAIR], "samples": 1}],
    }
    each = {}
    for workers in (1, 2):
        executor = {"name": "ray", "cpus": 3, "draw": {"workers": workers}}
        each[workers] = measure(env, tmp_path / str(workers), executor, **changes)["each"]
    alone = measure(env, tmp_path / "alone", "local", **changes)["each"]
    with ThreadPoolExecutor() as both:
        runs = [both.submit(measure, env, tmp_path / f"beside {n}", "local", **changes) for n in range(2)]
        together = max(run.result()["each"] for run in runs)
    efficiency, ceiling = each[1] / each[2] / 2, alone / together
    cores = len(os.sched_getaffinity(0))
    say(
        f"2 workers against 1: {each[1]:.3f} and {each[2]:.3f} s an image, efficiency {efficiency:.2f}, {cores} cores",
        f"without Ray {alone:.3f} s in one process, {together:.3f} s in each of two at once: the machine allows "
        f"{ceiling:.2f}",
    )
    # With fewer cores, the second worker competes with the driver and the first for what the machine allows.
    assert efficiency >= (0.85 if cores > 2 else 0.5)

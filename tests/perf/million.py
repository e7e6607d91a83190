"""A run of eight arms as large as is wanted, whose rows stand in a store as if they had been drawn and scored.

    python tests/perf/million.py SAMPLES FOLDER

writes them, then reports them as ``evalharness report`` does, all but the page; prints seconds and MiB as JSON.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from evalharness._util.environment import described
from evalharness.api import registry
from evalharness.config import sweep_files
from evalharness.config.yaml import Document
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.report.results_json import write_results
from evalharness.report.sample_files import write_sample_files
from evalharness.report.summary import summarize
from evalharness.report.table_files import write_tables
from evalharness.store.load import load_results
from evalharness.store.store import Store
from evalharness.testing import MockBenchmark, MockScorer
from evalharness.types.item import Item, PromptSet

ARMS, IMAGES, CAPS = 8, 4, 6
CATEGORIES = ("single_object", "two_object", "counting", "colors", "position", "color_attr")


class Prompts(MockBenchmark):
    class Settings(BaseModel):
        items: int

    name, images_per_prompt = "prompts", IMAGES
    weights: Mapping[str, float] = dict.fromkeys(CATEGORIES, 1 / 6)

    def __init__(self, settings: Settings) -> None:
        self.count = settings.items

    def prompt_set(self) -> PromptSet:
        return PromptSet("original", "0" * 64)

    def items(self) -> list[Item]:
        return [
            Item(f"{n:06d}", f"a photo of a red thing number {n}", CATEGORIES[n % 6], {"n": n})
            for n in range(self.count)
        ]

    def scorer(self) -> MockScorer:
        return MockScorer()


def plan_of(samples: int, folder: Path) -> Plan:
    real = registry.load
    registry.load = lambda kind, name: Prompts if name == "prompts" else real(kind, name)  # type: ignore[assignment]
    data = {
        "name": "million",
        "model": "mock",
        "benchmarks": [{"name": "prompts", "items": samples // ARMS // IMAGES}],
        "arms": [
            {"name": "single-pass", "variant": "single_pass"},
            {"name": "text-cot", "variant": "text_cot"},
            {"name": "process", "variant": "process", "max_iterations": f"1..{CAPS}"},
        ],
    }
    return make_plan(sweep_files.parse(Document(folder / "million.yaml", data)))


def fill(plan: Plan, store: Store) -> None:
    """Rows as the store writes them; the image of a step is named by a digest, but there is no file."""
    rank = {"single_pass": 0, "text_cot": 1, "process": 2}

    def rows() -> Iterator[tuple[Any, ...]]:
        for job in plan.jobs.values():
            kind = rank[job.variant.variant]
            steps = [_step("draw", 0, job.key, 0)] if kind < 2 else []
            for iteration in range(1, (CAPS if kind == 2 else 0) + 1):
                steps += [_step(name, iteration, job.key, iteration) for name in ("plan", "sketch", "inspect")]
            yield (
                *(job.key, "mock", job.variant.variant, job.prompt, job.seed, job.cap, 1, "e", 1_700_000_000),
                *(CAPS, 1.0, 0.0, json.dumps(steps)),
            )

    store.database.connection.executemany(f"INSERT INTO trajectories VALUES (?{', ?' * 12})", rows())
    planned = plan.benchmarks["prompts"]

    def scores() -> Iterator[tuple[Any, ...]]:
        for sample in plan.samples:
            image = _digest(f"{sample.job}{sample.arm.cap or 0}")
            difficulty = int(_digest(sample.item.id + str(sample.seed_index))[:8], 16) / 2**32
            right = difficulty < 0.6 + 0.04 * (sample.arm.cap or 0)
            key, reason = planned.score_key(image, sample.item), "" if right else "missing"
            yield key, image, float(right), reason, "e", 1_700_000_000, None, None, '{"detections": []}'

    store.database.connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", scores())
    store.database.connection.execute("INSERT INTO environments VALUES ('e', ?)", [described()])
    store.database.connection.commit()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _step(kind: str, iteration: int, job: str, number: int) -> dict[str, Any]:
    drawn = kind in ("draw", "sketch")
    return {
        "kind": kind, "iteration": iteration, "text": "" if drawn else "a line of words about the picture",
        "image": _digest(f"{job}{number}") if drawn else None, "seed": 1 if drawn else None,
        "evaluations": 12 if drawn else 0, "tokens": 0 if drawn else 9, "seconds": 0.25,
    }  # fmt: skip


def report(samples: int, folder: Path) -> dict[str, Any]:
    """Seconds of the processor, part by part: what else runs on the machine does not count."""
    spent: dict[str, float] = {}
    clock = time.process_time()

    def lap(name: str) -> None:
        nonlocal clock
        spent[name] = time.process_time() - clock
        clock = time.process_time()

    plan = plan_of(samples, folder)
    lap("plan")
    with Store(folder / "store", write=False) as store:
        results = load_results(plan, store, {"started": "2026-11-24T12:00:00+00:00"})
        del plan
        lap("load")
        assert len(results.samples) == (results.samples["state"] == "scored").sum() > 0.99 * samples
        summaries = summarize(results)
        lap("tables")
        write_tables(summaries, folder / "out" / "tables")
        write_sample_files(results, folder / "out")
        write_results(results, summaries, folder / "out")
        lap("files")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"samples": len(results.samples), "seconds": spent, "total": sum(spent.values()), "peak_mib": peak}


def main(samples: int, folder: Path, part: str) -> None:
    if part == "fill":
        plan = plan_of(samples, folder)
        with Store(folder / "store") as store:
            fill(plan, store)
    else:
        sys.stdout.write(json.dumps(report(samples, folder)) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

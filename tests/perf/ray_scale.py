"""One run of ``crash_plugins`` through an executor into a store, without a report; prints what it took as JSON."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from evalharness._util.progress import Progress, Stage
from evalharness.config import sweep_files, yaml
from evalharness.execution.engine import Engine
from evalharness.planning.planner import make_plan
from evalharness.store.store import Store


class Timed(Stage):
    """Notes when how much was done."""

    def __init__(self, title: str, total: int) -> None:
        super().__init__(title, total)
        self.noted: list[tuple[float, int]] = []

    def show(self) -> None:
        self.noted.append((time.monotonic(), self.done))

    def seconds_each(self) -> float:
        """From where a fifth is done to the end: without the start of Ray and of its workers."""
        first = next((note for note in self.noted if note[1] >= self.total / 5), (0.0, 0))
        last = self.noted[-1] if self.noted else first
        return (last[0] - first[0]) / max(1, last[1] - first[1])


class Timing(Progress):
    """Says nothing; ``drawn`` is the stage of drawing."""

    drawn = Timed("draw", 0)

    @contextlib.contextmanager
    def stages(self) -> Iterator[Callable[[str, int], Stage]]:
        yield lambda title, total: self.drawn if title == "draw" else Stage(title, total)


def peak_kib() -> int:
    """The most memory that this process has had; ``ru_maxrss`` would begin with that of whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main(sweep: dict[str, Any], store: Path) -> dict[str, float]:
    began = time.monotonic()
    plan = make_plan(sweep_files.parse(yaml.Document(Path("scale.yaml"), sweep)))
    planned, plan_kib, start = resource.getrusage(resource.RUSAGE_SELF), peak_kib(), time.monotonic()
    executor, progress = plan.sweep.executor.build(), Timing()
    with Store(store) as opened:
        worked = Engine(plan, opened, executor, progress).run()
        seconds = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_SELF)
    executor.close()
    return {
        "samples": len(plan.samples),
        "worked": worked,
        "planning": start - began,
        "seconds": seconds,
        "each": progress.drawn.seconds_each(),
        "cpu": used.ru_utime + used.ru_stime - planned.ru_utime - planned.ru_stime,
        "planned_kib": plan_kib,
        "peak_kib": peak_kib(),
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]), Path(sys.argv[2]))))  # noqa: T201 - for whoever started it

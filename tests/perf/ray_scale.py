"""One run of the toys through an executor into a store, without a report; prints what it took as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from evalharness import config, yamlfile
from evalharness.engine import Engine
from evalharness.plan import make_plan
from evalharness.progress import Progress
from evalharness.store import Store


def main(sweep: dict[str, Any], store: Path) -> dict[str, float]:
    plan = make_plan(config.parse(yamlfile.Document(Path("scale.yaml"), sweep)))
    planned = resource.getrusage(resource.RUSAGE_SELF)
    executor = plan.sweep.executor.build()
    with Store(store) as opened:
        start = time.monotonic()
        worked = Engine(plan, opened, executor, Progress(quiet=True)).run()
        seconds = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_SELF)
    executor.close()
    return {
        "samples": len(plan.samples),
        "worked": worked,
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime - planned.ru_utime - planned.ru_stime,
        "peak_kib": used.ru_maxrss,
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]), Path(sys.argv[2]))))  # noqa: T201 - for whoever started it

"""A sweep whose model and scorer cost nothing: what is left is what the harness itself takes.

    PYTHONPATH=tests/helpers python tests/perf/free_sweep.py SAMPLES FOLDER

runs it, runs it again with nothing to do, and writes its report anew, each in a process of its own; prints seconds,
MiB and the bytes of the store as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from plugin_packages import install_package
from pydantic import BaseModel

from evalharness.testing import MockBenchmark, MockScorer
from evalharness.types.item import Item, PromptSet

ARMS, IMAGES = 4, 4
SWEEP = """\
name: free
model: {{name: mock, batch_size: 64}}
benchmarks:
  - {{name: many, items: {items}, samples: 4}}
arms:
  - {{name: single, variant: single_pass}}
  - {{name: cot, variant: text_cot}}
  - {{name: process, variant: process, max_iterations: 1..2}}
executor: {{name: local, in_process: true}}
"""


class ManyScorer(MockScorer):
    batch_size = 64


class ManyPrompts(MockBenchmark):
    """As many prompts as are wanted."""

    class Settings(BaseModel):
        items: int

    name = "many"

    def __init__(self, settings: Settings) -> None:
        self.count = settings.items

    def prompt_set(self) -> PromptSet:
        return PromptSet("many", hashlib.sha256(str(self.count).encode()).hexdigest())

    def items(self) -> list[Item]:
        return [Item(str(n), f"thing {n}", ("even", "odd")[n % 2], {"number": n}) for n in range(self.count)]

    def scorer(self) -> ManyScorer:
        return ManyScorer()


def measure(folder: Path, *command: str) -> dict[str, float]:
    """Seconds of the processor and of the clock, and the peak of memory, of a command."""
    start, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    prefix = [sys.executable, str(Path(__file__).resolve()), "--measured", str(folder / "peak")]
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL)
    wall, end = time.monotonic() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime
    return {"processor": processor, "wall": wall, "peak_mib": int((folder / "peak").read_text()) / 1024}


def store_size(store: Path) -> dict[str, int]:
    images = [path.stat().st_size for path in store.glob("images/*/*.png")]
    rows = sum(path.stat().st_size for path in store.glob("store.sqlite*"))
    return {"images": len(images), "image_bytes": sum(images), "database_bytes": rows}


def main(samples: int, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    plugins = install_package(folder / "plugins", benchmarks={"many": "free_sweep:ManyPrompts"})
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), plugins])
    file, out = folder / "free.yaml", folder / "reports" / "free"
    file.write_text(SWEEP.format(items=samples // ARMS // IMAGES))
    sweep = ["sweep", str(file), "--out", str(out), "--quiet"]
    result: dict[str, Any] = {"samples": samples, "run": measure(folder, *sweep)}
    result["again"] = measure(folder, *sweep)
    result["report"] = measure(folder, "report", str(out))
    return result | store_size(out.parent / "store")


def measured(peak: Path, name: str, *words: str) -> int:
    """Run a command in this process, and write its peak of memory in KiB."""
    from evalharness.cli import main as cli
    from evalharness.cli import sweep

    code = sweep.main(words) if name == "sweep" else cli.main([name, *words])
    peak.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    return code


if __name__ == "__main__":
    if sys.argv[1] == "--measured":
        sys.exit(measured(Path(sys.argv[2]), *sys.argv[3:]))
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2])), indent=1) + "\n")

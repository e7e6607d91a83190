"""What every training run needs: a seed, a schedule, checkpoints that survive a kill, a curve, a card."""

from __future__ import annotations

import argparse
import csv
import json
import logging
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import file_digest
from evalharness._util.files import atomic_path, write_text_atomically
from evalharness._util.text import counted
from evalharness.errors import ConfigError

log = logging.getLogger("evalharness.training")
WEIGHTS = Path(__file__).parents[1] / "weights"
CHECKPOINT_EVERY = 180.0
"""Seconds between checkpoints."""


def cosine(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def trapezoid(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, constant, then linearly to zero over the last third."""
    return min(1.0, (step + 1) / warmup, (steps - step) / (steps / 3))


@dataclass
class TrainingRun:
    """One training run: model and optimizers, where it stands, and what it has seen so far."""

    name: str
    out: Path
    scratch: Path
    seed: int
    steps: int
    device: str
    model: torch.nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    lr: float
    warmup: int = 100
    schedule: Callable[[int, int, int], float] = cosine
    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    tag: str = ""
    """Tells apart the checkpoints of runs that differ in more than seed and steps."""

    def loop(self) -> Iterator[int]:
        """The steps that remain; sets the learning rate before each, saves a checkpoint now and then."""
        self._resume()
        started, base, saved = time.monotonic(), self.seconds, time.monotonic()
        while self.step < self.steps:
            rate = self.lr * self.schedule(self.step, self.steps, self.warmup)
            for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
                group["lr"] = rate
            yield self.step
            self.step += 1
            self.seconds = base + time.monotonic() - started
            if time.monotonic() - saved > CHECKPOINT_EVERY:
                self._save()
                saved = time.monotonic()

    def report(self, **values: float) -> None:
        """A point of the curve, and a line in the log."""
        at = self.step + 1
        self.curve.append({"step": at, "seconds": round(self.seconds, 1)} | {k: round(v, 5) for k, v in values.items()})
        line = " ".join(f"{name} {value:.4f}" for name, value in values.items())
        log.info("%s %d/%d %s", self.name, at, self.steps, line)

    def finish(self, card: Mapping[str, Any]) -> None:
        """Write ``card.json`` and ``curve.csv`` beside the weights and drop the checkpoint."""
        about = {
            "command": f"python -m evalharness.miniature.training.{self.name} --seed {self.seed} --steps {self.steps}",
            "seed": self.seed,
            "steps": self.steps,
            "seconds": round(self.seconds),
            "hardware": hardware(self.device),
            "torch": torch.__version__,
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }
        write_text_atomically(self.out / "card.json", json.dumps(about | dict(card), indent=2) + "\n")
        with atomic_path(self.out / "curve.csv") as temporary, temporary.open("w", newline="") as file:
            rows = csv.DictWriter(file, list(dict.fromkeys(k for row in self.curve for k in row)), lineterminator="\n")
            rows.writeheader()
            rows.writerows(self.curve)
        self._checkpoint.unlink(missing_ok=True)

    @property
    def _checkpoint(self) -> Path:
        return self.scratch / f"{self.name}-{self.seed}-{self.steps}{self.tag}.pt"

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "rng": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
            "curve": self.curve,
        }
        with atomic_path(self._checkpoint) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        if not self._checkpoint.is_file():
            return
        state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, held in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        torch.set_rng_state(state["rng"].cpu())
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]
        log.info("%s resumes at step %d", self.name, self.step)


def multiplies_bfloat16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16; elsewhere it would be hundreds of times as slow as float32."""
    if device.partition(":")[0] == "cpu":
        can = torch.cpu.get_capabilities()
        return bool(can.get("amx_bf16") or can.get("avx512_bf16"))
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def half_precision(device: str) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 where that helps."""
    return torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=multiplies_bfloat16(device))


def arguments(
    name: str, steps: int, add: Callable[[argparse.ArgumentParser], Any] = lambda parser: None
) -> argparse.Namespace:
    """The command line that all trainings share and what ``add`` adds; also starts the log."""
    parser = argparse.ArgumentParser(
        prog=f"python -m evalharness.miniature.training.{name}", description=f"Train the embedded {name}."
    )
    parser.add_argument("--out", type=Path, default=WEIGHTS / name, help="folder for the weights")
    parser.add_argument("--scratch", type=Path, default=Path("training"), help="folder for checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    add(parser)
    args = parser.parse_args()
    start_log()
    try:
        args.device = pick_device(args.device)
    except ConfigError as error:
        parser.error(str(error))
    torch.manual_seed(args.seed)
    return args


def start_log() -> None:
    """Show what trainings say of themselves on stderr."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


def command(name: str, args: argparse.Namespace) -> str:
    """The command that makes the same again."""
    return f"python -m evalharness.miniature.training.{name} --seed {args.seed} --steps {args.steps}"


def started(name: str, args: argparse.Namespace) -> dict[str, str]:
    """What the card says of a run that went on from a checkpoint (``--start``)."""
    if args.start is None:
        return {}
    command = f"python -m evalharness.miniature.training.{name} --start CHECKPOINT"
    return {
        "command": f"{command} --seed {args.seed} --steps {args.steps}",
        "start": file_digest(args.start / "model.safetensors"),
    }


def hardware(device: str) -> str:
    """What it ran on: the GPU's name, or the processor's with the number of threads."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    threads = torch.get_num_threads()
    return f"{model}, {counted(threads, 'thread')}"

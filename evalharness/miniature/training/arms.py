"""The data ablation as one command: ``python -m evalharness.miniature.training.arms``.

    generated examples → first → its sketches → pretrained → one fine-tuning an arm and seed, all of the same length
    data/no-self-sampling → sampler → data/full, data/no-subsampling

The checkpoint whose own drawings and plans become critiques, the sampler, goes on from the pretrained one, taught the
process on the teacher's critiques alone, and not for long: one that errs has more to say. Every part that is done is
left as it is, so the same command goes on from where it was killed.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evalharness._util import console
from evalharness._util.devices import pick_device
from evalharness._util.guard import guarded
from evalharness.errors import ConfigError, did_you_mean
from evalharness.miniature.training import sketches, unified
from evalharness.miniature.training.scorers import settings_of_folder
from evalharness.miniature.training.training_run import start_log
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.training_data.builder import ARMS
from evalharness.training_data.dataset import DatasetRequest, make_dataset
from evalharness.training_data.world import World

log = logging.getLogger("evalharness.training")
LOOK_STEPS = 3200
SAMPLER_STEPS, STEPS, BATCH, PROMPTS = 150, 600, 144, 8000
SAMPLING = {"temperature": 0.7, "dtype": "float32"}
"""Settings of the sampler. Its plans are hotter than those of an evaluation, so that there is more to say of them; and
what is learned from need not be the same bytes in any batch."""
RATE = 2e-3
"""Of all that goes on from a checkpoint: much of the process is new to it."""


@dataclass(frozen=True)
class Study:
    """What to train, and where.

    ``pretrained``: a checkpoint that all arms go on from; without it one is trained on generated examples;
    ``prompts``: of each arm's data; ``scorers``: a folder with ``detector`` and ``clip``, without it the embedded ones.
    """

    out: Path
    pretrained: Path | None
    arms: Sequence[str]
    seeds: Sequence[int]
    pretrain_steps: int
    sketch_prompts: int
    look_steps: int
    sampler_steps: int
    steps: int
    prompts: int
    batch: int
    device: str
    compiled: bool = True
    world: World | None = None
    scorers: Path | None = None

    def run(self) -> list[Path]:
        """Everything that is not there yet; returns the folders of the checkpoints, one an arm and seed."""
        pretrained = self.pretrained
        if pretrained is None:
            pretrained = self._pretrain()
        return [self._checkpoint(arm, seed, pretrained) for arm in self.arms for seed in self.seeds]

    def _pretrain(self) -> Path:
        """Learn to draw, then to look at what was drawn."""
        first, own, pretrained = (self.out / name for name in ("first", "sketches", "pretrained"))
        self.train(first, [], None, 0, self.pretrain_steps)
        if not (own / "card.json").is_file():
            sketches.make(first, own, self.sketch_prompts, 0, self.device, self.scorers)
        self.train(pretrained, [], first, 0, self.look_steps, [own])
        return pretrained

    def _checkpoint(self, arm: str, seed: int, pretrained: Path) -> Path:
        folder = self.out / f"{arm}-seed{seed}"
        if (folder / "card.json").is_file():
            return folder
        data = self.make_data(arm, self._sampler(pretrained) if ARMS[arm].self_sampling else None)
        self.train(folder, [data], pretrained, seed, self.steps)
        return folder

    def _sampler(self, pretrained: Path) -> Path:
        """The checkpoint that samples itself."""
        folder = self.out / "sampler"
        self.train(folder, [self.make_data("no-self-sampling", None)], pretrained, 0, self.sampler_steps)
        return folder

    def make_data(self, arm: str, sampler: Path | None) -> Path:
        """Make the data of an arm unless they exist; returns their folder.

        Args:
            arm: A name of :data:`ARMS`.
            sampler: The checkpoint that draws the sketches; ``None`` for the embedded one.
        """
        folder = self.out / "data" / arm
        if not (folder / "card.json").is_file():
            model: dict[str, object] = {"name": "miniature"}
            if sampler:
                model |= {"weights": str(sampler), "device": self.device, **SAMPLING}
            scorer = {"name": "scorer", **settings_of_folder(self.scorers)}
            given = {"out": folder, "arm": arm, "teacher": "renderer", "filter": scorer, "n": self.prompts, "seed": 0}
            make_dataset(DatasetRequest.model_validate({**given, "model": model, "world": self._world}))
        return folder

    @property
    def _world(self) -> World:
        return self.world or MiniatureWorld()

    def train(
        self, out: Path, data: Sequence[Path], start: Path | None, seed: int, steps: int, own: Sequence[Path] = ()
    ) -> None:
        """Train a checkpoint unless it exists, from the checkpoint ``start`` or from nothing.

        Without data sets it learns from generated examples, and from the sketches ``own``.
        """
        if (out / "card.json").is_file():
            return
        log.info("training %s", out)
        torch.manual_seed(seed)
        paths = {"out": out, "scratch": self.out / "scratch", "device": self.device, "start": start}
        data_options = {"seed": seed, "steps": steps, "data": list(data), "batch": self.batch}
        learning = {"rate": RATE if start else None, "naming": bool(own), "sketches": list(own)}
        unified.train(argparse.Namespace(**paths, **data_options, **learning, no_compile=not self.compiled))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return guarded(_run, parse(arguments))


def _run(options: argparse.Namespace) -> int:
    start_log()
    for folder in study(options).run():
        console.write(str(folder))
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser(
        prog="python -m evalharness.miniature.training.arms", description="Train the arms of the data ablation."
    )
    parser.add_argument("--out", type=Path, default=Path("training/arms"), metavar="DIR", help="folder to write to")
    arms_help = f"arms to train, of {', '.join(ARMS)} (default: all)"
    parser.add_argument("--arms", nargs="+", default=list(ARMS), metavar="ARM", help=arms_help)
    seeds_help = "seeds of fine-tuning; each arm is trained once with each (default: 0)"
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="S", help=seeds_help)
    pretrained_help = "checkpoint that all arms go on from (default: train it first)"
    parser.add_argument("--pretrained", type=Path, metavar="DIR", help=pretrained_help)
    scorers_help = "folder with a detector and a clip that look at sketches (default: the embedded ones)"
    parser.add_argument("--scorers", type=Path, metavar="DIR", help=scorers_help)
    parser.add_argument("--pretrain-steps", type=int, default=unified.STEPS, metavar="N", help="steps of pretraining")
    sketches_help = "prompts of the sketches that the pretrained checkpoint learns to look at"
    parser.add_argument("--sketch-prompts", type=int, default=sketches.COUNT, metavar="N", help=sketches_help)
    look_help = "training steps on these sketches"
    parser.add_argument("--look-steps", type=int, default=LOOK_STEPS, metavar="N", help=look_help)
    sampler_help = "training steps of the model whose drawings the arms with self-sampling learn from"
    parser.add_argument("--sampler-steps", type=int, default=SAMPLER_STEPS, metavar="N", help=sampler_help)
    steps_help = "steps of fine-tuning, the same for each arm"
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=steps_help)
    parser.add_argument("--prompts", type=int, default=PROMPTS, metavar="N", help="prompts in the data of each arm")
    parser.add_argument("--batch", type=int, default=BATCH, metavar="N", help="training examples per step")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    compile_help = "do not compile the network: training starts at once, but each step takes longer"
    parser.add_argument("--no-compile", action="store_true", help=compile_help)
    return parser.parse_args(arguments)


def study(options: argparse.Namespace) -> Study:
    """The study that a command line asks for.

    Raises:
        ConfigError: an unknown arm, a count that is not above 0, or a device that torch cannot use.
    """
    for arm in options.arms:
        if arm not in ARMS:
            raise ConfigError(f"--arms: no arm {arm!r}{did_you_mean(arm, ARMS)}")
    counts = ("pretrain_steps", "sketch_prompts", "look_steps", "sampler_steps", "steps", "prompts", "batch")
    for name in counts:
        if getattr(options, name) < 1:
            raise ConfigError(f"--{name.replace('_', '-')} must be above 0, got {getattr(options, name)}")
    given = {name: getattr(options, name) for name in ("out", "pretrained", "scorers", "arms", "seeds", *counts)}
    return Study(**given, device=pick_device(options.device), compiled=not options.no_compile)


if __name__ == "__main__":
    sys.exit(main())

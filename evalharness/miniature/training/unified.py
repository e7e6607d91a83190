"""Train the unified miniature: ``python -m evalharness.miniature.training.unified``.

Cross-entropy on the words to say, a flow loss on the cells to draw, in one pass over a batch of each kind of lesson.
Batches are a pure function of the seed and the step, a checkpoint is written every few minutes, and the same command
continues from it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import logging
import random
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from evalharness.miniature.batches import EMPTY, Batch, bank, collate
from evalharness.miniature.codec import Codec, fit
from evalharness.miniature.lessons import Kind, lesson
from evalharness.miniature.network import CLEAN, Network, NetworkConfig
from evalharness.miniature.tokenizer import VOCABULARY, Tokenizer
from evalharness.miniature.world import CLASSES, COLOR_NAMES

logger = logging.getLogger(__name__)

SHAPES: dict[Kind, tuple[int, int]] = {"single": (96, 20), "think": (40, 36), "step": (40, 52), "inspect": (32, 80)}
"""Kind of lesson → lessons a step, tokens a lesson."""
FLOW_WEIGHT = 8.0
NAMING_WEIGHT = 0.3
CLASS_COUNT, COLOR_COUNT = len(CLASSES) + 1, len(COLOR_NAMES) + 1


class Student(nn.Module):
    """The network and, while it learns, a head that names class and colour of what a canvas token shows or will show.

    Which thing belongs where comes slowly from squared errors alone; naming it is a direct lesson. The head is not
    shipped.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.naming = nn.Linear(network.config.width, CLASS_COUNT + COLOR_COUNT)


def _naming(student: Student, hidden: Tensor, rows: Tensor) -> Tensor:
    """Cross-entropy of class and colour, rows of the bank being the truth; -1: none."""
    logits = student.naming(hidden).float().flatten(0, 1)
    rows = rows.flatten()
    classes = torch.where(rows < 0, -100, rows // len(COLOR_NAMES))
    colors = torch.where(rows < 0, -100, torch.where(rows == EMPTY, len(COLOR_NAMES), rows % len(COLOR_NAMES)))
    count = (rows >= 0).sum().clamp(min=1)
    total = F.cross_entropy(logits[:, :CLASS_COUNT], classes, reduction="sum", ignore_index=-100)
    return (total + F.cross_entropy(logits[:, CLASS_COUNT:], colors, reduction="sum", ignore_index=-100)) / count


def losses(student: Student, batch: Batch, time: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the words, flow loss of the drawing (squared velocity error, flat below t = 0.3), naming."""
    net = student.network
    level = time[:, None, None]
    noisy = (1 - level) * batch.target + level * noise
    x = net.embed_text(batch.ids)
    looked = net.clean_in(batch.clean) + net.cells(batch.cells) + net.kinds.weight[CLEAN]
    x = torch.where((batch.kinds == CLEAN)[..., None], looked.to(x.dtype), x)
    drawn = net.embed_noisy(noisy, batch.state, time).to(x.dtype)
    x = x.scatter(1, batch.noisy_at[..., None].expand(-1, -1, x.shape[-1]), drawn)
    hidden, _ = net.run(x, batch.positions, batch.mask)
    at = batch.noisy_at[..., None].expand(-1, -1, hidden.shape[-1])
    predicted = net.latents(hidden.gather(1, at), batch.state)
    error = (predicted.float() - batch.target).square().mean(dim=(1, 2)) / time.clamp(min=0.3).square()
    flow = (error * batch.drawn).sum() / batch.drawn.sum().clamp(min=1)
    said = batch.labels != -100
    logits = net.logits(hidden).float()
    words = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="sum", ignore_index=-100)
    drawn_rows = torch.where(batch.drawn[:, None] > 0, batch.target_rows, -1)
    naming = _naming(student, hidden.gather(1, at), drawn_rows) + _naming(student, hidden, batch.clean_rows)
    return words / said.sum().clamp(min=1), flow, naming


def make_batch(seed: int, step: int, kind: Kind, tokenizer: Tokenizer, latents: Tensor) -> tuple[Batch, Tensor, Tensor]:
    """The batch of one kind at one step, its times and its noise: a function of the arguments alone."""
    digest = hashlib.sha256(f"{seed}/{step}/{kind}".encode()).digest()
    rng = random.Random(digest)
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    count, length = SHAPES[kind]
    batch = collate([lesson(rng, kind) for _ in range(count)], length, tokenizer, latents)
    # The model reads its own drawings, which are never quite clean.
    grain = 0.08 * torch.rand(count, 1, 1, generator=generator)
    batch.clean = batch.clean + grain * torch.randn(batch.clean.shape, generator=generator)
    times = torch.sigmoid(torch.randn(count, generator=generator) * 1.3 + 0.8)
    return batch, times, torch.randn(batch.target.shape, generator=generator)


def optimizers(student: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the rest."""
    inner = [p for n, p in student.named_parameters() if ".blocks." in n and p.ndim == 2]
    outer = [p for n, p in student.named_parameters() if not (".blocks." in n and p.ndim == 2)]
    return [
        torch.optim.Muon(inner, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_at(step: int, steps: int) -> float:
    """Warm-up over 200 steps, constant, then linearly to zero over the last third."""
    return min(1.0, (step + 1) / 200, max(0.0, (steps - step) / (steps / 3)))


def save(folder: Path, network: Network, codec: Codec, card: dict[str, Any]) -> None:
    """The folder that the model plugin loads: ``model.safetensors`` (float16), ``config.json``, ``card.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    tensors["codec.basis"] = codec.basis.to(torch.float16).contiguous()
    save_file(tensors, folder / "model.safetensors")
    config = {**network.config.to_json(), "words": list(VOCABULARY)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


class Trainer:
    """The student, its optimizers and its moving average; all that a checkpoint holds."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args = args
        name = args.device if args.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(name)
        self.tokenizer, self.codec = Tokenizer(), Codec(fit())
        self.latents = bank(self.codec)
        self.network = Network(NetworkConfig(len(self.tokenizer), args.width, args.depth)).to(self.device)
        self.student = Student(self.network).to(self.device)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(0.995))
        self.steppers = optimizers(self.student, args.rate)
        self.losses = torch.compile(losses, dynamic=False) if args.compile else losses
        self.step = 0
        self.began = time.monotonic()
        self.running: dict[str, float] = {}

    def resume(self) -> None:
        """Continue from the last checkpoint, if there is one."""
        checkpoint = self.args.work / "unified.pt"
        if not checkpoint.exists():
            return
        held = torch.load(checkpoint, weights_only=True, map_location=self.device)
        self.student.load_state_dict(held["student"])
        self.average.load_state_dict(held["average"])
        for stepper, state in zip(self.steppers, held["optimizers"], strict=True):
            stepper.load_state_dict(state)
        self.step = held["step"]
        self.began -= held["seconds"]
        logger.info("continuing from step %d", self.step)

    def keep(self) -> None:
        """Write the checkpoint, and the averaged weights as the plugin loads them."""
        seconds = time.monotonic() - self.began
        state = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "step": self.step,
            "optimizers": [stepper.state_dict() for stepper in self.steppers],
            "seconds": seconds,
        }
        checkpoint = self.args.work / "unified.pt"
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        averaged: Network = self.average.module  # type: ignore[assignment]
        save(self.args.work / "latest", averaged, self.codec, self.card(round(seconds)))

    def card(self, seconds: int) -> dict[str, Any]:
        """How these weights came to be."""
        args = self.args
        names = ("seed", "steps", "width", "depth", "rate")
        options = " ".join(f"--{name} {getattr(args, name)}" for name in names)
        return {
            "command": f"python -m evalharness.miniature.training.unified {options}",
            "seed": args.seed,
            "steps": self.step,
            "seconds": seconds,
            "data_sha256": hashlib.sha256(self.latents.numpy().tobytes()).hexdigest(),
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "torch": torch.__version__,
            "device": str(self.device),
            "losses": {name: round(value, 5) for name, value in self.running.items()},
        }

    def learn(self) -> None:
        """One step: a batch of each kind of lesson."""
        for stepper in self.steppers:
            for group in stepper.param_groups:
                group["lr"] = self.args.rate * rate_at(self.step, self.args.steps)
        for kind in SHAPES:
            batch, times, noise = make_batch(self.args.seed, self.step, kind, self.tokenizer, self.latents)
            with torch.autocast(self.device.type, torch.bfloat16):
                words, flow, naming = self.losses(
                    self.student, batch.to(self.device), times.to(self.device), noise.to(self.device)
                )
            total: Tensor = words + FLOW_WEIGHT * flow + NAMING_WEIGHT * naming
            total.backward()
            for name, value in (("words", words), ("flow", flow), ("naming", naming)):
                old = self.running.get(f"{kind}_{name}", value.item())
                self.running[f"{kind}_{name}"] = 0.98 * old + 0.02 * value.item()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        for stepper in self.steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        self.average.update_parameters(self.network)
        self.step += 1


def train(args: argparse.Namespace) -> None:
    """Train until ``args.steps``, keeping a checkpoint every three minutes."""
    args.work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args)
    trainer.resume()
    kept = time.monotonic()
    with (args.work / "curve.csv").open("a", newline="") as curve:
        writer = csv.writer(curve)
        while trainer.step < args.steps:
            trainer.learn()
            last = trainer.step == args.steps
            if trainer.step % 50 == 0 or last:
                told = " ".join(f"{name} {value:.4f}" for name, value in trainer.running.items())
                logger.info("step %d, %.0f s: %s", trainer.step, time.monotonic() - trainer.began, told)
                seconds = round(time.monotonic() - trainer.began)
                writer.writerow([trainer.step, seconds, *(round(v, 5) for v in trainer.running.values())])
                curve.flush()
            if last or time.monotonic() - kept > 180:
                trainer.keep()
                kept = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the unified miniature.")
    parser.add_argument("--work", type=Path, default=Path("training/unified"), help="checkpoints and latest weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch's default")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    train(args)


if __name__ == "__main__":
    main()

"""Train the unified miniature: ``python -m evalharness.miniature.training.unified``.

Cross-entropy on the words to say, a flow loss on the cells to draw, in one pass over a batch of each kind of lesson. Batches
are a pure function of the seed and the step, a checkpoint is written every few minutes, and the same command continues from it.
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
from evalharness.miniature.network import CLEAN, NOISY, Network, NetworkConfig
from evalharness.miniature.tokenizer import VOCABULARY, Tokenizer
from evalharness.miniature.world import CLASSES, COLOR_NAMES

logger = logging.getLogger(__name__)

SHAPES: dict[Kind, tuple[int, int]] = {"single": (96, 20), "think": (40, 36), "step": (40, 52), "inspect": (32, 80)}
"""Kind of lesson → lessons a step, tokens a lesson."""
FLOW_WEIGHT = 8.0
NAMING_WEIGHT = 0.3
CLASS_COUNT, COLOR_COUNT = len(CLASSES) + 1, len(COLOR_NAMES) + 1


class Student(nn.Module):
    """The network and, while it learns, a head that names class and colour of what each canvas token shows or will show.

    Which thing belongs where comes slowly from squared errors alone; naming it is a direct lesson. The head is not shipped.
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
    """Cross-entropy of the words, flow loss of the drawing (squared error of the velocity, flat below t = 0.3), naming."""
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


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if args.device == "auto" and torch.cuda.is_available() else args.device.replace("auto", "cpu"))
    tokenizer, codec = Tokenizer(), Codec(fit())
    latents = bank(codec)
    network = Network(NetworkConfig(vocabulary=len(tokenizer), width=args.width, depth=args.depth)).to(device)
    student = Student(network).to(device)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    steppers = optimizers(student, args.rate)
    checkpoint = args.work / "unified.pt"
    start, spent = 0, 0.0
    if checkpoint.exists():
        held = torch.load(checkpoint, weights_only=True, map_location=device)
        student.load_state_dict(held["student"])
        average.load_state_dict(held["average"])
        for stepper, state in zip(steppers, held["optimizers"], strict=True):
            stepper.load_state_dict(state)
        start, spent = held["step"], held["seconds"]
        logger.info("continuing from step %d", start)
    args.work.mkdir(parents=True, exist_ok=True)
    compiled = torch.compile(losses, dynamic=False) if args.compile else losses
    data = hashlib.sha256(latents.numpy().tobytes()).hexdigest()
    card = {
        "command": f"python -m evalharness.miniature.training.unified --seed {args.seed} --steps {args.steps} --width {args.width}"
        f" --depth {args.depth} --rate {args.rate}",
        "seed": args.seed, "data_sha256": data, "parameters": sum(p.numel() for p in network.parameters()),
        "torch": torch.__version__, "device": str(device),
    }  # fmt: skip
    began, saved = time.monotonic() - spent, time.monotonic()
    running: dict[str, float] = {}
    curve = (args.work / "curve.csv").open("a", newline="")
    writer = csv.writer(curve)
    for step in range(start, args.steps):
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = args.rate * rate_at(step, args.steps)
        for kind in SHAPES:
            batch, times, noise = make_batch(args.seed, step, kind, tokenizer, latents)
            with torch.autocast(device.type, torch.bfloat16):
                words, flow, naming = compiled(student, batch.to(device), times.to(device), noise.to(device))
            (words + FLOW_WEIGHT * flow + NAMING_WEIGHT * naming).backward()
            for name, value in ((f"{kind}_words", words), (f"{kind}_flow", flow), (f"{kind}_naming", naming)):
                running[name] = 0.98 * running.get(name, value.item()) + 0.02 * value.item()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        average.update_parameters(network)
        done = step + 1
        if done % 50 == 0 or done == args.steps:
            seconds = time.monotonic() - began
            logger.info("step %d, %.0f s: %s", done, seconds, " ".join(f"{k} {v:.4f}" for k, v in running.items()))
            writer.writerow([done, round(seconds), *(round(v, 5) for v in running.values())])
            curve.flush()
        if time.monotonic() - saved > 180 or done == args.steps:
            saved = time.monotonic()
            state = {"student": student.state_dict(), "average": average.state_dict(), "step": done,
                     "optimizers": [stepper.state_dict() for stepper in steppers], "seconds": saved - began}  # fmt: skip
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            save(args.work / "latest", average.module, codec, {**card, "steps": done, "seconds": round(saved - began)})


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the unified miniature.")
    parser.add_argument("--work", type=Path, default=Path("training/unified"), help="checkpoints, curve and latest weights")
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

"""Train the unified miniature: ``python -m evalharness.miniature.training.unified``.

Cross-entropy on the words to write and a flow loss on the cells to draw, in one pass over a batch of each kind of
example. Batches are a pure function of the seed and the step, a checkpoint is written every few minutes, and the same
command continues from it.

Examples are generated without end, or come from recorded trajectories (``--data``, from ``python -m
evalharness.miniature.training.data``): the arm ``base`` for pretraining, another with ``--start`` for fine-tuning.
Recorded examples have tokens that start and end an image; these are learned as words are, so that the model switches
by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from evalharness._util.file_digests import file_digest
from evalharness._util.files import atomic_path, write_text_atomically
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.miniature.model.batches import EMPTY, Batch, collate, tile_latents
from evalharness.miniature.model.codec import Codec, fit
from evalharness.miniature.model.network import CLEAN, Network, NetworkConfig
from evalharness.miniature.model.tokenizer import IMAGE, IMAGE_END, VOCABULARY, Tokenizer
from evalharness.miniature.training.curves import draw_curve
from evalharness.miniature.training.optimizers import optimizers
from evalharness.miniature.training.recorded_examples import RecordedExamples, noised
from evalharness.miniature.training.sketches import FILE, OwnSketches
from evalharness.miniature.training.training_run import (
    TrainingRun,
    arguments,
    command,
    half_precision,
    multiplies_bfloat16,
    started,
    trapezoid,
)
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES
from evalharness.miniature.world.training_examples import FAULT_PARTS, Kind, training_example

Shapes = dict[Kind | Literal["own"], tuple[int, int]]
SHAPES: Shapes = {"single": (64, 40), "think": (32, 64), "read": (32, 120), "ask": (48, 80), "edit": (32, 48)}
"""Kind → examples per step, tokens per example."""
CONTINUED: Shapes = {
    "single": (24, 40), "think": (24, 64), "read": (8, 120), "ask": (56, 80), "own": (72, 80), "edit": (16, 48)
}  # fmt: skip
"""The same for a network that can already draw and is to learn to look at its own sketches."""
STEPS = 3600
RATE = 3e-3
CONTINUED_RATE = 1e-3
FLOW_WEIGHT = 8.0
NAMING_WEIGHT = 0.5
INSTRUCTION_WEIGHT = 3.0
"""Weight of the words of an instruction, which decide what a plan adds; the rest of a plan mostly repeats."""
REPORT_EVERY = 50
BATCH = 208
SWITCHES = (VOCABULARY.index(IMAGE), VOCABULARY.index(IMAGE_END))
INSTRUCTION = (VOCABULARY.index("<ins>"), VOCABULARY.index("</ins>"))
CLASS_COUNT, COLOR_COUNT = len(CLASSES) + 1, len(COLOR_NAMES) + 1


class Student(nn.Module):
    """The network and, while it learns, a head that names class and colour of what a canvas token shows or will show.

    Squared errors alone teach slowly which thing belongs where; naming it teaches that directly. A second head tells
    for each word that names a thing in which cells of the last canvas it stands, so that words attend to what they are
    about. A third one tells what is wrong with each cell of a canvas that the words after it criticise: a fault is seen
    before it is said. The heads are not shipped.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.naming = nn.Linear(network.config.width, CLASS_COUNT + COLOR_COUNT)
        self.locating = nn.Linear(network.config.width, network.config.cells)
        self.faulting = nn.Linear(network.config.width, 1 + len(FAULT_PARTS))


def _naming(student: Student, hidden: Tensor, rows: Tensor) -> Tensor:
    """Cross-entropy of class and colour, rows of the bank being the truth; -1: none."""
    logits = student.naming(hidden).float().flatten(0, 1)
    rows = rows.flatten()
    classes = torch.where(rows < 0, -100, rows // len(COLOR_NAMES))
    colors = torch.where(rows < 0, -100, torch.where(rows == EMPTY, len(COLOR_NAMES), rows % len(COLOR_NAMES)))
    count = (rows >= 0).sum().clamp(min=1)
    total = F.cross_entropy(logits[:, :CLASS_COUNT], classes, reduction="sum", ignore_index=-100)
    return (total + F.cross_entropy(logits[:, CLASS_COUNT:], colors, reduction="sum", ignore_index=-100)) / count


def _locating(student: Student, hidden: Tensor, standing: Tensor) -> Tensor:
    """Cross-entropy of the cells in which the things stand that words name; no loss for things that stand nowhere."""
    named = standing.any(dim=-1)
    each = F.binary_cross_entropy_with_logits(student.locating(hidden).float(), standing.float(), reduction="none").sum(
        dim=-1
    )
    return (each * named).sum() / named.sum().clamp(min=1)


def _faulting(student: Student, hidden: Tensor, faults: Tensor) -> Tensor:
    """Cross-entropy of what is wrong with each cell of a canvas, summed over its cells."""
    known = faults >= 0
    logits = student.faulting(hidden).float().flatten(0, 1)
    total = F.cross_entropy(logits, faults.flatten(), reduction="sum", ignore_index=-100)
    return total / known.any(dim=-1).sum().clamp(min=1)


def losses(student: Student, batch: Batch, time: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross-entropy of the words, flow loss of the drawing (squared velocity error, flat below t = 0.3), the
    loss of the other heads, and last the cross-entropy of the tokens that start and end an image alone, which the first
    one includes.
    """
    net = student.network
    level = time[:, None, None]
    noisy = (1 - level) * batch.target + level * noise
    x = net.embed_text(batch.ids)
    looked = net.clean_in(batch.clean) + net.cells(batch.cells.clamp(min=0)) + net.kinds.weight[CLEAN]
    x = torch.where((batch.kinds == CLEAN)[..., None], looked.to(x.dtype), x)
    drawn = net.embed_noisy(noisy, batch.state, time).to(x.dtype)
    x = x.scatter(1, batch.noisy_at[..., None].expand(-1, -1, x.shape[-1]), drawn)
    hidden, _ = net.run(x, batch.positions, batch.cells, batch.mask)
    at = batch.noisy_at[..., None].expand(-1, -1, hidden.shape[-1])
    predicted = net.latents(hidden.gather(1, at), batch.state)
    error = (predicted.float() - batch.target).square().mean(dim=(1, 2)) / time.clamp(min=0.3).square()
    flow = (error * batch.drawn).sum() / batch.drawn.sum().clamp(min=1)
    logits = net.logits(hidden).float()
    each = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="none", ignore_index=-100)
    weights = _weights(batch.labels)
    switches = ((batch.labels == SWITCHES[0]) | (batch.labels == SWITCHES[1])).flatten()
    switching = (each * switches).sum() / switches.sum().clamp(min=1)
    drawn_rows = torch.where(batch.drawn[:, None] > 0, batch.target_rows, -1)
    naming = _naming(student, hidden.gather(1, at), drawn_rows) + _naming(student, hidden, batch.shown_rows)
    naming = naming + _locating(student, hidden, batch.standing) + _faulting(student, hidden, batch.faults)
    return (each * weights).sum() / weights.sum().clamp(min=1), flow, naming, switching


def _weights(labels: Tensor) -> Tensor:
    """(batch × length,): of each word to be said."""
    starts, ends = ((labels == marker).cumsum(dim=1) for marker in INSTRUCTION)
    return torch.where(starts > ends, INSTRUCTION_WEIGHT, 1.0).masked_fill(labels == -100, 0.0).flatten()


@dataclass(frozen=True)
class GeneratedExamples:
    """Generated examples without end (``evalharness.miniature.world.training_examples``)."""

    seed: int
    shapes: Shapes
    tokenizer: Tokenizer
    latents: Tensor
    own: OwnSketches | None = None
    teaches: tuple[str, ...] = ()

    @property
    def weights(self) -> Mapping[str, float]:
        """All kinds count equally, however many examples there are of each."""
        return dict.fromkeys(self.shapes, 1.0)

    def batch(self, step: int, kind: Kind | Literal["own"]) -> tuple[Batch, Tensor, Tensor]:
        """The batch of one kind at one step, its times and its noise: a function of the arguments alone."""
        seed = hashlib.sha256(f"{self.seed}/{step}/{kind}".encode()).digest()
        rng = random.Random(seed)
        count, length = self.shapes[kind]
        if kind == "own":
            assert self.own is not None
            examples = [self.own.example(rng) for _ in range(count)]
            return noised(collate(examples, length, self.tokenizer, self.own.latents), seed)
        examples = [training_example(rng, kind) for _ in range(count)]
        return noised(collate(examples, length, self.tokenizer, self.latents), seed)


def save(folder: Path, network: Network, codec: Codec, *, learned: Sequence[str] = ()) -> None:
    """The folder that the model plugin loads: ``model.safetensors`` (float16) and ``config.json``.

    ``learned``: ``marked``, the tokens that start and end an image; ``remembers``, to go on from its last plan.
    """
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    tensors["codec.basis"] = codec.basis.to(torch.float16).contiguous()
    with atomic_path(folder / "model.safetensors") as temporary:
        temporary.write_bytes(to_safetensors(tensors))
    config = {**network.config.to_json(), "words": list(VOCABULARY), **dict.fromkeys(learned, True)}
    write_text_atomically(folder / "config.json", json.dumps(config, indent=1) + "\n")


def learn(
    student: Student, step: int, source: GeneratedExamples | RecordedExamples, device: str, naming_weight: float
) -> dict[str, float]:
    """Accumulate the weighted gradients of a batch of each kind, or part, of examples; returns the losses by name."""
    values: dict[str, float] = {}
    target = torch.device(device)
    for kind in source.shapes:
        batch, times, noise = source.batch(step, kind)  # type: ignore[arg-type]
        with half_precision(device):
            words, flow, naming, switching = losses(student, batch.to(target), times.to(target), noise.to(target))
        (source.weights[kind] * (words + FLOW_WEIGHT * flow + naming_weight * naming)).backward()
        named = {"words": words, "flow": flow, "naming": naming}
        if isinstance(source, RecordedExamples):
            named["switching"] = switching
        values |= {f"{kind}_{name}": value.item() for name, value in named.items()}
    return values


def begin(network: Network, folder: Path, words: tuple[str, ...]) -> None:
    """Go on from a checkpoint, whose vocabulary may lack some of ``words``."""
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("codec.basis")
    known = json.loads((folder / "config.json").read_text())["words"]
    table = network.words.weight.detach().clone()
    for row, word in zip(tensors["words.weight"], known, strict=True):
        table[words.index(word)] = row
    network.load_state_dict({**tensors, "words.weight": table})


def main() -> None:
    args = arguments("unified", STEPS, _options)
    try:
        train(args)
    except EvalHarnessError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--data", type=Path, nargs="+", default=[], metavar="DIR", help="recorded trajectories")
    sketches_help = "sketches of a checkpoint (evalharness.miniature.training.sketches) to learn to look at"
    parser.add_argument("--sketches", type=Path, nargs="+", default=[], metavar="DIR", help=sketches_help)
    parser.add_argument("--batch", type=int, default=BATCH, metavar="N", help=f"recorded examples per step ({BATCH})")
    parser.add_argument(
        "--rate", type=float, metavar="R", help=f"the highest learning rate ({RATE}; --start: {CONTINUED_RATE})"
    )
    parser.add_argument(
        "--naming", action="store_true", help="with --start: learn to name things, too, as from nothing"
    )
    parser.add_argument("--no-compile", action="store_true", help="start at once, and take each step slowly")


def train(args: argparse.Namespace) -> None:
    """The whole run, from where it was left, to weights, card and curve.

    Raises:
        ConfigError: the rate is no rate, or the data are not complete, or not for the miniature.
    """
    if args.rate is not None and not 0 < args.rate < math.inf:
        raise ConfigError(f"--rate is a number above 0, not {args.rate}")
    tokenizer, codec = Tokenizer(), Codec(fit())
    network = Network(NetworkConfig(len(tokenizer)))
    card: dict[str, Any] = {"bank": bank().digest, "stored": "float16; loaded as float64", **started("unified", args)}
    source: GeneratedExamples | RecordedExamples
    if args.data:
        source = RecordedExamples.load(args.data, args.seed, args.batch, tokenizer, codec)
        card["data"], card["lessons"] = source.card, source.counts
        card["command"] = card.get("command", command("unified", args)) + _given(args)
    else:
        latents = tile_latents(codec)
        own = OwnSketches.load(args.sketches, codec, latents) if args.sketches else None
        source = GeneratedExamples(args.seed, CONTINUED if own else SHAPES, tokenizer, latents, own)
        if own:
            card["sketches"] = [file_digest(folder / FILE) for folder in args.sketches]
            card["command"] = f"{card.get('command', command('unified', args))} --naming --sketches DIR"
    if args.start:
        begin(network, args.start, tokenizer.vocabulary)
    student = Student(network).to(args.device)
    both = optimizers(student, bfloat16=multiplies_bfloat16(args.device))
    run = TrainingRun(
        "unified", args.out, args.scratch, args.seed, args.steps, args.device, student, both,
        lr=args.rate or (CONTINUED_RATE if args.start else RATE), warmup=max(1, min(200, args.steps // 8)),
        schedule=trapezoid, tag=_tag(source, card),
    )  # fmt: skip
    if not args.no_compile:
        # All blocks are one program, for any number of examples and tokens: a minute to compile, once.
        for block in network.blocks:
            block.compile(dynamic=True)
    # The naming head is not part of a checkpoint: one that goes on has learnt to draw, and can do without.
    naming_weight = NAMING_WEIGHT if args.naming or not args.start else 0.0
    if args.start:
        nn.init.zeros_(student.naming.weight)  # it has nothing to teach before it has learned something itself
    recent: deque[dict[str, float]] = deque(maxlen=REPORT_EVERY)
    for step in run.loop():
        recent.append(learn(student, step, source, args.device, naming_weight))
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == run.steps:
            means = {name: sum(point[name] for point in recent) / len(recent) for name in recent[0]}
            run.report(**means)
    save(args.out, student.network, codec, learned=source.teaches)
    if run.curve:
        draw_curve(run.curve, args.out / "curve.png")
    run.finish(card | ({"losses": run.curve[-1]} if run.curve else {}))


def _given(args: argparse.Namespace) -> str:
    """The options of recorded examples as command-line text; the card names the data by their digests."""
    rate = f" --rate {args.rate}" if args.rate else ""
    naming = " --naming" if args.naming else ""
    return f"{rate}{naming} --batch {args.batch} --data {' '.join(['DIR'] * len(args.data))}"


def _tag(source: GeneratedExamples | RecordedExamples, card: dict[str, Any]) -> str:
    """Runs that differ in their data or their start have checkpoints of their own."""
    if isinstance(source, GeneratedExamples) and not source.own:
        return ""
    data = source.digest if isinstance(source, RecordedExamples) else card["sketches"]
    return "-" + hashlib.sha256(f"{data}/{card.get('start')}".encode()).hexdigest()[:12]


if __name__ == "__main__":
    main()

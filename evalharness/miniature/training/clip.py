"""Train the embedded CLIP: ``python -m evalharness.miniature.training.clip``.

It learns exactly what it is used for: the zero-shot classifier over ten colours for an object of a known class, on
crops outside whose mask everything is grey. The folder is one that open_clip loads by its ``local-dir:`` schema.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from open_clip import OPENAI_DATASET_MEAN as MEAN
from open_clip import OPENAI_DATASET_STD as STD
from open_clip.model import CLIP
from safetensors.torch import save as to_safetensors
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from evalharness._util.files import atomic_path, write_text_atomically
from evalharness.detectors.colors import GENEVAL_TEMPLATES as TEMPLATES
from evalharness.miniature.training.augment import EMPTY, Boards, BoardSampler
from evalharness.miniature.training.training_run import TrainingRun, arguments
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, SIDE
from evalharness.miniature.world.icons import CELL

GREY = 0x99 / 255
IMAGE = CELL
CLASSES_A_STEP = 16
"""So many classes' classifiers are built in a step; the board's things are repainted to be among them."""
BOARDS = 48
SPECIAL = ("<pad>", "<unk>")
END = "<eos>"


def words() -> list[str]:
    """Every word of the templates, in a fixed order."""
    texts = (t.format(color=color, cls=cls) for t in TEMPLATES for color in COLOR_NAMES for cls in CLASSES)
    return sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]", text)})


def tokenizer() -> Tokenizer:
    """Word level; the end mark has the largest number, which is where open_clip reads a text's embedding."""
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *words(), END))}
    out = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[1]))
    out.normalizer = normalizers.Lowercase()
    out.pre_tokenizer = pre_tokenizers.Whitespace()
    out.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, vocabulary[END])])
    return out


def model_config(vocabulary: int) -> dict[str, Any]:
    """open_clip's ``model_cfg``. The tokenizer's name is not looked up: its files lie in the same folder."""
    return {
        "embed_dim": 64,
        "vision_cfg": {"image_size": IMAGE, "layers": 3, "width": 96, "head_width": 32, "patch_size": 8},
        "text_cfg": {
            "context_length": 14,
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "miniature",
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    }


def crops(boards: Boards) -> tuple[Tensor, Tensor, Tensor]:
    """What the classifier sees of each thing: (n, 3, 32, 32) normalised pixels, (n,) classes, (n,) colours."""
    present = boards.labels != EMPTY
    cells = boards.pixels.reshape(-1, 3, SIDE, CELL, SIDE, CELL).permute(0, 2, 4, 1, 3, 5)
    pixels = cells.reshape(-1, CELLS, 3, CELL, CELL)[present]
    on = found_masks(boards.masks[present])
    visible = torch.where(on[:, None], pixels, GREY)
    mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (MEAN, STD))
    return (zoom(visible, on) - mean) / std, boards.labels[present], boards.colors[present]


def found_masks(cover: Tensor) -> Tensor:
    """Coverage (n, 32, 32) → bool masks as a detector may find them: exact or coarse, a little off."""
    n, dev = len(cover), cover.device
    coarse = F.interpolate(F.avg_pool2d(cover[:, None], 4), size=(CELL, CELL), mode="bilinear")
    exact = torch.lerp(cover[:, None], F.avg_pool2d(cover[:, None], 3, 1, 1), 0.9)
    logits = torch.where(torch.rand(n, 1, 1, 1, device=dev) < 0.7, coarse, exact)
    shift = (torch.rand(n, 2, device=dev) * 2 - 1) / CELL * 2
    theta = torch.eye(2, 3, device=dev).repeat(n, 1, 1)
    theta[:, :, 2] = shift
    logits = F.grid_sample(logits, F.affine_grid(theta, [n, 1, CELL, CELL], align_corners=False), align_corners=False)
    level = 0.5 + 0.3 * (torch.rand(n, 1, 1, device=dev) - 0.5)
    on = logits[:, 0] > level
    return torch.where(on.flatten(1).any(1)[:, None, None], on, cover > 0.25)


def zoom(pixels: Tensor, on: Tensor) -> Tensor:
    """CLIP's preprocessing, batched: crop to the mask's bounds, shorter side to 32, keep the central square."""
    line = torch.arange(CELL, device=on.device)
    edges = []
    for axis in (1, 2):
        held = on.any(axis)
        first = torch.where(held, line, CELL).amin(1)
        last = torch.where(held, line, -1).amax(1) + 1
        edges.append((first, last))
    (x1, x2), (y1, y2) = edges
    half = torch.minimum(x2 - x1, y2 - y1) / CELL
    theta = torch.zeros(len(on), 2, 3, device=on.device)
    theta[:, 0, 0] = theta[:, 1, 1] = half
    theta[:, 0, 2], theta[:, 1, 2] = (x1 + x2) / CELL - 1, (y1 + y2) / CELL - 1
    grid = F.affine_grid(theta, [len(on), 3, IMAGE, IMAGE], align_corners=False)
    return F.grid_sample(pixels, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 1)


def all_texts(tokens: Tokenizer, context: int) -> Tensor:
    """(80, 10, 3, context) int64: every class's every colour in every template."""
    tokens.enable_padding(length=context)
    texts = [t.format(color=color, cls=cls) for cls in CLASSES for color in COLOR_NAMES for t in TEMPLATES]
    ids = torch.tensor([line.ids for line in tokens.encode_batch(texts)])
    tokens.no_padding()
    return ids.view(len(CLASSES), len(COLOR_NAMES), len(TEMPLATES), context)


def classifiers(model: CLIP, texts: Tensor) -> Tensor:
    """(k, 10, 3, context) → (k, 10, 64): mean of the normalised templates, normalised again."""
    features = F.normalize(model.encode_text(texts.flatten(0, 2)), dim=-1)
    return F.normalize(features.view(*texts.shape[:3], -1).mean(2), dim=-1)


@torch.no_grad()
def measure(model: CLIP, texts: Tensor, boards: Boards) -> float:
    """Share of the things whose colour is right."""
    model.eval()
    pixels, kinds, colors = crops(boards)
    weights = classifiers(model, texts)
    features = F.normalize(model.encode_image(pixels), dim=-1)
    guess = torch.einsum("nd,ncd->nc", features, weights[kinds]).argmax(1)
    model.train()
    return float((guess == colors).float().mean())


def save(model: CLIP, tokens: Tokenizer, config: dict[str, Any], out: Path) -> None:
    """The folder that ``local-dir:`` loads; float16 on disk, float32 once loaded."""
    preprocess = {
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": SPECIAL[0],
        "unk_token": SPECIAL[1],
        "eos_token": END,
    }
    write_text_atomically(
        out / "open_clip_config.json", json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2) + "\n"
    )
    write_text_atomically(out / "tokenizer_config.json", json.dumps(about, indent=2) + "\n")
    write_text_atomically(out / "tokenizer.json", tokens.to_str(pretty=False) + "\n")
    weights = {name: value.half().contiguous().cpu() for name, value in model.state_dict().items()}
    with atomic_path(out / "open_clip_model.safetensors") as temporary:
        temporary.write_bytes(to_safetensors(weights))


def main() -> None:
    args = arguments("clip", steps=2000)
    data = bank()
    painter = BoardSampler(data, args.device)
    tokens = tokenizer()
    config = model_config(tokens.get_vocab_size())
    model = CLIP(**config).to(args.device).train()
    texts = all_texts(tokens, config["text_cfg"]["context_length"]).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.02)
    run = TrainingRun("clip", args.out, args.scratch, args.seed, args.steps, args.device, model, [optimizer], lr=1e-3)
    for step in run.loop():
        some = torch.randperm(len(CLASSES), device=texts.device)[:CLASSES_A_STEP]
        pixels, kinds, colors = crops(painter.boards(BOARDS, among=some))
        weights = classifiers(model, texts[some])
        place = (kinds[:, None] == some).int().argmax(1)
        features = F.normalize(model.encode_image(pixels), dim=-1)
        logits = model.logit_scale.exp().clamp(max=100) * torch.einsum("nd,ncd->nc", features, weights[place])
        loss = F.cross_entropy(logits, colors)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0 or step + 1 == run.steps:
            clean, rough = (measure(model, texts, painter.boards(128, r)) for r in (0.0, 1.0))
            run.report(loss=float(loss.detach()), clean=clean, rough=rough)
    save(model, tokens, config, args.out)
    clean, rough = (measure(model, texts, painter.boards(1024, r)) for r in (0.0, 1.0))
    run.finish({"bank": data.digest, "stored": "float16; loaded as float32", "right": {"clean": clean, "rough": rough}})


if __name__ == "__main__":
    main()

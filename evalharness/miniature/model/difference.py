"""A checkpoint as its difference from another: what two of them share is shipped once.

``difference.safetensors`` holds, for each tensor that changed, either the difference itself (float16) or two factors
whose product it is, ``NAME.left`` (rows, rank) and ``NAME.right`` (rank, columns): the best approximation of that rank.
``config.json`` names the digest of the checkpoint that it is a difference from, and where that one lies.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from evalharness._util.file_digests import file_digest
from evalharness._util.files import atomic_path
from evalharness.errors import WeightsError
from evalharness.miniature.model.checkpoint import DIFFERENCE, MODEL, base_folder


def write(base: Path, tuned: Path, out: Path, *, rank: int, origin: str) -> float:
    """Write ``tuned`` as its difference from ``base``; returns how much of the change was kept (0..1, of its energy).

    ``origin``: where a reader finds ``base``, relative to ``out``, or ``embedded``.
    """
    before, after = load_file(base / MODEL), load_file(tuned / MODEL)
    config = json.loads((tuned / "config.json").read_text())
    before = _aligned(before, json.loads((base / "config.json").read_text())["words"], config["words"])
    kept = total = 0.0
    tensors: dict[str, Tensor] = {}
    for name, value in after.items():
        old = before.get(name)
        if old is None or old.shape != value.shape:
            raise WeightsError(f"{tuned} is not tuned from {base}: its {name} is of another shape")
        change = value.double() - old.double()
        energy = change.square().sum().item()
        if energy == 0:
            continue
        parts = _factors(name, change, rank)
        tensors |= parts
        total += energy
        kept += energy - (change - _product(parts, name, change.shape)).square().sum().item()
    with atomic_path(out / DIFFERENCE) as temporary:
        save_file(tensors, temporary)
    about = {"base": file_digest(base / MODEL), "origin": origin, "rank": rank}
    (out / "config.json").write_text(json.dumps({**config, "difference": about}, indent=1) + "\n")
    return kept / total if total else 1.0


def read(folder: Path, config: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, whole or a difference: name → values.

    Raises:
        WeightsError: the checkpoint that it is a difference from is not there, or is another one.
    """
    about = config.get("difference")
    if about is None:
        complete: dict[str, Tensor] = load_file(folder / MODEL)
        return complete
    base = base_folder(folder, about)
    digest = file_digest(base / MODEL)
    if digest != about["base"]:
        raise WeightsError(
            f"{folder} is a difference from weights {about['base'][:12]}…, but {base} has {digest[:12]}…"
        )
    words = json.loads((base / "config.json").read_text())["words"]
    tensors = _aligned(load_file(base / MODEL), words, config["words"])
    parts = load_file(folder / DIFFERENCE)
    for name, old in tensors.items():
        if name in parts or f"{name}.left" in parts:
            tensors[name] = (old.double() + _product(parts, name, old.shape)).to(old.dtype)
    return tensors


def _factors(name: str, change: Tensor, rank: int) -> dict[str, Tensor]:
    rows, columns = change.shape if change.ndim == 2 else (0, 0)
    if rank < 1 or rank * (rows + columns) >= rows * columns:
        return {name: change.half()}
    left, values, right = torch.linalg.svd(change, full_matrices=False)
    # The root of each value to either side: both factors then fit float16 equally well.
    root = values[:rank].sqrt()
    return {
        f"{name}.left": (left[:, :rank] * root).half().contiguous(),
        f"{name}.right": (root[:, None] * right[:rank]).half().contiguous(),
    }


def _product(parts: dict[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    change = parts[name].double() if name in parts else parts[f"{name}.left"].double() @ parts[f"{name}.right"].double()
    if change.shape != shape:
        raise WeightsError(f"the difference of {name} has shape {tuple(change.shape)}, not {tuple(shape)}")
    return change


def _aligned(tensors: dict[str, Tensor], known: list[str], words: list[str]) -> dict[str, Tensor]:
    """With a row in the word table for each of ``words``; zeros for those that the checkpoint did not know."""
    if known == words:
        return tensors
    old = tensors["words.weight"]
    table = old.new_zeros(len(words), old.shape[1])
    rows = {word: row for row, word in enumerate(known)}
    for at, word in enumerate(words):
        if word in rows:
            table[at] = old[rows[word]]
    return {**tensors, "words.weight": table}

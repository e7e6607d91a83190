"""Checkpoints that others publish in BAGEL's layout, and the sources of the words that make them think."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalharness.assets.asset import Asset, require_file
from evalharness.assets.listing import Snapshot, require_snapshot
from evalharness.models.bagel.files import AUTOENCODER, NETWORK, REQUIRED, VOCABULARY
from evalharness.models.bagel.words import named_constant

Published = Literal["official", "unicot", "zebra"]
"""The public checkpoint, and two that were tuned from it to interleave."""

FILES = tuple((name, (name, "model_bf16.safetensors") if name == NETWORK else (name,)) for name in REQUIRED)
assert {NETWORK, AUTOENCODER} <= {name for name, _ in FILES}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``constants``: a word's name → the one of the constant that holds it in ``source``; ``command`` fetches both."""

    snapshot: Snapshot
    source: Asset
    constants: Mapping[str, str]
    command: str


def _checkpoint(
    hub: str, repository: str, file: str, commit: str, sha256: str, size: int, constants: Mapping[str, str], name: str
) -> Checkpoint:
    folder = hub.rpartition("/")[2]
    return Checkpoint(
        Snapshot(f"bagel/{folder}", hub, FILES, VOCABULARY),
        Asset(
            f"bagel/{folder}-source",
            file,
            f"https://raw.githubusercontent.com/{repository}/{commit}/{file}",
            sha256,
            size,
        ),
        constants,
        f"evalharness fetch {name}",
    )


CHECKPOINTS: Mapping[str, Checkpoint] = {
    "official": _checkpoint(
        "ByteDance-Seed/BAGEL-7B-MoT",
        "ByteDance-Seed/Bagel",
        "inferencer.py",
        "056b5fd51a88c1eb4547318609e25d40080fcf87",
        "2873d0722abb31d533845b2d0c39b90f553977445da519854e05105c1b11314f",
        12_371,
        {"system": "GEN_THINK_SYSTEM_PROMPT"},
        "bagel",
    ),
    "unicot": _checkpoint(
        "Fr0zencr4nE/UniCoT-7B-MoT",
        "Fr0zenCrane/UniCoT",
        "inference_mdp_self_reflection.py",
        "56212e43952aeddb7bdc8938560d899d5fd5bffb",
        "74fdfd1eabbfe2235ee55a4a5807a860eac675c1dea500744d0a3c9526205977",
        28_341,
        {"system": "SYSTEM_PROMPT", "detail": "enhance_prompt"},
        "unicot",
    ),
    "zebra": _checkpoint(
        "multimodal-reasoning-lab/Bagel-Zebra-CoT",
        "multimodal-reasoning-lab/Bagel-Zebra-CoT",
        "infz_bf16.py",
        "bbf53c327889a1764d27989d117d1a6b73ffdd3f",
        "f5ee4c5ba4ee6c2b9162f0acd7d9084f7537e1188761241d09c48391dc3cb4d3",
        10_403,
        {"system": "INTERLEAVED_SYSTEM_PROMPT"},
        "zebra",
    ),
}


def assets(name: Published) -> tuple[Snapshot | Asset, ...]:
    """What ``evalharness fetch`` brings: the small file first."""
    found = CHECKPOINTS[name]
    return (found.source, found.snapshot)


def folder(weights: Path | Published) -> Path:
    """The folder of a checkpoint, named or given.

    Raises:
        WeightsError: a named one has not been fetched.
    """
    if isinstance(weights, Path):
        return weights
    found = CHECKPOINTS[weights]
    return require_snapshot(found.snapshot, found.command)


def words(name: Published) -> dict[str, str]:
    """The published words, read out of upstream's source, which is never run.

    Raises:
        WeightsError: it has not been fetched.
    """
    found = CHECKPOINTS[name]
    source = require_file(found.source, found.command)
    return {word: named_constant(source, constant) for word, constant in found.constants.items()}

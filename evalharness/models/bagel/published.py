"""Published checkpoints in BAGEL's layout, and the sources of their system prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalharness.assets.asset import Asset, require_file
from evalharness.assets.listing import Snapshot, require_snapshot
from evalharness.models.bagel.files import NETWORK, REQUIRED, VOCABULARY
from evalharness.models.bagel.words import named_constant

Published = Literal["official", "unicot", "zebra"]
"""The original checkpoint, and two that were fine-tuned from it to interleave text and images."""

FILES = tuple((name, (name, "model_bf16.safetensors") if name == NETWORK else (name,)) for name in REQUIRED)
"""Each file's name here, and the names that it may have on the hub."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published checkpoint.

    Attributes:
        snapshot: its folder on the hub.
        source: the file of the upstream repository that holds the prompts.
        constants: name of a prompt → name of the variable in ``source`` that holds it.
        command: fetches both.
    """

    snapshot: Snapshot
    source: Asset
    constants: Mapping[str, str]
    command: str


def _checkpoint(
    *,
    hub: str,
    repository: str,
    commit: str,
    file: str,
    sha256: str,
    size: int,
    constants: Mapping[str, str],
    plugin: str,
) -> Checkpoint:
    """A checkpoint; ``repository`` to ``size`` describe the source file on GitHub."""
    folder = hub.rpartition("/")[2]
    url = f"https://raw.githubusercontent.com/{repository}/{commit}/{file}"
    return Checkpoint(
        snapshot=Snapshot(f"bagel/{folder}", hub, FILES, VOCABULARY),
        source=Asset(f"bagel/{folder}-source", file, url, sha256, size),
        constants=constants,
        command=f"evalharness fetch {plugin}",
    )


CHECKPOINTS: Mapping[str, Checkpoint] = {
    "official": _checkpoint(
        hub="ByteDance-Seed/BAGEL-7B-MoT",
        repository="ByteDance-Seed/Bagel",
        commit="056b5fd51a88c1eb4547318609e25d40080fcf87",
        file="inferencer.py",
        sha256="2873d0722abb31d533845b2d0c39b90f553977445da519854e05105c1b11314f",
        size=12_371,
        constants={"system": "GEN_THINK_SYSTEM_PROMPT"},
        plugin="bagel",
    ),
    "unicot": _checkpoint(
        hub="Fr0zencr4nE/UniCoT-7B-MoT",
        repository="Fr0zenCrane/UniCoT",
        commit="56212e43952aeddb7bdc8938560d899d5fd5bffb",
        file="inference_mdp_self_reflection.py",
        sha256="74fdfd1eabbfe2235ee55a4a5807a860eac675c1dea500744d0a3c9526205977",
        size=28_341,
        constants={"system": "SYSTEM_PROMPT", "detail": "enhance_prompt"},
        plugin="unicot",
    ),
    "zebra": _checkpoint(
        hub="multimodal-reasoning-lab/Bagel-Zebra-CoT",
        repository="multimodal-reasoning-lab/Bagel-Zebra-CoT",
        commit="bbf53c327889a1764d27989d117d1a6b73ffdd3f",
        file="infz_bf16.py",
        sha256="f5ee4c5ba4ee6c2b9162f0acd7d9084f7537e1188761241d09c48391dc3cb4d3",
        size=10_403,
        constants={"system": "INTERLEAVED_SYSTEM_PROMPT"},
        plugin="zebra",
    ),
}


def assets(name: Published) -> tuple[Snapshot | Asset, ...]:
    """The files for ``evalharness fetch``, the small one first."""
    checkpoint = CHECKPOINTS[name]
    return (checkpoint.source, checkpoint.snapshot)


def folder(weights: Path | Published) -> Path:
    """The folder of a published checkpoint, or the given folder.

    Raises:
        WeightsError: the published checkpoint has not been fetched.
    """
    if isinstance(weights, Path):
        return weights
    checkpoint = CHECKPOINTS[weights]
    return require_snapshot(checkpoint.snapshot, checkpoint.command)


def words(name: Published) -> dict[str, str]:
    """The published prompts by name, read from upstream's source, which is never run.

    Raises:
        WeightsError: the source has not been fetched.
    """
    checkpoint = CHECKPOINTS[name]
    source = require_file(checkpoint.source, checkpoint.command)
    return {prompt: named_constant(source, constant) for prompt, constant in checkpoint.constants.items()}

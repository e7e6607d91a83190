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
"""Name of each file in the cache, and the names that it may have on the hub."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published checkpoint, and the file on GitHub that holds its prompts.

    Attributes:
        hub: The repository of the weights on the hub.
        repository: The repository on GitHub.
        commit: Its commit.
        file: Name of the file.
        sha256: Digest of the file.
        size: Size of the file in bytes.
        constants: Name of a prompt → name of the variable in the file that holds it.
        plugin: Name under which ``evalharness fetch`` gets weights and file.
    """

    hub: str
    repository: str
    commit: str
    file: str
    sha256: str
    size: int
    constants: Mapping[str, str]
    plugin: str

    @property
    def snapshot(self) -> Snapshot:
        """The folder of the weights."""
        return Snapshot(self._folder, self.hub, FILES, VOCABULARY)

    @property
    def source(self) -> Asset:
        """The file that holds the prompts."""
        url = f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.file}"
        return Asset(f"{self._folder}-source", self.file, url, self.sha256, self.size)

    @property
    def command(self) -> str:
        """The command that fetches weights and file."""
        return f"evalharness fetch {self.plugin}"

    @property
    def _folder(self) -> str:
        return f"bagel/{self.hub.rpartition('/')[2]}"


CHECKPOINTS: Mapping[Published, Checkpoint] = {
    "official": Checkpoint(
        hub="ByteDance-Seed/BAGEL-7B-MoT",
        repository="ByteDance-Seed/Bagel",
        commit="056b5fd51a88c1eb4547318609e25d40080fcf87",
        file="inferencer.py",
        sha256="2873d0722abb31d533845b2d0c39b90f553977445da519854e05105c1b11314f",
        size=12_371,
        constants={"system": "GEN_THINK_SYSTEM_PROMPT"},
        plugin="bagel",
    ),
    "unicot": Checkpoint(
        hub="Fr0zencr4nE/UniCoT-7B-MoT",
        repository="Fr0zenCrane/UniCoT",
        commit="56212e43952aeddb7bdc8938560d899d5fd5bffb",
        file="inference_mdp_self_reflection.py",
        sha256="74fdfd1eabbfe2235ee55a4a5807a860eac675c1dea500744d0a3c9526205977",
        size=28_341,
        constants={"system": "SYSTEM_PROMPT", "detail": "enhance_prompt"},
        plugin="unicot",
    ),
    "zebra": Checkpoint(
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
    """What ``evalharness fetch`` has to get for a checkpoint, the small file first."""
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
    """The published prompts by name, read from upstream's source code, which is never run.

    Raises:
        WeightsError: the source has not been fetched.
    """
    checkpoint = CHECKPOINTS[name]
    source = require_file(checkpoint.source, checkpoint.command)
    return {prompt: named_constant(source, constant) for prompt, constant in checkpoint.constants.items()}

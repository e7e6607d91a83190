"""The benchmark ``crowded``: prompts with three to nine things for the miniature's world, scored by GenEval's rules."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar, Literal

from pydantic import Field

from evalharness.assets.asset import Asset
from evalharness.miniature.world import crowded
from evalharness.types.item import Item, PromptSet

from ..geneval.benchmark import GenEval
from ..geneval.prompts import to_jsonl

N, SEED = 60, 0


class Crowded(GenEval):
    """Five kinds of prompt that ask for several things, numbers, colours and relations at once.

    There are 300 prompts, drawn from a seed. The rules are GenEval's but the prompts are not, so a score says nothing
    about GenEval.
    """

    name = "crowded"
    tags = crowded.TAGS
    images_per_prompt = 4
    assets: ClassVar[tuple[Asset, ...]] = ()

    class Settings(GenEval.Settings):
        """GenEval's settings, except that ``prompts`` cannot be chosen.

        Attributes:
            n: Number of prompts of each kind.
            prompt_seed: Seed that the prompts are drawn from.
        """

        prompts: Literal["original"] = "original"
        n: int = Field(N, ge=1, le=1000)
        prompt_seed: int = Field(SEED, ge=0)

    settings: Settings

    @staticmethod
    def prompt_file(n: int = N, seed: int = SEED) -> str:
        """A file of ``n`` prompts of each kind, in GenEval's format."""
        return to_jsonl(crowded.generate(n, seed))

    def prompt_set(self) -> PromptSet:
        n, seed = self.settings.n, self.settings.prompt_seed
        name = "original" if (n, seed) == (N, SEED) else f"n{n}-seed{seed}"
        return PromptSet(name, hashlib.sha256(self.prompt_file(n, seed).encode()).hexdigest())

    def items(self) -> list[Item]:
        lines: list[dict[str, Any]] = crowded.generate(self.settings.n, self.settings.prompt_seed)
        return [Item(f"{index:05d}", line["prompt"], line["tag"], line) for index, line in enumerate(lines)]

    @staticmethod
    def title() -> str:
        return "crowded (not GenEval)"

"""The benchmark ``wise-mini``: WISE's question in the embedded world, scored by the embedded judge.

It has 127 prompts, written for this project, one for each thing that the miniature knows: each is a riddle for a class,
a colour, a number or a relation. A score says nothing about WISE.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from evalharness.api.plugin_ref import JudgeRef
from evalharness.miniature.world.judge_statements import REQUEST, SYSTEM

from . import prompt_files
from .base import Wise
from .prompt_files import File
from .replies import read_bit
from .rubrics import OwnRubric
from .verified import WiseVerified

PROMPTS = Path(__file__).with_name("mini.json")


class WiseMini(Wise):
    """127 prompts; each image is right or wrong. Categories and weights are those of WISE_Verified."""

    name = "wise-mini"
    max_tokens = 16
    needs_all_items = False
    ids: ClassVar[Mapping[str, range]] = {
        "culture": range(1, 43),
        "time": range(43, 60),
        "space": range(60, 77),
        "biology": range(77, 94),
        "physics": range(94, 111),
        "chemistry": range(111, 128),
    }
    weights: Mapping[str, float] = WiseVerified.weights
    digests: ClassVar = {"original": "d2d539f61e7e2eb48d026bbad8d08138af03d45d66db10123f445ead5451089e"}
    project_rubric = OwnRubric(system=SYSTEM, text=REQUEST)
    read = staticmethod(read_bit)

    class Settings(Wise.Settings):
        """The settings of the other WISE benchmarks; by default the judge is the embedded one."""

        judge: JudgeRef = Field(default_factory=lambda: JudgeRef.model_validate("lm-eval"))

    @staticmethod
    def prompt_file() -> str:
        """The prompts, in the format of WISE's files."""
        return PROMPTS.read_text(encoding="utf-8")

    def files(self) -> list[File]:
        source = self.settings.prompts
        if source == "original":
            return prompt_files.of_user(PROMPTS, [])
        return prompt_files.of_user(source, [[PROMPTS.name]]) if isinstance(source, Path) else super().files()

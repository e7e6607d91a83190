"""The benchmark ``dpg-bench``: 1,065 long prompts with questions that rest on each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal

from PIL import Image

from evalharness._util.image_files import decode_png
from evalharness.api.benchmark import Exported, Exporter
from evalharness.api.judge import Judge
from evalharness.api.model_names import asked_model
from evalharness.assets.asset import Asset, require_file
from evalharness.errors import ConfigError
from evalharness.judges.judged_benchmark import JudgedSettings, QuestionsBenchmark
from evalharness.judges.question_scorer import QuestionScorer
from evalharness.types.item import Item, ItemField

from ..checklist.rubric import OneQuestion, read_answer
from . import question_file
from .dpg_rules import scored
from .question_file import Protocol, missing_parents

COMMIT = "3c228f1dc6c4d3cad0a47493816151a419f14db3"
"""A commit of TencentQQGYLab/ELLA."""
QUESTIONS = Asset(
    "dpg-bench",
    "dpg_bench.csv",
    f"https://raw.githubusercontent.com/TencentQQGYLab/ELLA/{COMMIT}/dpg_bench/dpg_bench.csv",
    "",
    git_sha1="98457fc9901943f51ff9a30367250fc292533bed",
)
PROTOCOL_JUDGE = "damo/mplug_visual-question-answering_coco_large_en"
IMAGES = 4
"""Images of a prompt, which the published program reads as a grid of two columns and two rows."""


class DPGBench(QuestionsBenchmark, Exporter):
    """DPG-Bench. Source: Hu et al., arXiv 2403.05135; see :mod:`.dpg_rules` for the protocols.

    The score of an image is the share of its questions that are answered yes and rest on no other that is not; the
    overall score is the mean over the prompts.
    """

    name = "dpg-bench"
    images_per_prompt = IMAGES
    max_tokens = 80
    item_fields: ClassVar[Sequence[ItemField]] = ("metadata",)
    weights: Mapping[str, float] = {"prompts": 1.0}
    assets: ClassVar[tuple[Asset, ...]] = (QUESTIONS,)
    read = staticmethod(read_answer)

    class Settings(JudgedSettings):
        """The settings of every judged benchmark, and these.

        Attributes:
            protocol: ``published``, with the faults of the published program, or ``corrected``, without them.
            prompts: ``published``, or a file in that format.
        """

        protocol: Protocol = "published"
        prompts: Literal["published"] | Path = "published"

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def title(self) -> str:
        return f"DPG-Bench, {self.settings.protocol} protocol"

    def notes(self) -> list[str]:
        """Whose judge it is, and what the protocol leaves out or takes for granted."""
        asked = asked_model(self._judge.identity())
        notes = [f"the published judge is {PROTOCOL_JUDGE}; scores of {asked} are comparable with its own alone."]
        if self.settings.protocol == "published":
            notes.append(
                "as published: the first row is skipped, aspects are those of a prompt's last image and rest on no "
                "other question, and what a question rests on is looked up once."
            )
        elif missing := sum(len(missing_parents(item)) for item in self.items()):
            notes.append(f"questions rest {missing} times on one that the file lacks, which counts as answered yes.")
        return notes

    def prompt_name(self) -> str:
        chosen = self.settings.prompts
        return chosen.name if isinstance(chosen, Path) else chosen

    def rubric(self) -> OneQuestion:
        return OneQuestion()

    @staticmethod
    def export(samples: Iterable[Exported], folder: Path, scorer: Mapping[str, Any]) -> None:
        """Write the folder that the published program scores: a grid of the four images of each prompt."""
        for name, group in groupby(samples, key=lambda sample: sample.item.id):
            images = [sample.image for sample in group]
            if len(images) == IMAGES:
                _grid(name, images).save(folder / f"{name}.png")

    def _scorer(self, judge: Judge, *, repeat: int = 0, secondary: tuple[Judge, ...] = ()) -> QuestionScorer:
        protocol = self.settings.protocol
        single = self._rubric_scorer(judge, repeat, secondary)
        return self.ask_each(single, partial(scored, protocol=protocol), f"{protocol} protocol")

    def read_items(self) -> list[Item]:
        chosen = self.settings.prompts
        path = require_file(QUESTIONS, "evalharness fetch dpg-bench") if chosen == "published" else Path(chosen)
        return question_file.read(path, self.settings.protocol)


def _grid(name: str, images: Sequence[bytes]) -> Image.Image:
    """Four images of the same size, row by row."""
    opened = [decode_png(image, f"an image of prompt {name!r}") for image in images]
    width, height = opened[0].size
    if any(image.size != (width, height) for image in opened):
        raise ConfigError(f"the images of prompt {name!r} have different sizes, which make no grid")
    grid = Image.new("RGB", (2 * width, 2 * height))
    for index, image in enumerate(opened):
        grid.paste(image, (index % 2 * width, index // 2 * height))
    return grid

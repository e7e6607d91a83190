"""The benchmark ``edits``: pictures and instructions of your own, judged before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from evalharness._util.image_files import is_transparent_file
from evalharness.judges.judged_benchmark import JudgedSettings, PromptFileBenchmark, equal_shares
from evalharness.types.item import Item, ItemField

from . import edit_file
from .rubric import EditRubric, read_reply


class Edits(PromptFileBenchmark):
    """Edits of the user's pictures, scored by a judge under a protocol of this project.

    The score of a category is the mean over its items; the overall score is the mean over the categories.
    """

    name = "edits"
    version = "2"
    max_tokens = 256
    images_per_prompt = 1
    item_fields: ClassVar[Sequence[ItemField]] = ("prompt", "picture")
    read = staticmethod(read_reply)

    class Settings(JudgedSettings):
        """The settings of every judged benchmark, and ``prompts``, a file of edits."""

        prompts: Path

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        return equal_shares(self.items())

    def prompt_name(self) -> str:
        return self.settings.prompts.name

    def rubric(self) -> EditRubric:
        return EditRubric()

    def notes(self) -> list[str]:
        notes = ["judged by this project's own rubric for edits: comparable with itself alone."]
        pictures = {item.picture.path for item in self._items if item.picture is not None}
        if transparent := sum(map(is_transparent_file, pictures)):
            notes.append(
                f"{transparent} of {len(pictures)} pictures are transparent: changed and judged without their "
                "transparency."
            )
        return notes

    def read_items(self) -> list[Item]:
        return edit_file.read(self.settings.prompts)

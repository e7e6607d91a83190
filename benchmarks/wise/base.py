"""The base of the WISE benchmarks: prompts from files, a judge with a rubric, six categories with weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from evalharness._util.hashing import canonical
from evalharness.api.benchmark import Exported, Exporter
from evalharness.api.model_names import asked_model, is_quantised, same_model
from evalharness.assets.asset import Asset
from evalharness.errors import ConfigError, did_you_mean
from evalharness.judges.judge_scorer import Rubric
from evalharness.judges.judged_benchmark import JudgedBenchmark, JudgedSettings
from evalharness.judges.parsing import OFFICIAL, Parser
from evalharness.types.item import Item, ItemField, PromptSet

from . import prompt_files, published_layout
from .prompt_files import File
from .rubrics import PUBLISHED, OfficialRubric, OfficialRubricPath, OwnRubric

COMMIT = "eb51174483a5de2e34e8614cf9dfb3319ee7fcd0"
"""A commit of PKU-YuanGroup/WISE, of 2026-04-25."""

TEMPERATURE = re.compile(r'"temperature":(\d[\d.e+-]*)')
THINKING_OFF = re.compile(r"enable_thinking\W+(false|0)\b")


def published(folder: str, path: str, files: Mapping[str, tuple[str, int]]) -> tuple[Asset, ...]:
    """Files of the published repository.

    Args:
        folder: Their folder in the cache.
        path: Their folder in the repository.
        files: Name of each file → its SHA-256 and its size in bytes.
    """
    url = f"https://raw.githubusercontent.com/PKU-YuanGroup/WISE/{COMMIT}/{path}"
    return tuple(Asset(folder, name, f"{url}/{name}", sha256, size) for name, (sha256, size) in files.items())


class Wise(JudgedBenchmark, Exporter):
    """Base class: a subclass gives prompts, weights, rubric, and a parser of replies.

    A subclass that ships its prompts overrides :meth:`files`. One without ``scripts`` has only this project's rubric.
    """

    ids: ClassVar[Mapping[str, range]]
    """Category → the numbers of its items."""
    weights: Mapping[str, float]
    images_per_prompt: ClassVar[int] = 1
    sets: ClassVar[Mapping[str, tuple[Asset, ...]]] = {}
    """Prompt set → its files."""
    digests: ClassVar[Mapping[str, str]] = {}
    """Prompt set → the digest of its items' content."""
    project_rubric: ClassVar[OwnRubric]
    scripts: ClassVar[tuple[str, ...]] = ()
    """Paths that the published script may have in a checkout."""
    rubric_digest: ClassVar[str] = ""
    """Digest of the published rubric."""
    protocol_judge: ClassVar[str] = ""
    """Name of the model that is the protocol's judge."""
    published_parser: ClassVar[Parser | None] = None
    """Reads replies as the published script does; ``None`` if there is none."""
    thinking_off: ClassVar[bool] = False
    """Whether the protocol switches the judge's thinking off."""
    needs_all_items: ClassVar[bool] = True
    item_fields: ClassVar[Sequence[ItemField]] = ("metadata",)

    class Settings(JudgedSettings):
        """The settings of every judged benchmark, and prompts and rubric.

        Attributes:
            prompts: A published set, or a folder or file in the same format.
            rubric: ``own`` for this project's rubric, or ``{official: PATH}`` for the published one.
            parser: ``official`` reads replies as the published script does, quirks included, ``strict`` guesses
                nothing. By default ``official`` with the published rubric.
        """

        prompts: Literal["original", "rewritten"] | Path = "original"
        rubric: Literal["own"] | OfficialRubricPath = "own"
        parser: Literal["official", "strict"] | None = None

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    # --- prompts ---

    def items(self) -> list[Item]:
        """The items in the order of their numbers."""
        return self._items

    def prompt_set(self) -> PromptSet:
        digest = prompt_files.content_digest(self._items)
        official = [name for name, published_digest in self.digests.items() if published_digest == digest]
        return PromptSet(official[0] if official else Path(self.settings.prompts).name, digest)

    def files(self) -> list[File]:
        """The files that the prompts are read from."""
        source = self.settings.prompts
        if isinstance(source, Path):
            return prompt_files.of_user(source, [[asset.name for asset in assets] for assets in self.sets.values()])
        if source not in self.sets:
            raise ConfigError(f"{self.name} has no prompt set {source!r}{did_you_mean(source, self.sets)}")
        return prompt_files.fetched(self.sets[source], self.name)

    @cached_property
    def _items(self) -> list[Item]:
        return prompt_files.items(self.files(), self.ids)

    # --- judging ---

    def rubric(self) -> Rubric:
        return self._rubric

    def programs(self) -> list[Path]:
        return [self._rubric.script] if isinstance(self._rubric, OfficialRubric) else []

    def parser(self) -> Parser:
        """The parser that the settings name, or else the one that belongs to the rubric.

        Raises:
            ConfigError: The benchmark has no published parser.
        """
        chosen = self.settings.parser
        if chosen == OFFICIAL and self.published_parser is None:
            raise ConfigError(f"{self.name} has no published parser; leave out the key 'parser'")
        official = chosen == OFFICIAL or (chosen is None and isinstance(self.settings.rubric, OfficialRubricPath))
        return self.published_parser if official and self.published_parser else super().parser()

    @cached_property
    def _rubric(self) -> Rubric:
        chosen = self.settings.rubric
        if not isinstance(chosen, OfficialRubricPath):
            return self.project_rubric
        if not self.scripts:
            raise ConfigError(f"{self.name} has no rubric but its own")
        return OfficialRubric(chosen.official, self.scripts, self.rubric_digest, chosen.sha256)

    # --- reporting ---

    def title(self) -> str:
        """The benchmark's name, with the rubric's name unless it is the published one; without it, it is not WISE."""
        rubric = self.rubric().name
        return self.name if rubric == PUBLISHED or not self.scripts else f"{self.name} ({rubric})"

    def notes(self) -> list[str]:
        """The ways in which the scores differ from published ones."""
        rubric, notes = self.rubric(), []
        if rubric.name == self.project_rubric.name and self.scripts:
            notes.append(
                f"judged by this project's own rubric (digest {rubric.digest()[:8]}), not by that of WISE; "
                "not a WISE score, and not comparable with published ones."
            )
        elif rubric.name not in (PUBLISHED, self.project_rubric.name):
            notes.append(f"the rubric of the checkout (digest {rubric.digest()[:8]}) is not the published one.")
        return notes + self._parser_notes() + self._judge_notes()

    def _parser_notes(self) -> list[str]:
        """Who reads the replies, where that is not what the rubric's name says."""
        parser, published = self.parser().name, self.rubric().name == PUBLISHED
        notes = []
        if published and parser != OFFICIAL:
            notes.append("replies are read by this project's strict parser, not by the published one.")
        elif parser == OFFICIAL and not published:
            notes.append("replies are read by the published parser, with its quirks.")
        if parser == OFFICIAL and self.settings.cut_replies == "fail":
            notes.append("replies that are cut off, refused or empty have no score; the published program reads them.")
        return notes

    def _judge_notes(self) -> list[str]:
        """In what the judge differs from the protocol's."""
        identity = dict(self._judge.identity())
        name, decoding, notes = asked_model(identity), canonical(identity).lower(), []
        if self.protocol_judge:
            if is_quantised(name, self.protocol_judge):
                notes.append(
                    f"the judge is {name}, a quantised version of the protocol's {self.protocol_judge}: another model."
                )
            elif not same_model(name, self.protocol_judge):
                notes.append(f"the judge is {name}, not the protocol's, which is {self.protocol_judge}.")
            elif self.thinking_off and not THINKING_OFF.search(decoding):
                notes.append(
                    "the protocol switches the judge's thinking off (enable_thinking: false), this run did not."
                )
            if '"temperature":null' in decoding:
                notes.append(
                    "no temperature is sent, so the judge decodes at its server's default; the protocol's is 0."
                )
        if sent := _sent_images(identity):
            notes.append(f"the judge is sent {sent}; the protocol sends the image as it is.")
        warm = [number for number in TEMPERATURE.findall(decoding) if float(number) != 0]
        return notes + [f"the judge's temperature is {number}, the protocol's is 0." for number in warm]

    @staticmethod
    def export(samples: Iterable[Exported], folder: Path, scorer: Mapping[str, Any]) -> None:
        """Write ``ID.png`` for each item, and the files that the published scripts write."""
        rubric = str(scorer["rubric"]["name"])
        name = "Results" if rubric == PUBLISHED else re.sub(r"[^\w-]+", "-", f"Results-{rubric}")
        published_layout.write(samples, folder, name)


def _sent_images(judge: Mapping[str, Any]) -> str:
    """What a judge is sent in place of the image, by its identity; empty if it is sent the image."""
    if isinstance(inner := judge.get("judge"), Mapping):
        return _sent_images(inner)
    images = judge.get("images")
    if not isinstance(images, Mapping):
        return ""
    side = f", at most {images['max_side']} pixels on its longer side" if images.get("max_side") else ""
    return f"a {str(images['format']).upper()} file{side}"

"""The benchmark ``geneval``: its settings, prompts, scorer and export."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, Field

from evalharness.api import registry
from evalharness.api.benchmark import Benchmark, Exported, Exporter, HasKnownAnswers, KnownAnswer, RuleBased
from evalharness.api.detector import Detector
from evalharness.api.plugin_ref import DetectorRef
from evalharness.api.rewards import Rewarding
from evalharness.assets.asset import Asset, require_file
from evalharness.detectors import geneval_weights
from evalharness.detectors.colors import GENEVAL_TEMPLATES, ColorClassifier
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score

from . import detection_scoring, known_answers, prompt_file, prompts, published_layout, rewards
from .classes import COLORS, TAGS
from .scorer import EVIDENCE_FLOOR, Channels, GenEvalScorer
from .scoring_rules import Rules

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class GenEval(Benchmark, Exporter, RuleBased, HasKnownAnswers, Rewarding):
    """GenEval: object-focused prompts, judged by an object detector and a colour classifier.

    Source: Ghosh et al., arXiv 2310.11513. The items are the prompts in the order of the file; their ids are the line
    numbers, from 00000.

    Attributes:
        tags: All tags that a prompt file may have, in the order of the tables.
    """

    name = "geneval"
    version = "2"
    tags: ClassVar[tuple[str, ...]] = TAGS
    images_per_prompt = 4
    reward_names = ("soft", "strict")
    rules = Rules
    assets: ClassVar[tuple[Asset, ...]] = (geneval_weights.MASK2FORMER, geneval_weights.CLIP, prompts.REWRITTEN)

    class Settings(Rules):
        """The numbers of the rules, and what is scored with which networks.

        Attributes:
            prompts: ``original``, ``rewritten`` (as published with BAGEL; they have to be fetched), or a file in
                GenEval's format.
            detector: A plugin and its settings.
            colors: The CLIP that tells colours.
            device: Device of both networks, unless their own settings name one.
            batch_size: Batch size of both networks, unless their own settings give one.
            evidence_floor: Detections above this score are kept as evidence even if they do not count.
            channels: ``swapped`` shows the detector blue for red, as some reward servers do by mistake.
        """

        prompts: Literal["original", "rewritten"] | Path = "original"
        detector: DetectorRef = Field(default_factory=lambda: DetectorRef.model_validate("mask2former"))
        colors: ColorClassifier.Settings = ColorClassifier.Settings()
        device: str = "auto"
        batch_size: int = Field(8, ge=1)
        evidence_floor: float = Field(EVIDENCE_FLOOR, ge=0, le=1)
        channels: Channels = "published"

    @staticmethod
    def prompt_file(n: int = 100, seed: int = 43) -> str:
        """The official prompt file, or a new one with ``n`` draws of each task but single objects."""
        return prompts.to_jsonl(prompts.generate(n, seed))

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._text: str | None = None

    def prompt_set(self) -> PromptSet:
        digest = hashlib.sha256(self._read().encode()).hexdigest()
        path = self._prompt_path()
        return PromptSet("original" if path is None or digest == prompts.OFFICIAL_SHA256 else path.name, digest)

    def items(self) -> list[Item]:
        """An item for each prompt; its metadata is the prompt's line."""
        lines = prompt_file.parse(self._read(), str(self.settings.prompts))
        return [Item(f"{index:05d}", line["prompt"], line["tag"], line) for index, line in enumerate(lines)]

    @property
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]  # the prompt file decides
        """Equal weights of the tags that the prompt file has: the published overall is the mean of those present."""
        return dict.fromkeys(self._present, 1 / len(self._present))

    def title(self) -> str | None:
        """The name, and what an overall score must not be quoted without: missing tags, swapped channels."""
        present = len(self._present)
        parts = [] if present == len(self.tags) else [f"{present} of {len(self.tags)} tags"]
        parts += ["channels swapped"] if self.settings.channels == "swapped" else []
        return f"{self.name} ({', '.join(parts)})" if parts else None

    def notes(self) -> list[str] | None:
        """What the overall score of a file with fewer tags is, and that the detector sees other colours."""
        notes = []
        if len(self._present) < len(self.tags):
            *others, last = self._present
            mean = f"the mean of {', '.join(others)} and {last}" if others else f"the score of {last} alone"
            count = f"{len(self._present)} of GenEval's {len(self.tags)} tags"
            notes.append(f"the prompts have {count}; the overall score is {mean}.")
        if self.settings.channels == "swapped":
            notes.append("the detector was shown images with red and blue swapped; these are not GenEval's scores.")
        return notes or None

    @cached_property
    def _present(self) -> tuple[str, ...]:
        """The tags that the prompt file has, in the order of the tables."""
        present = {item.category for item in self.items()}
        return tuple(tag for tag in self.tags if tag in present)

    def scorer(self) -> GenEvalScorer:
        colours = ColorClassifier(self._shared(self.settings.colors), COLORS, GENEVAL_TEMPLATES)
        settings = self.settings
        return GenEvalScorer(
            self.version,
            self._detector(),
            colours,
            self._rules(),
            settings.batch_size,
            settings.evidence_floor,
            settings.channels,
        )

    def known_answers(self) -> list[KnownAnswer]:
        """Images with known verdicts for the embedded networks and the published rules, otherwise without verdicts."""
        settings = self.settings
        embedded = getattr(settings.detector.settings, "weights", None) == settings.colors.weights == "embedded"
        published = self._rules() == Rules.model_validate({})
        plain = embedded and published and settings.colors.architecture is None and settings.channels == "published"
        return known_answers.with_known_verdicts() if plain else known_answers.for_other_networks()

    @staticmethod
    def export(samples: Iterable[Exported], folder: Path, scorer: Mapping[str, Any]) -> None:
        """Write GenEval's image folders and its ``results.jsonl``."""
        published_layout.write(samples, folder)

    def programs(self) -> Sequence[Path]:
        return self._detector().programs()

    @staticmethod
    def verdict(details: Any, rules: Rules, place: str) -> Score:
        """Score detections that another program made."""
        return detection_scoring.score_detections(details, rules, place)

    def item_of(self, metadata: Any, place: str) -> Item:
        """An item with a line in the format of the prompt file."""
        line = prompt_file.check(metadata, place)
        return Item("", line["prompt"], line["tag"], line)

    def rewards(self, item: Item, score: Score) -> Mapping[str, float]:
        """The share of the conditions that hold, and the verdict with exact numbers."""
        return rewards.rewards(score.details, item.metadata)

    def _rules(self) -> Rules:
        return Rules.model_validate(self.settings.model_dump(include=set(Rules.model_fields)))

    def _detector(self) -> Detector:
        choice = self.settings.detector
        detector: Detector = registry.load("detectors", choice.name)(self._shared(choice.settings))
        return detector

    def _shared(self, settings: SettingsT) -> SettingsT:
        """Settings of a network, completed by the benchmark's device and batch size."""
        shared = {"device": self.settings.device, "batch_size": self.settings.batch_size}
        missing = type(settings).model_fields.keys() - settings.model_fields_set
        update = {key: value for key, value in shared.items() if key in missing}
        return settings.model_copy(update=update)

    def _read(self) -> str:
        """The text of the prompt file."""
        if self._text is None:
            path = self._prompt_path()
            self._text = prompts.to_jsonl(prompts.generate()) if path is None else prompt_file.read_text(path)
        return self._text

    def _prompt_path(self) -> Path | None:
        """The prompt file; ``None`` if the prompts are generated."""
        source = self.settings.prompts
        if source == "rewritten":
            return require_file(prompts.REWRITTEN, geneval_weights.COMMAND)
        return source if isinstance(source, Path) else None

"""The interface of benchmarks: items, a scorer for their images, and the category weights of the overall score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import BaseModel

from evalharness.api.judge import Judge, Replies
from evalharness.api.plugin import Plugin
from evalharness.errors import SampleError
from evalharness.types.item import ITEM_FIELDS, Item, ItemField, PromptSet
from evalharness.types.score import Score


class Scorer(ABC):
    """Scores final images."""

    batch_size: int = 1
    item_fields: Sequence[ItemField] = ITEM_FIELDS
    """The fields of an item that decide its score. They are part of the score's key, and a run gives the scorer items
    whose other fields are empty."""
    score_range: tuple[float, float] = (0.0, 1.0)
    """The lowest and the highest value of a score. 1 means right, also where a published rule allows more."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a score: protocol version, detector or judge with its weights' digest, thresholds; JSON."""

    @abstractmethod
    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        """Return a score for each image, which depends on that image and its item only."""

    def reachable(self) -> None:  # noqa: B027 - optional
        """Check that the endpoint behind the scorer answers, if there is one.

        Raises:
            EvalHarnessError: It does not; the message says what to do.
        """


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """An image to be judged.

    Attributes:
        key: The key of its score.
        item: The item that it was made for.
        image: A PNG file's bytes, unchanged.
        digest: Their SHA-256.
        retry: Whether it failed before and is to be tried afresh.
    """

    key: str
    item: Item
    image: bytes
    digest: str
    retry: bool = False


class JudgeScorer(ABC):
    """A scorer that asks a judge about each image. It takes image files and yields scores as the judge replies."""

    judges: Sequence[Judge] = ()
    """All judges that it asks; before a run, each is told what it spent in earlier runs."""
    in_process: bool = False
    """Whether its judge computes the replies itself, see :attr:`evalharness.api.judge.Judge.in_process`."""
    item_fields: Sequence[ItemField] = ITEM_FIELDS
    """The fields of an item that decide its score, see :attr:`Scorer.item_fields`."""
    score_range: tuple[float, float] = (0.0, 1.0)
    """The lowest and the highest value of a score, see :attr:`Scorer.score_range`."""
    most_replies: int = 1
    """The maximum number of replies that it asks for about an image, for example when one cannot be read."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a score: protocol version, rubric with its digest, judge; JSON, without keys or addresses.

        It contains the judge's own identity unchanged, so that its replies can be found by the identity's digest.
        """

    @abstractmethod
    def judge(
        self, requests: Iterable[ScoreRequest], replies: Replies
    ) -> Iterator[tuple[ScoreRequest, Score | SampleError]]:
        """Score images.

        Args:
            requests: Requests, taken from the iterable only when there is room for them.
            replies: The replies that are stored; a judge is not asked for them again.

        Yields:
            Each request with its score, in any order, or with a SampleError if there is no reply that can be read.

        Raises:
            BudgetError, EndpointError: As the judge raised it; requests that were not asked then have no outcome.
        """

    def reachable(self) -> None:
        """Check that all its judges would answer.

        Raises:
            EvalHarnessError: One would not; the message says what to do.
        """
        for judge in self.judges:
            judge.reachable()


@dataclass(frozen=True, slots=True)
class Rescoring:
    """A second scoring of images that have a score. It changes no score, but shows how far scores can be trusted.

    Attributes:
        name: Unique within the benchmark.
        kind: ``repeat`` if the same scorer is asked again, ``second`` if another one scores.
        scorer: The scorer; its scores have keys like any others.
        items: The number of items, stratified by category; ``None`` for all.
    """

    name: str
    kind: Literal["repeat", "second"]
    scorer: Scorer | JudgeScorer
    items: int | None = None


class Benchmark(Plugin, ABC):
    """A plugin with items, a scorer and the weights of its categories.

    Attributes:
        version: The protocol's version: part of the scorer's identity, raised when a rule changes.
        weights: Category → weight in the overall score, in the order of the tables; they sum to 1.
        images_per_prompt: How many images an item gets unless a sweep file says otherwise.
        needs_all_items: Whether its overall score is undefined over fewer items than all.
        expected_flips: The share of images whose verdict two arms are expected to differ in, for forecasts of what a
            run could show before any of it was scored.
        prompt_file: A static method that returns the prompts as a file for ``evalharness prompts``, if the benchmark
            carries its prompts. If they are a function of a seed, it takes ``n`` and ``seed`` with the official values
            as defaults.
    """

    version: ClassVar[str] = "1"
    weights: Mapping[str, float]
    images_per_prompt: ClassVar[int] = 1
    needs_all_items: ClassVar[bool] = False
    expected_flips: ClassVar[float] = 0.2
    prompt_file: ClassVar[Callable[..., str] | None] = None

    @abstractmethod
    def prompt_set(self) -> PromptSet:
        """The name and digest of the prompts."""

    @abstractmethod
    def items(self) -> list[Item]:
        """All items, in their order."""

    @abstractmethod
    def scorer(self) -> Scorer | JudgeScorer:
        """Make the scorer. This is cheap: its weights are loaded when it first scores."""

    def rescorings(self) -> Sequence[Rescoring]:
        """Second scores that check the scorer; cheap to make."""
        return ()

    def title(self) -> str | None:
        """The benchmark's name in reports; ``None`` if it is the plugin's name."""
        return None

    def notes(self) -> list[str] | None:
        """Lines that a reader must know before quoting a score."""
        return None


@dataclass(frozen=True, slots=True)
class Exported:
    """A scored sample for other programs; ``image`` is a PNG file's bytes."""

    item: Item
    seed_index: int
    image: bytes
    score: Score


class Exporter(ABC):
    """Base of a benchmark that can write results in the format of its published programs."""

    @staticmethod
    @abstractmethod
    def export(samples: Iterable[Exported], folder: Path, scorer: Mapping[str, Any]) -> None:
        """Write files into an empty folder.

        It is given no settings: runs of others are exported as well, of which no plugin is made.

        Args:
            samples: The samples of an item come one after the other.
            folder: The empty folder.
            scorer: The identity of the scorer that scored them.
        """


Export = Callable[[Iterable[Exported], Path, Mapping[str, Any]], None]
""":meth:`Exporter.export`."""


class RuleBased(ABC):
    """Base of a benchmark whose scores follow by rules from the details of a detection, without the image."""

    rules: ClassVar[type[BaseModel]]
    """The numbers of the rules, each with a default and a description."""

    @staticmethod
    @abstractmethod
    def verdict(details: Any, rules: Any, place: str) -> Score:
        """Score one sample by its details (JSON).

        Args:
            details: What was detected, with the item's metadata.
            rules: An instance of :attr:`rules`.
            place: Where the details come from, such as a file and line.

        Raises:
            ConfigError: The details are malformed; the message begins with ``place``.
        """


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An image that tests a scorer.

    Attributes:
        part: The part of the scorer that is tested.
        image: RGB.
        item: The item that it is scored for.
        correct: The verdict of a scorer that works, or ``None`` if only an earlier run can tell.
    """

    part: str
    image: Image.Image
    item: Item
    correct: bool | None


class HasKnownAnswers(ABC):
    """Base of a benchmark with a :class:`Scorer` and images with which ``evalharness doctor`` tests it."""

    name: ClassVar[str]

    @abstractmethod
    def scorer(self) -> Scorer:
        """The scorer, see :meth:`Benchmark.scorer`."""

    @abstractmethod
    def known_answers(self) -> list[KnownAnswer]:
        """The images, which are the same on every machine."""

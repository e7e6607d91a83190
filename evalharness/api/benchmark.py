"""What a benchmark must offer: items, a scorer for their images, and how scores become one number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from PIL import Image
from pydantic import BaseModel

from evalharness.api.judge import Replies
from evalharness.errors import SampleError
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score


class Scorer(Protocol):
    """Looks at final images.

    A scorer or a :class:`JudgeScorer` may have ``reachable() -> None``, which raises an EvalHarnessError saying what
    to do if the judge that it asks would not answer; ``evalharness doctor`` calls it.
    """

    batch_size: int

    def identity(self) -> Mapping[str, Any]:
        """What decides a score: protocol version, detector or judge with its weights' digest, thresholds; JSON."""
        ...

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        """One score an image; each depends on its own image and item alone."""
        ...


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One image to be judged: a PNG file's bytes, unchanged, and their SHA-256. ``key`` is that of its score.

    ``retry``: it failed before, and is to be tried afresh.
    """

    key: str
    item: Item
    image: bytes
    digest: str
    retry: bool = False


@runtime_checkable
class JudgeScorer(Protocol):
    """A scorer that asks a judge about each image. It is given files, and scores come as the judge replies.

    It may have ``judges``, a sequence of all judges that it asks: they are told what they have spent before; and
    ``in_process = True`` if its judge is a :class:`~evalharness.api.judge.Judge` of that kind.
    """

    def identity(self) -> Mapping[str, Any]:
        """As of :class:`Scorer`: protocol version, rubric with its digest, judge; JSON, without keys or addresses.

        A judge's own identity stands in it whole, so that its replies can be found by the identity's digest.
        """
        ...

    def judge(
        self, requests: Iterable[ScoreRequest], replies: Replies
    ) -> Iterator[tuple[ScoreRequest, Score | SampleError]]:
        """A score for each submission, in any order; SampleError where no reply could be had or understood.

        Submissions are read as there is room for them. What ``replies`` has is not asked again. A judge's EndpointError
        and BudgetError pass through: what was not asked then has no outcome.
        """
        ...


class Benchmark(Protocol):
    """A plugin: a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``.

    One that carries its prompts may have ``prompt_file() -> str``, a static method; if they are a function of a seed,
    ``prompt_file(n, seed)`` with the official values as defaults. ``evalharness prompts`` prints what it returns. It
    may have ``title() -> str``, its name as reports show it, ``notes() -> list[str]``, what a reader must know before
    quoting a score, and ``needs_all_items = True`` if its overall score is not defined over fewer items than all.
    """

    name: str
    version: str
    """The protocol's version: part of the scorer's identity, raised when a rule changes."""
    weights: Mapping[str, float]
    """Category → its weight in the overall score, in the order in which tables show them; the weights sum to 1."""
    images_per_prompt: int

    def prompt_set(self) -> PromptSet: ...

    def items(self) -> list[Item]: ...

    def scorer(self) -> Scorer | JudgeScorer:
        """The scorer; cheap, its weights are loaded when it first scores."""
        ...


@dataclass(frozen=True, slots=True)
class Rescoring:
    """Another look at images that are scored. It changes no score; it tells how far the scores can be trusted.

    ``repeat``: the same scorer is asked anew; ``second``: another scorer judges. ``items``: so many, each category in
    its share; ``None``: all. Its scores have keys by its scorer's identity, like any others.
    """

    name: str
    kind: Literal["repeat", "second"]
    scorer: Scorer | JudgeScorer
    items: int | None = None


@runtime_checkable
class HasRescoring(Protocol):
    """A benchmark whose images are scored again to check its scorer."""

    def rescorings(self) -> Sequence[Rescoring]:
        """The rescorings; cheap to make, like :meth:`Benchmark.scorer`."""
        ...


@dataclass(frozen=True, slots=True)
class Exported:
    """A scored sample for other programs: ``image`` is a PNG file's bytes."""

    item: Item
    seed_index: int
    image: bytes
    score: Score


@runtime_checkable
class Exporter(Protocol):
    """A benchmark that can write results as its own published programs do."""

    def export(self, samples: Iterable[Exported], folder: Path) -> None:
        """Write files into an empty folder; the samples of an item come one after the other."""
        ...


@runtime_checkable
class RuleBased(Protocol):
    """A benchmark whose verdicts follow by rules from evidence, so that they need no image; the class offers it."""

    rules: ClassVar[type[BaseModel]]
    """The numbers of the rules, each with a default and a description."""

    @staticmethod
    def verdict(evidence: Any, rules: BaseModel, where: str) -> Score:
        """Judge one sample's evidence (JSON); ConfigError, beginning with ``where``, if it is malformed."""
        ...


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An image to check a scorer by.

    ``part`` names the part of the scorer that it puts to the test. ``correct`` is the verdict of a scorer in order, or
    ``None`` where only an earlier run can tell.
    """

    part: str
    image: Image.Image
    item: Item
    correct: bool | None


@runtime_checkable
class HasKnownAnswers(Protocol):
    """A :class:`Benchmark` that brings images by which ``evalharness doctor`` checks its :class:`Scorer`."""

    name: str

    def scorer(self) -> Scorer: ...

    def specimens(self) -> list[KnownAnswer]:
        """The same images on every machine."""
        ...

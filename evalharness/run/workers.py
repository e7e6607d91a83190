"""The work itself: jobs in, results out. A worker is made from a worker_spec, wherever it is to run."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from evalharness._util.hashing import canonical
from evalharness._util.text import one_line
from evalharness.api import registry
from evalharness.api.benchmark import HasRescoring, JudgeScorer, Scorer, ScoreRequest
from evalharness.api.executor import Failure, Worker
from evalharness.api.judge import JudgePrompt
from evalharness.api.model import ImageSource
from evalharness.config.schema import NoSettings, PluginSpec
from evalharness.errors import SampleError
from evalharness.generation import variants
from evalharness.plan.plan import Job
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Step, Trajectory


@dataclass(frozen=True)
class PluginWorkerSpec:
    """What makes a worker of a model, of the scorer of a benchmark, or of that of one of its rescorings."""

    plugin: PluginSpec
    rescoring: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Only what was set: a setting that was not may depend on those around it."""
        settings = self.plugin.settings.model_dump(mode="json", exclude_unset=True)
        return {"kind": self.plugin.kind, "name": self.plugin.name, "settings": settings, "rescoring": self.rescoring}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PluginWorkerSpec:
        settings = getattr(registry.load(data["kind"], data["name"]), "Settings", NoSettings)
        checked = settings.model_validate_json(json.dumps(data["settings"]), strict=True)
        return cls(PluginSpec(data["kind"], data["name"], checked), data["rescoring"])

    def identity(self) -> Mapping[str, Any]:
        built = self.plugin.build()
        identity: Mapping[str, Any] = (built if self.plugin.kind == "models" else self._scorer(built)).identity()
        return identity

    def worker(self) -> Worker[Any, Any]:
        built = self.plugin.build()
        if self.plugin.kind == "models":
            return FetchWorker(built) if isinstance(built, ImageSource) else GenerateWorker(built)
        scorer = self._scorer(built)
        return JudgeWorker(scorer) if isinstance(scorer, JudgeScorer) else ScoreWorker(scorer)

    def _scorer(self, benchmark: Any) -> Scorer | JudgeScorer:
        if self.rescoring is None:
            scorer: Scorer | JudgeScorer = benchmark.scorer()
            return scorer
        rescorings = benchmark.rescorings() if isinstance(benchmark, HasRescoring) else ()
        return next(rescoring.scorer for rescoring in rescorings if rescoring.name == self.rescoring)


# --- drawing ---


@dataclass(frozen=True)
class GenerateWorker:
    """A worker that makes trajectories with one model; the jobs of a batch share their variant."""

    model: Any

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        prompts, seeds = [job.prompt for job in jobs], [job.seed for job in jobs]
        return variants.run(jobs[0].variant, self.model, prompts, seeds, [job.picture for job in jobs])


@dataclass(frozen=True)
class FetchWorker:
    """A worker that takes images which exist already; it stands where :class:`GenerateWorker` would."""

    model: ImageSource

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        images = self.model.fetch([job.source for job in jobs if job.source is not None])
        return [Trajectory((Step("draw", image=image),)) for image in images]


@dataclass(frozen=True)
class PromptCheck:
    """A worker that asks a model whether it can take the prompts."""

    model: Any

    def __call__(self, jobs: Sequence[Job], /) -> list[None]:
        for job in jobs:
            self.model.check(job.prompt)
        return [None] * len(jobs)


# --- scoring ---


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """One image to look at: a PNG file's bytes and their digest. ``retry``: that failed before.

    ``replies``: what judges said of the image already, by the keys of replies.
    """

    key: str
    digest: str
    image: bytes
    item: Item
    retry: bool = False
    replies: Mapping[str, Sequence[Reply]] = field(default_factory=dict)

    def request(self) -> ScoreRequest:
        return ScoreRequest(self.key, self.item, self.image, self.digest, self.retry)


@dataclass(frozen=True)
class ScoreWorker:
    """A worker that scores images."""

    scorer: Scorer

    def __call__(self, jobs: Sequence[ScoreJob], /) -> list[Score]:
        scores = self.scorer.score([_decode(job.image) for job in jobs], [job.item for job in jobs])
        for score in scores:
            if not 0 <= score.value <= 1:
                raise ValueError(f"the scorer said {score.value}, which is not in 0..1")
            canonical(dict(score.details))
        return scores


def _decode(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise SampleError(f"the image cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """A judge's reply to a prompt, as the store keeps it; ``key`` is that of the reply, the others are digests."""

    key: str
    question: str
    judge: str
    image: str
    rubric: str
    repeat: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class JudgedScore:
    """A judge's score of an image, with the replies that are new."""

    outcome: Score | Failure
    said: tuple[JudgeReply, ...]


@dataclass(frozen=True)
class JudgeWorker:
    """A worker whose judge computes its replies in this process."""

    scorer: JudgeScorer

    def __call__(self, jobs: Sequence[ScoreJob], /) -> list[JudgedScore]:
        notes = _BatchReplies(jobs)
        outcomes: dict[str, Score | Failure] = {}
        for request, outcome in self.scorer.judge([job.request() for job in jobs], notes):
            failed = isinstance(outcome, SampleError)
            outcomes[request.key] = Failure(one_line(str(outcome))) if failed else outcome  # type: ignore[assignment]
        return [JudgedScore(outcomes[job.key], tuple(notes.about(job.digest))) for job in jobs]


class _BatchReplies:
    """The :class:`~evalharness.api.judge.Replies` of one batch."""

    def __init__(self, jobs: Iterable[ScoreJob]) -> None:
        self._known: dict[str, list[Reply]] = {}
        self._said: list[JudgeReply] = []
        for job in jobs:
            self._known |= {key: list(replies) for key, replies in job.replies.items()}

    def get(self, key: str) -> list[Reply]:
        return list(self._known.get(key, ()))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        self._known.setdefault(key, []).append(reply)
        about = (prompt.key(), judge, prompt.image, prompt.rubric, prompt.repeat)
        self._said.append(JudgeReply(key, *about, reply))

    def spent(self, judge: str) -> Spent:
        return Spent()

    def about(self, image: str) -> list[JudgeReply]:
        """What is new about an image; each is given once."""
        found = [one for one in self._said if one.image == image]
        self._said = [one for one in self._said if one.image != image]
        return found

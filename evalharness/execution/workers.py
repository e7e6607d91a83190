"""The workers, which turn jobs into results. A worker is made from its spec in the process where it runs."""

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
from evalharness.api.benchmark import Benchmark, JudgeScorer, Scorer, ScoreRequest
from evalharness.api.executor import Failure, Worker
from evalharness.api.judge import JudgePrompt
from evalharness.api.model import ImageSource
from evalharness.config.schema import PluginSpec
from evalharness.errors import SampleError
from evalharness.generation import variants
from evalharness.planning.plan import Job
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Step, Trajectory


@dataclass(frozen=True)
class PluginWorkerSpec:
    """The spec of a worker for a model, for the scorer of a benchmark, or for the scorer of one of its rescorings."""

    plugin: PluginSpec
    rescoring: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The spec as JSON, with only the settings that were set: the defaults of others may depend on these."""
        settings = self.plugin.settings.model_dump(mode="json", exclude_unset=True)
        return {"kind": self.plugin.kind, "name": self.plugin.name, "settings": settings, "rescoring": self.rescoring}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PluginWorkerSpec:
        settings = registry.load(data["kind"], data["name"]).Settings
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

    def _scorer(self, benchmark: Benchmark) -> Scorer | JudgeScorer:
        if self.rescoring is None:
            return benchmark.scorer()
        return next(rescoring.scorer for rescoring in benchmark.rescorings() if rescoring.name == self.rescoring)


# --- drawing ---


@dataclass(frozen=True)
class GenerateWorker:
    """Draws trajectories with one model; the jobs of a batch share their variant."""

    model: Any

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        prompts, seeds = [job.prompt for job in jobs], [job.seed for job in jobs]
        return variants.run(jobs[0].variant, self.model, prompts, seeds, [job.picture for job in jobs])


@dataclass(frozen=True)
class FetchWorker:
    """Reads images that a model has already, in place of :class:`GenerateWorker`."""

    model: ImageSource

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        images = self.model.fetch([job.source for job in jobs if job.source is not None])
        return [Trajectory((Step("draw", image=image),)) for image in images]


@dataclass(frozen=True)
class PromptCheck:
    """Checks that a model accepts the prompts."""

    model: Any

    def __call__(self, jobs: Sequence[Job], /) -> list[None]:
        for job in jobs:
            self.model.check(job.prompt)
        return [None] * len(jobs)


# --- scoring ---


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """One image to score.

    Attributes:
        key: Key of the score.
        digest: SHA-256 of the image's PNG file.
        image: Bytes of that file.
        retry: Whether scoring it failed before.
        replies: What judges replied about the image before, by the keys of the replies.
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
    """Scores images with a scorer that computes in this process."""

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
    """A judge's reply to a prompt, as the store keeps it.

    ``key`` is that of the reply; ``prompt``, ``judge``, ``image`` and ``rubric`` are digests.
    """

    key: str
    prompt: str
    judge: str
    image: str
    rubric: str
    repeat: int
    reply: Reply

    @property
    def prompt_fields(self) -> tuple[str, str, str, str, int]:
        """The origin of the reply, as the store has it."""
        return self.prompt, self.judge, self.image, self.rubric, self.repeat


@dataclass(frozen=True, slots=True)
class JudgedScore:
    """A judge's score of an image, with the replies that are new."""

    outcome: Score | Failure
    replies: tuple[JudgeReply, ...]


@dataclass(frozen=True)
class JudgeWorker:
    """A worker whose judge computes its replies in this process."""

    scorer: JudgeScorer

    def __call__(self, jobs: Sequence[ScoreJob], /) -> list[JudgedScore]:
        replies = _BatchReplies(jobs)
        outcomes: dict[str, Score | Failure] = {}
        for request, outcome in self.scorer.judge([job.request() for job in jobs], replies):
            if isinstance(outcome, SampleError):
                outcomes[request.key] = Failure(one_line(str(outcome)))
            else:
                outcomes[request.key] = outcome
        return [JudgedScore(outcomes[job.key], tuple(replies.pop_new(job.digest))) for job in jobs]


class _BatchReplies:
    """The :class:`~evalharness.api.judge.Replies` of one batch."""

    def __init__(self, jobs: Iterable[ScoreJob]) -> None:
        self._replies: dict[str, list[Reply]] = {}
        self._new: list[JudgeReply] = []
        for job in jobs:
            self._replies |= {key: list(replies) for key, replies in job.replies.items()}

    def get(self, key: str) -> list[Reply]:
        return list(self._replies.get(key, ()))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        self._replies.setdefault(key, []).append(reply)
        self._new.append(JudgeReply(key, prompt.key(), judge, prompt.image, prompt.rubric, prompt.repeat, reply))

    def spent(self, judge: str) -> Spent:
        return Spent()

    def pop_new(self, image: str) -> list[JudgeReply]:
        """The new replies about an image; each is returned once."""
        replies = [reply for reply in self._new if reply.image == image]
        self._new = [reply for reply in self._new if reply.image != image]
        return replies

"""The workers, which turn jobs into results. A worker is made from its spec in the process where it runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from evalharness._util.image_files import decode_png
from evalharness.api import registry
from evalharness.api.benchmark import Benchmark, JudgeScorer, Scorer, ScoreRequest
from evalharness.api.executor import KeepSteps, Worker
from evalharness.api.failure import Failure, failure_of
from evalharness.api.judge import JudgePrompt, Replies
from evalharness.api.model import ImageSource, Model
from evalharness.api.plugin import versioned_identity
from evalharness.api.plugin_results import plain_partial, plain_reply, plain_score, plain_trajectory, scorer_faults
from evalharness.config.schema import PluginSpec
from evalharness.errors import NotFiniteError, SampleError
from evalharness.execution.made_here import made_here
from evalharness.execution.planned_identity import CheckedWorker, require_planned
from evalharness.execution.scoring_clock import ScoringClock
from evalharness.execution.step_record import StepRecord
from evalharness.generation import variants
from evalharness.planning.plan import Job
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.spent import Spent
from evalharness.types.trajectory import PartialTrajectory, Step, Trajectory

T = TypeVar("T")


@dataclass(frozen=True)
class PluginWorkerSpec:
    """The spec of a worker for a model, for the scorer of a benchmark, or for the scorer of one of its rescorings.

    Attributes:
        planned: The identity in the plan. A worker whose model or scorer has another one does no work.
        spent: What the parts of the model spent before this run.
    """

    plugin: PluginSpec
    rescoring: str | None = None
    planned: Mapping[str, Any] | None = None
    spent: Mapping[str, Spent] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The spec as JSON, with only the settings that were set: the defaults of others may depend on these."""
        settings = self.plugin.settings.model_dump(mode="json", exclude_unset=True)
        planned = None if self.planned is None else dict(self.planned)
        plugin = {"kind": self.plugin.kind, "name": self.plugin.name, "settings": settings}
        spent = {part: [of_part.calls, of_part.dollars] for part, of_part in self.spent.items()}
        return {**plugin, "rescoring": self.rescoring, "planned": planned, "spent": spent}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PluginWorkerSpec:
        settings = registry.load(data["kind"], data["name"]).Settings
        checked = settings.model_validate_json(json.dumps(data["settings"]), strict=True)
        spent = {part: Spent(*of_part) for part, of_part in data["spent"].items()}
        return cls(PluginSpec(data["kind"], data["name"], checked), data["rescoring"], data["planned"], spent)

    def check(self) -> None:
        """Check that model or scorer are those of the plan. Large files are read only if they seem to have changed.

        Raises:
            WeightsError: They are not.
        """
        if self.planned is None:
            return
        built = self.plugin.build()
        identity = (built if self.plugin.kind == "models" else self._scorer(built)).identity()
        require_planned(self.planned, versioned_identity(identity, built), self.plugin.label)

    def worker(self, keep: KeepSteps | None = None) -> Worker[Any, Any]:
        worker = self._unchecked_worker(keep)
        return CheckedWorker(self.check, worker, worker.load if isinstance(worker, GenerateWorker) else None)

    def _unchecked_worker(self, keep: KeepSteps | None) -> Worker[Any, Any]:
        built = self.plugin.build()
        name = self.plugin.label
        if self.plugin.kind == "models":
            if isinstance(built, ImageSource):
                return FetchWorker(built, name)
            built.recall_parts(self.spent)
            return GenerateWorker(built, name, StepRecord(keep))
        scorer = self._scorer(built)
        clock = ScoringClock(self.planned)
        return JudgeWorker(scorer, name, clock) if isinstance(scorer, JudgeScorer) else ScoreWorker(scorer, name, clock)

    def _scorer(self, benchmark: Benchmark) -> Scorer | JudgeScorer:
        if self.rescoring is None:
            return benchmark.scorer()
        return next(rescoring.scorer for rescoring in benchmark.rescorings() if rescoring.name == self.rescoring)


# --- drawing ---


@dataclass(frozen=True)
class GenerateWorker:
    """Draws trajectories with one model; the jobs of a batch share their variant."""

    model: Any
    name: str = "the model"
    record: StepRecord = field(default_factory=lambda: StepRecord(None))

    def load(self) -> bool:
        """Load the model; returns False if it loads only when it draws."""
        self.model.prepare()
        return type(self.model).prepare is not Model.prepare

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        prompts, seeds = [job.prompt for job in jobs], [job.seed for job in jobs]
        pictures, stored = [job.picture for job in jobs], [self.record.steps(job) for job in jobs]
        with self.record.batch(jobs):
            note = partial(self._note, jobs)
            trajectories = variants.run(jobs[0].variant, self.model, prompts, seeds, pictures, stored, note)
            return [made_here(trajectory) for trajectory in _plain_trajectories(trajectories, self.name)]

    def _note(self, jobs: Sequence[Job], made: Mapping[int, PartialTrajectory]) -> None:
        """Record what was made so far, by the index of its job."""
        self.record.add({jobs[index].key: made_here(plain_partial(steps, self.name)) for index, steps in made.items()})


@dataclass(frozen=True)
class FetchWorker:
    """Reads images that a model has already, in place of :class:`GenerateWorker`."""

    model: ImageSource
    name: str = "the model"

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        images = self.model.fetch([job.source for job in jobs if job.source is not None])
        return _plain_trajectories([Trajectory((Step("draw", image=image),)) for image in images], self.name)


def _plain_trajectories(trajectories: Iterable[Any], name: str) -> list[Trajectory]:
    """Check what a model returned; a number that is none costs its sample.

    Raises:
        SampleError: A field of a trajectory has a wrong type or is NaN or infinite.
    """
    try:
        return [plain_trajectory(trajectory, name) for trajectory in trajectories]
    except NotFiniteError as error:
        raise SampleError(str(error)) from error


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
    name: str = "the scorer"
    clock: ScoringClock = field(default_factory=ScoringClock)

    def __call__(self, jobs: Sequence[ScoreJob], /) -> list[Score]:
        self.clock.start()
        images = [decode_png(job.image) for job in jobs]
        with scorer_faults(self.name):
            scores = self.scorer.score(images, [job.item for job in jobs])
        time = self.clock.share(len(jobs))
        plain = [plain_score(score, self.name, self.scorer.score_range) for score in scores]
        return [made_here(replace(score, time=time)) for score in plain]


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
    name: str = "the scorer"
    clock: ScoringClock = field(default_factory=ScoringClock)

    def __call__(self, jobs: Sequence[ScoreJob], /) -> list[JudgedScore]:
        self.clock.start()
        replies = _BatchReplies(jobs, self.name)
        outcomes: dict[str, Score | Failure] = {}
        for request, outcome in judged_scores(self.scorer, [job.request() for job in jobs], replies, self.name):
            if isinstance(outcome, SampleError):
                outcomes[request.key] = failure_of(outcome)
            else:
                outcomes[request.key] = outcome
        judged = [JudgedScore(outcomes[job.key], tuple(replies.pop_new(job.digest))) for job in jobs]
        return self._timed(judged)

    def _timed(self, judged: list[JudgedScore]) -> list[JudgedScore]:
        """Set the time of the scores that the judge was asked for; the others only took what it had replied before."""
        asked = sum(bool(score.replies) for score in judged)
        if not asked:
            return judged
        time = self.clock.share(asked)
        return [
            replace(score, outcome=replace(score.outcome, time=time))
            if score.replies and isinstance(score.outcome, Score)
            else score
            for score in judged
        ]


def judged_scores(
    scorer: JudgeScorer, requests: Iterable[ScoreRequest], replies: Replies, name: str
) -> Iterator[tuple[ScoreRequest, Score | SampleError]]:
    """Give the outcomes of :meth:`JudgeScorer.judge` with plain values.

    Raises:
        NotFiniteError: The judge computed NaN or infinite numbers, or a score holds them.
    """
    with scorer_faults(name), closed(scorer.judge(requests, replies)) as outcomes:
        for request, outcome in outcomes:
            if isinstance(outcome, SampleError):
                yield request, outcome
                continue
            try:
                plain: Score | SampleError = made_here(plain_score(outcome, name, scorer.score_range))
            except SampleError as error:
                plain = error
            yield request, plain


@contextlib.contextmanager
def closed(iterator: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close a generator when the block ends, so that its connections do not stay open until it is collected."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


class _BatchReplies:
    """The :class:`~evalharness.api.judge.Replies` of one batch."""

    def __init__(self, jobs: Iterable[ScoreJob], name: str) -> None:
        self._name = name
        self._replies: dict[str, list[Reply]] = {}
        self._new: list[JudgeReply] = []
        for job in jobs:
            self._replies |= {key: list(replies) for key, replies in job.replies.items()}

    def get(self, key: str) -> list[Reply]:
        return list(self._replies.get(key, ()))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        reply = plain_reply(reply, self._name)
        self._replies.setdefault(key, []).append(reply)
        self._new.append(JudgeReply(key, prompt.key(), judge, prompt.image, prompt.rubric, prompt.repeat, reply))

    def spent(self, judge: str) -> Spent:
        return Spent()

    def pop_new(self, image: str) -> list[JudgeReply]:
        """The new replies about an image; each is returned once."""
        replies = [reply for reply in self._new if reply.image == image]
        self._new = [reply for reply in self._new if reply.image != image]
        return replies

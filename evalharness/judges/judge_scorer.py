"""A scorer that asks one judge about each image by a rubric, and reads a score out of the replies."""

from __future__ import annotations

import base64
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer, ScoreRequest
from evalharness.api.judge import Judge, JudgePrompt, Replies, reply_key
from evalharness.api.plugin import versioned_identity
from evalharness.api.spoken import describe_reply
from evalharness.errors import EvalHarnessError, SampleError
from evalharness.judges.parsing import CutReplies, Parser
from evalharness.types.item import ITEM_FIELDS, Item, ItemField
from evalharness.types.reply import Reply
from evalharness.types.score import Score

TRIES = 3
"""Number of times that a judge is asked, if its replies cannot be read, before the sample fails."""
BACKLOG = 32
"""Number of finished scores that may queue up while the judge works; their images are held in memory."""

Outcome = tuple[ScoreRequest, Score | SampleError]


class Rubric(Protocol):
    """The instructions for a judge; ``name`` says in the report whose they are."""

    @property
    def name(self) -> str: ...

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        """Chat messages (JSON) about an item and its image, a PNG file in base64."""
        ...

    def digest(self) -> str:
        """Digest of everything in the messages that is the same for every item."""
        ...


@dataclass(frozen=True)
class RubricScorer(JudgeScorer):
    """A judge, a rubric, and a parser of the judge's replies.

    A reply that cannot be parsed is kept and the judge is asked again, up to :data:`TRIES` times; then the sample
    fails. A request with ``retry`` gets another :data:`TRIES` attempts.

    Attributes:
        protocol: Name and version of the benchmark's protocol.
        primary: The judge that is asked.
        rubric: The instructions for the judge.
        parser: Takes the score out of a reply.
        max_tokens: Length limit of a reply.
        cut_replies: Whether a reply that is no whole answer has a score.
        fit: Turns what a reply states into the score of an item, or into ``None`` if it does not fit the item, such as
            answers to fewer questions than were asked. It is part of the protocol's version.
        answers: The texts whose probability the judge is asked for, in place of a reply in words; the rubric's digest
            covers how they are made.
        repeat: Distinguishes scorers that ask the same judge the same prompt again.
        secondary: Judges that the benchmark's rescorings ask.
        item_fields: The fields of an item that the rubric uses.
    """

    protocol: str
    primary: Judge
    rubric: Rubric
    parser: Parser
    max_tokens: int
    repeat: int = 0
    secondary: tuple[Judge, ...] = ()
    item_fields: Sequence[ItemField] = ITEM_FIELDS
    cut_replies: CutReplies = "fail"
    fit: Callable[[Item, Score], Score | None] | None = None
    answers: Callable[[Item], tuple[str, ...]] | None = None
    most_replies = TRIES

    @property
    def score_range(self) -> tuple[float, float]:  # type: ignore[override]
        return self.parser.score_range

    @property
    def judges(self) -> tuple[Judge, ...]:  # type: ignore[override]
        """All judges that a run with this scorer needs to reach."""
        return (self.primary, *self.secondary)

    @property
    def in_process(self) -> bool:  # type: ignore[override]
        return self.primary.in_process

    def identity(self) -> dict[str, Any]:
        identity = {
            "protocol": self.protocol,
            "rubric": {"name": self.rubric.name, "digest": self.rubric.digest()},
            "max_tokens": self.max_tokens,
            "replies": {"parser": self.parser.name, "cut": self.cut_replies},
            "judge": versioned_identity(self.primary.identity(), self.primary),
        }
        if self.answers is not None:
            identity["probabilities"] = self.primary.probabilities
        if self.repeat:
            identity["repeat"] = self.repeat
        return identity

    def judge(self, requests: Iterable[ScoreRequest], replies: Replies) -> Iterator[Outcome]:
        return _Session(self, iter(requests), replies).run()

    def prompt(self, request: ScoreRequest) -> JudgePrompt:
        """The prompt about an image; it contains the unchanged PNG file."""
        image = base64.b64encode(request.image).decode("ascii")
        messages = self.rubric.messages(request.item, image)
        answers = () if self.answers is None else self.answers(request.item)
        return JudgePrompt(
            messages, request.digest, self.rubric.digest(), self.max_tokens, self.repeat, answers=answers
        )


@dataclass
class _Case:
    """A request with its replies so far and the number of tries that are left."""

    request: ScoreRequest
    prompt: JudgePrompt
    key: str
    replies: list[Reply]
    tries: int = field(init=False)

    def __post_init__(self) -> None:
        used = len(self.replies) % TRIES
        self.tries = TRIES - used if used or not self.replies or self.request.retry else 0


class _Session:
    """One call of ``judge``. Prompts are built only as the judge takes them, so that few images are in memory."""

    def __init__(self, scorer: RubricScorer, requests: Iterator[ScoreRequest], replies: Replies) -> None:
        self.scorer, self.requests, self.replies = scorer, requests, replies
        self.judge_digest = digest(versioned_identity(scorer.primary.identity(), scorer.primary))
        self.numbers = itertools.count()
        self.cases: dict[int, _Case] = {}
        self.pending: deque[int] = deque()
        self.outcomes: deque[Outcome] = deque()
        self.exhausted = False

    def run(self) -> Iterator[Outcome]:
        while True:
            while not self.pending and not self.exhausted:
                self._take_request()
                yield from self._drain()
            if not self.pending:
                return
            try:
                for number, outcome in self.scorer.primary.ask(self._prompts()):
                    self._receive(number, outcome)
                    yield from self._drain()
            except EvalHarnessError:  # e.g. a spent budget: outcomes that exist by then count
                yield from self._drain()
                raise
            self._fail_unanswered()
            yield from self._drain()

    def _prompts(self) -> Iterator[tuple[int, JudgePrompt]]:
        """Give prompts for the judge, repeated ones first. Those that come up after the last are for the next round."""
        while len(self.outcomes) < BACKLOG:
            if self.pending:
                number = self.pending.popleft()
                case = self.cases[number]
                yield number, replace(case.prompt, tried=len(case.replies))
            elif self.exhausted:
                return
            else:
                self._take_request()

    def _take_request(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.exhausted = True
            return
        prompt = self.scorer.prompt(request)
        key = reply_key(self.judge_digest, prompt)
        number = next(self.numbers)
        self.cases[number] = _Case(request, prompt, key, self.replies.get(key))
        self._settle(number)

    def _receive(self, number: int, outcome: Reply | SampleError) -> None:
        case = self.cases[number]
        if isinstance(outcome, SampleError):
            self._close(number, outcome)
            return
        self.replies.add(case.key, case.prompt, self.judge_digest, outcome)
        case.replies.append(outcome)
        case.tries -= 1
        self._settle(number)

    def _settle(self, number: int) -> None:
        """Close the case if its replies decide it, else queue it for another try."""
        case = self.cases[number]
        score = self._score(case.request.item, case.replies)
        if score is not None:
            self._close(number, score)
        elif case.tries > 0:
            self.pending.append(number)
        else:
            count, last = len(case.replies), describe_reply(case.replies[-1])
            self._close(number, SampleError(f"no score in {count} replies of the judge, the last: {last}"))

    def _fail_unanswered(self) -> None:
        """Fail the cases whose prompt the judge took but never answered, so that no sample is lost."""
        for number in self.cases.keys() - set(self.pending):
            self._close(number, SampleError("the judge gave no answer"))

    def _close(self, number: int, outcome: Score | SampleError) -> None:
        self.outcomes.append((self.cases.pop(number).request, outcome))

    def _drain(self) -> Iterator[Outcome]:
        while self.outcomes:
            yield self.outcomes.popleft()

    def _score(self, item: Item, replies: Sequence[Reply]) -> Score | None:
        """The score of the first reply that states one; its details hold all replies."""
        for reply in replies:
            score = self.scorer.parser.score(reply, self.scorer.cut_replies)
            if score is not None and self.scorer.fit is not None:
                score = self.scorer.fit(item, score)
            if score is not None:
                return Score(score.value, score.reason, {**score.details, **self._reply_details(replies)})
        return None

    def _reply_details(self, replies: Sequence[Reply]) -> dict[str, Any]:
        return {
            "judge": self.judge_digest,
            "rubric": {"name": self.scorer.rubric.name, "digest": self.scorer.rubric.digest()},
            "tries": len(replies),
            "replies": [asdict(reply) for reply in replies],
            "prompt_tokens": sum(reply.prompt_tokens for reply in replies),
            "completion_tokens": sum(reply.completion_tokens for reply in replies),
            "cost": sum(reply.cost for reply in replies),
        }

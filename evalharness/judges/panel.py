"""A panel that one judge sits on: asks it about each image, keeps what it says, reads scores out of that."""

from __future__ import annotations

import base64
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from evalharness._util.hashing import digest
from evalharness._util.text import one_line
from evalharness.api.benchmark import ScoreRequest
from evalharness.api.judge import Judge, JudgePrompt, Replies, reply_key
from evalharness.errors import EvalHarnessError, SampleError
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score

TRIES = 3
"""So often is a question asked whose replies cannot be read, before its sample is failed."""
BACKLOG = 32
"""So many scores may wait for a judge's next reply; their images are in memory."""

Outcome = tuple[ScoreRequest, Score | SampleError]
Read = Callable[[str], Score | None]
"""What a reply says: a score, or ``None`` if it says none. Never raises, whatever the text."""


class Rubric(Protocol):
    """What a judge is told to look for. ``name`` says whose words they are, as a report shows it."""

    @property
    def name(self) -> str: ...

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        """Chat messages about an item and its image, a PNG file in base64; JSON."""
        ...

    def digest(self) -> str:
        """Of all in the messages that is the same for every item."""
        ...


@dataclass(frozen=True)
class JudgePanel:
    """A :class:`~evalharness.api.benchmark.JudgeScorer`.

    A reply that cannot be read is kept, and the question asked again, :data:`TRIES` times in all; after that the sample
    is failed. A submission that is tried again after its failure is asked as often once more. ``repeat`` numbers a
    panel that asks anew what another asked already, ``others`` are judges that the benchmark asks besides.
    """

    protocol: str
    asked: Judge
    rubric: Rubric
    read: Read
    max_tokens: int
    repeat: int = 0
    others: tuple[Judge, ...] = ()

    @property
    def judges(self) -> tuple[Judge, ...]:
        """All that a run with this panel needs to reach."""
        return (self.asked, *self.others)

    @property
    def in_process(self) -> bool:
        return getattr(self.asked, "in_process", False)

    def identity(self) -> dict[str, Any]:
        found = {
            "protocol": self.protocol,
            "rubric": {"name": self.rubric.name, "digest": self.rubric.digest()},
            "max_tokens": self.max_tokens,
            "judge": dict(self.asked.identity()),
        }
        return found | ({"repeat": self.repeat} if self.repeat else {})

    def reachable(self) -> None:
        """Whether its judges would answer.

        Raises:
            EvalHarnessError: one would not; what to do.
        """
        for judge in self.judges:
            ask = getattr(judge, "reachable", None)
            if ask is not None:
                ask()

    def judge(self, submissions: Iterable[ScoreRequest], replies: Replies) -> Iterator[Outcome]:
        return _Session(self, iter(submissions), replies).run()

    def question(self, submission: ScoreRequest) -> JudgePrompt:
        """What is asked about an image; it goes in as it is."""
        image = base64.b64encode(submission.image).decode("ascii")
        messages = self.rubric.messages(submission.item, image)
        return JudgePrompt(messages, submission.digest, self.rubric.digest(), self.max_tokens, self.repeat)


@dataclass
class _Case:
    """A submission, what the judge said of it so far, and how often it may still be asked."""

    submission: ScoreRequest
    question: JudgePrompt
    key: str
    replies: list[Reply]
    tries: int = field(init=False)

    def __post_init__(self) -> None:
        used = len(self.replies) % TRIES
        self.tries = TRIES - used if used or not self.replies or self.submission.retry else 0


class _Session:
    """One go of a panel. Questions are made only as the judge takes them, so that few images are in memory."""

    def __init__(self, panel: JudgePanel, submissions: Iterator[ScoreRequest], replies: Replies) -> None:
        self.panel, self.submissions, self.replies = panel, submissions, replies
        self.judge = digest(dict(panel.asked.identity()))
        self.numbers = itertools.count()
        self.cases: dict[int, _Case] = {}
        self.waiting: deque[int] = deque()
        self.done: deque[Outcome] = deque()
        self.exhausted = False

    def run(self) -> Iterator[Outcome]:
        while True:
            while not self.waiting and not self.exhausted:
                self._take()
                yield from self._drain()
            if not self.waiting:
                return
            try:
                for number, outcome in self.panel.asked.ask(self._questions()):
                    self._receive(number, outcome)
                    yield from self._drain()
            except EvalHarnessError:  # a budget is spent, say: what has been settled by then counts
                yield from self._drain()
                raise
            self._miss()
            yield from self._drain()

    def _questions(self) -> Iterator[tuple[int, JudgePrompt]]:
        """A question that must be asked again comes before a new one. What comes up after the last is for a next go."""
        while len(self.done) < BACKLOG:
            if self.waiting:
                number = self.waiting.popleft()
                case = self.cases[number]
                yield number, replace(case.question, tried=len(case.replies))
            elif self.exhausted:
                return
            else:
                self._take()

    def _take(self) -> None:
        submission = next(self.submissions, None)
        if submission is None:
            self.exhausted = True
            return
        question = self.panel.question(submission)
        key = reply_key(self.judge, question)
        number = next(self.numbers)
        self.cases[number] = _Case(submission, question, key, self.replies.get(key))
        self._settle(number)

    def _receive(self, number: int, outcome: Reply | SampleError) -> None:
        case = self.cases[number]
        if isinstance(outcome, SampleError):
            self._close(number, outcome)
            return
        self.replies.add(case.key, case.question, self.judge, outcome)
        case.replies.append(outcome)
        case.tries -= 1
        self._settle(number)

    def _settle(self, number: int) -> None:
        """What the replies come to, or to be asked again."""
        case = self.cases[number]
        score = self._score(case.replies)
        if score is not None:
            self._close(number, score)
        elif case.tries > 0:
            self.waiting.append(number)
        else:
            count, last = len(case.replies), one_line(case.replies[-1].text, 120)
            self._close(number, SampleError(f"no score in {count} replies of the judge, the last: {last!r}"))

    def _miss(self) -> None:
        """A judge that lost a question must not lose its sample."""
        for number in self.cases.keys() - set(self.waiting):
            self._close(number, SampleError("the judge gave no answer"))

    def _close(self, number: int, outcome: Score | SampleError) -> None:
        self.done.append((self.cases.pop(number).submission, outcome))

    def _drain(self) -> Iterator[Outcome]:
        while self.done:
            yield self.done.popleft()

    def _score(self, replies: Sequence[Reply]) -> Score | None:
        """The score in the first reply that has one; its details hold them all."""
        for reply in replies:
            score = self.panel.read(reply.text)
            if score is not None:
                return Score(score.value, score.reason, {**score.details, **self._evidence(replies)})
        return None

    def _evidence(self, replies: Sequence[Reply]) -> dict[str, Any]:
        return {
            "judge": self.judge,
            "rubric": {"name": self.panel.rubric.name, "digest": self.panel.rubric.digest()},
            "tries": len(replies),
            "replies": [asdict(reply) for reply in replies],
            "prompt_tokens": sum(reply.prompt_tokens for reply in replies),
            "completion_tokens": sum(reply.completion_tokens for reply in replies),
            "cost": sum(reply.cost for reply in replies),
        }

"""The interface of judges, which reply in text to prompts with images. The benchmark decides what a reply is worth."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from evalharness._util.hashing import digest
from evalharness.api.plugin import Plugin
from evalharness.errors import SampleError
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A prompt about one image.

    Attributes:
        messages: Chat messages as OpenAI's endpoints take them; they contain the image as a data URL of the unchanged
            PNG file.
        image: SHA-256 of that file.
        rubric: Digest of everything in the messages that is the same for every item.
        max_tokens: Length limit of the reply.
        repeat: Distinguishes prompts that are asked more than once.
        tried: The number of replies to it that are stored already; not part of its key.
        answers: Asks not for words but for a probability: that the reply begins as one of these texts does. The text of
            the reply is then that number. Only of a judge with :attr:`Judge.probabilities`.
    """

    messages: Sequence[Mapping[str, Any]]
    image: str
    rubric: str
    max_tokens: int
    repeat: int = 0
    tried: int = 0
    answers: tuple[str, ...] = ()

    def key(self) -> str:
        """The key of the prompt, which is the same whichever judge replies."""
        messages = _shortened(list(self.messages))
        asked = ["question", self.image, self.rubric, messages, self.max_tokens, self.repeat]
        return digest([*asked, list(self.answers)] if self.answers else asked)


def _shortened(value: Any) -> Any:
    """Replace long texts in JSON, such as images, by their digests: escaping megabytes would take ten times as long."""
    if isinstance(value, str):
        return value if len(value) < 1000 else {"sha256": hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()}
    if isinstance(value, Mapping):
        return {key: _shortened(inner) for key, inner in value.items()}
    return [_shortened(inner) for inner in value] if isinstance(value, list | tuple) else value


def reply_key(judge: str, prompt: JudgePrompt | str) -> str:
    """The key of a judge's replies.

    Args:
        judge: Digest of the judge's identity.
        prompt: The prompt, or its key.
    """
    return digest(["reply", judge, prompt if isinstance(prompt, str) else prompt.key()])


class Replies(Protocol):
    """Stored replies, so that none is paid for twice; errors are never among them."""

    def get(self, key: str) -> list[Reply]:
        """The replies to a prompt, in the order of the tries."""
        ...

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        """Store a reply before this returns. ``judge`` is the digest of the judge's identity."""
        ...

    def spent(self, judge: str) -> Spent:
        """The cost of all stored replies of a judge; ``judge`` is the digest of its identity."""
        ...


class Judge(Plugin, ABC):
    """A plugin that replies to prompts about images."""

    in_process: bool = False
    """Whether the judge computes its replies itself. Such a judge runs in a worker with a device; any other is asked by
    a thread of its own while the next images are drawn."""
    probabilities: Literal["exact", "top"] | None = None
    """Whether it can say how probable answers are, see :attr:`JudgePrompt.answers`: by its network's softmax over all
    tokens, or only by the most probable ones that an endpoint lists."""
    address: str = ""
    """Where the judge's endpoint is, if it has one. A run warns if the same judge was elsewhere in an earlier one."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a reply: model, decoding, endpoint kind; JSON, without keys, addresses or devices."""

    def former_identities(self) -> Sequence[Mapping[str, Any]]:
        """Identities of earlier versions that stand for the same results; a run gives these the present keys."""
        return ()

    @abstractmethod
    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """Reply to prompts.

        Args:
            prompts: Numbered prompts, taken from the iterable only when there is room to ask them; the caller may add
                to it while it is being read.

        Yields:
            Each prompt's number with its reply, in any order; a SampleError for a prompt that could not be answered
            after the judge's own retries.

        Raises:
            BudgetError: The budget is spent. Everything that was asked has been yielded; the rest was not asked.
            EndpointError: The same, if no other prompt would succeed either.
        """

    def reachable(self) -> None:
        """Check that the judge would answer.

        Raises:
            EvalHarnessError: It would not; the message says what to do.
        """

    def require_room(self, count: int) -> None:
        """Check that the budget has room for so many calls, for a caller that can use none without the others.

        Raises:
            BudgetError: It does not.
        """

    def recall(self, spent: Spent) -> None:
        """Count what the judge spent before this run towards its budget."""

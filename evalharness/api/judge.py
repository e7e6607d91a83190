"""What a judge must offer: it replies in text to prompts with images. What a reply is worth, a benchmark decides."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from evalharness._util.hashing import digest
from evalharness.api.plugin import Plugin
from evalharness.errors import SampleError
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """What a judge is asked about one image.

    Attributes:
        messages: Chat messages as OpenAI's endpoints take them; the image stands in them as a data URL of the unchanged
            PNG file.
        image: SHA-256 of that file.
        rubric: Digest of everything in the messages that is the same for every item.
        max_tokens: Length limit of the reply.
        repeat: Distinguishes prompts that are asked more than once.
        tried: The number of replies to it that are kept already; not part of its key.
    """

    messages: Sequence[Mapping[str, Any]]
    image: str
    rubric: str
    max_tokens: int
    repeat: int = 0
    tried: int = 0

    def key(self) -> str:
        """The same for the same prompt, whichever judge replies."""
        messages = _shortened(list(self.messages))
        return digest(["question", self.image, self.rubric, messages, self.max_tokens, self.repeat])


def _shortened(value: Any) -> Any:
    """JSON with its long texts, such as images, as their digests: to escape megabytes takes ten times as long."""
    if isinstance(value, str):
        return value if len(value) < 1000 else {"sha256": hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()}
    if isinstance(value, Mapping):
        return {key: _shortened(inner) for key, inner in value.items()}
    return [_shortened(inner) for inner in value] if isinstance(value, list | tuple) else value


def reply_key(judge: str, prompt: JudgePrompt | str) -> str:
    """The key of a judge's replies to a prompt, given itself or by its key; ``judge``: the digest of its identity."""
    return digest(["reply", judge, prompt if isinstance(prompt, str) else prompt.key()])


class Replies(Protocol):
    """Replies that are kept, so that none is paid for twice; errors are never among them."""

    def get(self, key: str) -> list[Reply]:
        """The replies to a prompt, in the order of the tries."""
        ...

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        """Store a reply before the next line runs. ``judge`` is the digest of the judge's identity."""
        ...

    def spent(self, judge: str) -> Spent:
        """What all kept replies of a judge cost; ``judge`` is the digest of its identity."""
        ...


class Judge(Plugin, ABC):
    """A plugin that replies to prompts about images."""

    in_process: bool = False
    """Whether it computes its replies itself. Such a judge runs where there is a device for it; others are asked from
    a thread of their own while the next images are drawn."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a reply: model, decoding, endpoint kind; JSON, without keys, addresses or devices."""

    @abstractmethod
    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """Reply to prompts.

        Args:
            prompts: Numbered prompts, taken from the iterable only as there is room to ask them; the caller may add to
                it while it is being read.

        Yields:
            Each prompt's number with its reply, in any order; a SampleError for a prompt that could not be answered
            after the judge's own retries.

        Raises:
            BudgetError: The budget is spent. Everything that was asked has been yielded; the rest was not asked.
            EndpointError: The same, where no other prompt would fare better.
        """

    def reachable(self) -> None:
        """Check that it would answer.

        Raises:
            EvalHarnessError: It would not; the message says what to do.
        """

    def recall(self, spent: Spent) -> None:
        """Count what it spent before this run towards its budget."""

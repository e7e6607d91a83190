"""What a judge must offer: it answers questions about images, in text. What the text is worth, a benchmark decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from evalharness._util.hashing import digest
from evalharness.errors import SampleError
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """What a judge is asked about one image.

    ``messages`` are chat messages as OpenAI's endpoints take them; the image stands in them as a data URL of the
    unchanged PNG file. ``image`` is that file's SHA-256, ``rubric`` the digest of all in the messages that is the same
    for every item. ``repeat`` tells apart questions that are asked more than once. ``tried`` is the number of replies
    to it that are kept already, and no part of its key.
    """

    messages: Sequence[Mapping[str, Any]]
    image: str
    rubric: str
    max_tokens: int
    repeat: int = 0
    tried: int = 0

    def key(self) -> str:
        """The same for the same question, whoever answers it."""
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
    """The key of a judge's replies to a question, or to one of that key; ``judge`` is the digest of its identity."""
    return digest(["reply", judge, prompt if isinstance(prompt, str) else prompt.key()])


class Replies(Protocol):
    """Replies that are kept, so that none is paid for twice; errors are never among them."""

    def get(self, key: str) -> list[Reply]:
        """The replies to a question, one a try, in the order of the tries."""
        ...

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        """Keep a reply for good before the next line runs. ``judge`` is the digest of the judge's identity."""
        ...

    def spent(self, judge: str) -> Spent:
        """What all kept replies of a judge come to; ``judge`` is the digest of its identity."""
        ...


class Judge(Protocol):
    """A plugin: a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``.

    It may have ``reachable() -> None``, which raises an EvalHarnessError saying what to do if it would not answer. One
    that computes its answers itself says so by ``in_process = True``: it is asked where there is a device for it,
    others while the next images are drawn, from a thread of their own.
    """

    name: str

    def identity(self) -> Mapping[str, Any]:
        """What decides a reply: model, decoding, endpoint kind; JSON, without keys, addresses or devices."""
        ...

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """Each question's number with its reply, as they come, in any order.

        Questions are taken from the iterable only as there is room to ask them; the caller may add to it while it is
        being read. SampleError stands for a question that could not be answered after the judge's own retries.

        Raises:
            BudgetError: once all that was asked has been yielded; what is left was not asked.
            EndpointError: the same, where no other question would fare better.
        """
        ...


@runtime_checkable
class Budgeted(Judge, Protocol):
    """A judge with a budget."""

    def recall(self, spent: Spent) -> None:
        """What it spent before this run: that counts, too."""
        ...

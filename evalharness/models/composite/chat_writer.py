"""A chat model that looks at images as the writer of a composite: contexts are conversations."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from evalharness._util.image_files import png_bytes
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.api.model import Written
from evalharness.api.spoken import answer_of, describe_reply, outcome_of
from evalharness.errors import SampleError
from evalharness.models.composite.kept_answers import KeptAnswers
from evalharness.types.reply import Reply

Role = Literal["user", "assistant"]


@dataclass
class Conversation:
    """The turns so far, and the SHA-256 of the last image, of which the messages hold a data URL."""

    turns: list[tuple[Role, Mapping[str, Any]]] = field(default_factory=list)
    image: str = ""

    def say(self, role: Role, text: str) -> None:
        """Append a text, unless it is empty."""
        if text:
            self.turns.append((role, {"type": "text", "text": text}))

    def messages(self) -> list[dict[str, Any]]:
        """The conversation as OpenAI's endpoints take it; consecutive turns of the user are one message."""
        messages: list[dict[str, Any]] = []
        for role, part in self.turns:
            if role == "assistant":
                messages.append({"role": role, "content": part["text"]})
            elif messages and messages[-1]["role"] == role:
                messages[-1]["content"].append(part)
            else:
                messages.append({"role": role, "content": [part]})
        return messages


class ChatWriter:
    """The verbs of a writer, by a judge's replies.

    Args:
        judge: The chat model.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._kept: KeptAnswers[Written] = KeptAnswers()

    def start(self, count: int) -> list[Conversation]:
        return [Conversation() for _ in range(count)]

    def read(self, contexts: Sequence[Conversation], texts: Sequence[str]) -> None:
        for context, text in zip(contexts, texts, strict=True):
            context.say("user", text)

    def look(self, contexts: Sequence[Conversation], images: Sequence[Image.Image]) -> None:
        for context, image in zip(contexts, images, strict=True):
            data = png_bytes(image)
            url = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
            context.turns.append(("user", {"type": "image_url", "image_url": {"url": url}}))
            context.image = hashlib.sha256(data).hexdigest()

    def write(
        self,
        contexts: Sequence[Conversation],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        """Ask for the next text. A chat model ends its answers by itself, so that ``stop`` is not needed.

        Raises:
            SampleError: There is no answer, or an empty one.
        """
        self._ask(contexts, opening, ask)
        prompts = [
            JudgePrompt(context.messages(), context.image, rubric="", max_tokens=max_tokens, repeat=seed)
            for context, seed in zip(contexts, seeds, strict=True)
        ]
        keys = [prompt.key() for prompt in prompts]
        written = self._kept.answers(keys, prompts, self._replies, self._judge.require_room)
        for context, text in zip(contexts, written, strict=True):
            context.say("assistant", text.text)
        return written

    def reread(
        self,
        contexts: Sequence[Conversation],
        texts: Sequence[str],
        *,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> None:
        """Append answers that were given before."""
        self._ask(contexts, opening, ask)
        for context, text in zip(contexts, texts, strict=True):
            context.say("assistant", text)

    def _replies(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Written | SampleError]]:
        for number, reply in self._judge.ask(prompts):
            yield number, reply if isinstance(reply, SampleError) else _written(reply)

    def _ask(self, contexts: Sequence[Conversation], opening: str, ask: str) -> None:
        self.read(contexts, [" ".join(filter(None, (ask, opening)))] * len(contexts))


def _written(reply: Reply) -> Written | SampleError:
    """The answer in a reply, without thoughts. One without an answer is no inspection that found nothing."""
    text, outcome = answer_of(reply).strip(), outcome_of(reply)
    if not text or outcome in ("refused", "filtered"):
        advice = "; raise `max_tokens`" if outcome == "cut" else ""
        return SampleError(f"the writer gave no answer: {describe_reply(reply)}{advice}")
    return Written(text, reply.completion_tokens, outcome != "cut", reply.cost)

"""Chat completions: a question's request, and the reply in its response."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalharness.api.judge import JudgePrompt
from evalharness.http.calls import Calls
from evalharness.http.scrub import redact
from evalharness.http.trouble import EndpointFailure
from evalharness.judges.completion import read_completion
from evalharness.types.reply import Reply

if TYPE_CHECKING:
    from evalharness.http.budget import Budget
    from evalharness.judges.openai import OpenAI

PATH = "/chat/completions"
TEXTS = ("text", "finish_reason", "refusal", "reasoning", "model")
PING = JudgePrompt([{"role": "user", "content": "Say yes."}], image="", rubric="", max_tokens=16)


class Chat(Calls[JudgePrompt, Reply]):
    """Questions to a judge."""

    def __init__(self, settings: OpenAI.Settings, budget: Budget) -> None:
        super().__init__(settings, budget)
        self._own = settings

    async def ask(self, question: JudgePrompt) -> Reply | EndpointFailure:
        start = time.monotonic()
        text = await self.text("post", PATH, self._own.body(question))
        return text if isinstance(text, EndpointFailure) else self._read(text, time.monotonic() - start)

    def cost(self, answer: Reply) -> float | None:
        return answer.cost if answer.prompt_tokens + answer.completion_tokens else None

    async def problem(self) -> str | None:
        """Why no question would be answered, if so: by the list of models and, where that does not tell, by a word."""
        names = await self.missing_model()
        if names is None:
            return None
        if isinstance(names, EndpointFailure):
            return names.reason
        # A gateway may have no list, or one without the names that it knows how to route.
        said = await self.text("post", PATH, self._own.body(PING))
        if isinstance(said, EndpointFailure):
            return said.reason + self.did_you_mean(names)
        return None if read_completion(said) else "no chat completions here; base_url usually ends in /v1"

    def _read(self, text: str, seconds: float) -> Reply | EndpointFailure:
        reply = read_completion(text)
        if reply is None:
            return EndpointFailure("again", f"the endpoint sent no chat completion but {self.clean(text)!r}", open=True)
        texts: dict[str, Any] = {name: redact(getattr(reply, name), self.key) for name in TEXTS}
        return replace(reply, **texts, cost=self._own.cost(reply), seconds=seconds)

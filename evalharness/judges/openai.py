"""The judge ``openai``: any endpoint that speaks OpenAI's chat completions, such as vLLM, OpenAI's own or a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from evalharness.api.judge import Judge, JudgePrompt
from evalharness.errors import EndpointError, SampleError
from evalharness.http.budget import Budget
from evalharness.http.pool import answers
from evalharness.judges.chat_settings import ChatSettings
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent

if TYPE_CHECKING:
    from evalharness.judges.chat import Chat


class OpenAI(Judge):
    """Asks a model behind an endpoint, many calls at a time."""

    Settings = ChatSettings

    name = "openai"
    probabilities = "top"
    requires: ClassVar[tuple[str, ...]] = ("openai", "aiohttp")

    def __init__(self, settings: ChatSettings) -> None:
        self.settings = settings
        self.address = settings.base_url.rstrip("/")
        self._budget = Budget(settings.max_calls, settings.max_dollars)

    def identity(self) -> Mapping[str, Any]:
        """Everything in a request but the prompt; neither key, address, headers nor query."""
        return {
            "name": self.name,
            "endpoint": "chat.completions",
            "model": self.settings.model,
            "temperature": self.settings.temperature,
            "token_limit": self.settings.token_limit,
            "extra_body": self.settings.extra_body,
            **self.settings.reply_identity(),
            **self.settings.endpoint_identity(),
        }

    def require_room(self, count: int) -> None:
        with self.settings.naming("judge"):
            self._budget.require_room(count)

    def recall(self, spent: Spent) -> None:
        """Count what this judge spent in earlier runs towards its budget."""
        self._budget.recall(spent)

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """As :meth:`evalharness.api.judge.Judge.ask`. Calls go on while the caller works."""
        with self.settings.naming("judge"):
            yield from answers(prompts, self._chat(), 2 * self.settings.concurrency)

    def reachable(self) -> None:
        """Ask a short question about a picture.

        Raises:
            EndpointError: The judge would not answer; the message says what to do.
        """
        with self.settings.naming("judge"):
            if problem := asyncio.run(self._problem()):
                raise EndpointError(problem)

    async def _problem(self) -> str | None:
        async with self._chat() as chat:
            return await chat.problem()

    def _chat(self) -> Chat:
        from evalharness.judges.chat import Chat  # imports the client's packages, which are optional

        return Chat(self.settings, self._budget)

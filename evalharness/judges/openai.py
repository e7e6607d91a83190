"""The judge ``openai``: any endpoint that speaks OpenAI's chat completions, such as vLLM, OpenAI's own or a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from evalharness.api.judge import JudgePrompt
from evalharness.errors import EndpointError, SampleError
from evalharness.http.budget import Budget
from evalharness.http.pool import answers
from evalharness.http.settings import EndpointSettings
from evalharness.types.reply import Reply
from evalharness.types.spent import Spent

if TYPE_CHECKING:
    from evalharness.judges.chat import Chat


class OpenAI:
    """Asks a model behind an endpoint, many calls at a time."""

    class Settings(EndpointSettings):
        """Prices are dollars for a million tokens."""

        own: ClassVar[frozenset[str]] = frozenset(
            {"model", "messages", "temperature", "max_tokens", "max_completion_tokens"}
        )

        temperature: Annotated[float, Field(ge=0)] | None = 0.0
        token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
        price_prompt: Annotated[float, Field(ge=0)] | None = None
        price_completion: Annotated[float, Field(ge=0)] | None = None

        @model_validator(mode="after")
        def _priced(self) -> OpenAI.Settings:
            if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
                raise ValueError("max_dollars needs price_prompt and price_completion, in dollars a million tokens")
            return self

        def body(self, question: JudgePrompt) -> dict[str, Any]:
            """The request for a question, as OpenAI's own client would make it."""
            limit: dict[str, Any] = {self.token_limit: question.max_tokens}
            decoding = {} if self.temperature is None else {"temperature": self.temperature}
            return {"model": self.model, "messages": question.messages, **limit, **decoding, **self.extra_body}

        def cost(self, reply: Reply) -> float:
            """Dollars."""
            prompt = reply.prompt_tokens * (self.price_prompt or 0)
            return (prompt + reply.completion_tokens * (self.price_completion or 0)) / 1_000_000

    name = "openai"
    requires = ("openai", "aiohttp")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._budget = Budget(settings.max_calls, settings.max_dollars)

    def identity(self) -> Mapping[str, Any]:
        """All of a request but for the question; neither key nor address."""
        own = self.settings
        return {
            "name": self.name,
            "endpoint": "chat.completions",
            "model": own.model,
            "temperature": own.temperature,
            "token_limit": own.token_limit,
            "extra_body": own.extra_body,
        }

    def recall(self, spent: Spent) -> None:
        """What this judge spent before counts towards its budget."""
        self._budget.recall(spent)

    def ask(self, questions: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """As of :class:`~evalharness.api.judge.Judge`. Calls go on while the caller works."""
        with self.settings.naming("judge"):
            yield from answers(questions, self._chat(), 2 * self.settings.concurrency)

    def reachable(self) -> None:
        """Ask for the list of models and, where that does not tell, for a word.

        Raises:
            EndpointError: what to do about it.
        """
        with self.settings.naming("judge"):
            if problem := asyncio.run(self._problem()):
                raise EndpointError(problem)

    async def _problem(self) -> str | None:
        async with self._chat() as chat:
            return await chat.problem()

    def _chat(self) -> Chat:
        from evalharness.judges.chat import Chat

        return Chat(self.settings, self._budget)

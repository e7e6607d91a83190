"""The settings of a judge behind an endpoint for chat completions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from evalharness.api.judge import JudgePrompt
from evalharness.http.bodies import Usage
from evalharness.http.settings import EndpointSettings
from evalharness.types.reply import Reply


class ChatSettings(EndpointSettings):
    """How to reach a judge, and how it decodes. Prices are dollars per million tokens.

    Attributes:
        temperature: Sent with each request; ``None`` sends none.
        token_limit: The request's field for the maximum number of tokens.
        price_prompt: Price of prompt tokens.
        price_completion: Price of completion tokens.
    """

    reserved_fields: ClassVar[frozenset[str]] = frozenset(
        {"model", "messages", "temperature", "max_tokens", "max_completion_tokens"}
    )

    temperature: Annotated[float, Field(ge=0)] | None = 0.0
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    price_prompt: Annotated[float, Field(ge=0)] | None = None
    price_completion: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
            raise ValueError("max_dollars needs price_prompt and price_completion, in dollars a million tokens")
        return self

    def body(self, prompt: JudgePrompt) -> dict[str, Any]:
        """The JSON of a request, as OpenAI's own client would send it."""
        limit: dict[str, Any] = {self.token_limit: prompt.max_tokens}
        decoding = {} if self.temperature is None else {"temperature": self.temperature}
        return {"model": self.model, "messages": prompt.messages, **limit, **decoding, **self.extra_body}

    def cost(self, used: Reply | Usage) -> float:
        """Dollars that tokens cost."""
        prompt = used.prompt_tokens * (self.price_prompt or 0)
        return (prompt + used.completion_tokens * (self.price_completion or 0)) / 1_000_000

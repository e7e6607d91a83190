"""The settings of a judge behind an endpoint for chat completions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from evalharness.api.judge import JudgePrompt
from evalharness.http.bodies import Usage
from evalharness.http.settings import EndpointSettings
from evalharness.judges.sent_images import QUALITY, ImageFormat, converted
from evalharness.types.reply import Reply

TOP_TOKENS = 20
"""Tokens whose probability an endpoint is asked for: the most that OpenAI's lists."""


class ChatSettings(EndpointSettings):
    """How to reach a judge, and how it decodes. Prices are dollars per million tokens.

    Attributes:
        temperature: Sent with each request; ``None`` sends none.
        token_limit: The request's field for the maximum number of tokens.
        max_tokens: Tokens that a reply may have, in place of the benchmark's number.
        image_format: The format in which images are sent.
        image_max_side: The longest side of the images that are sent, in pixels.
        price_prompt: Price of prompt tokens.
        price_completion: Price of completion tokens.
    """

    reserved_fields: ClassVar[frozenset[str]] = frozenset(
        {"model", "messages", "temperature", "max_tokens", "max_completion_tokens"}
    )

    temperature: Annotated[float, Field(ge=0)] | None = 0.0
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    image_format: ImageFormat = "png"
    image_max_side: Annotated[int, Field(ge=16)] | None = None
    price_prompt: Annotated[float, Field(ge=0)] | None = None
    price_completion: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
            raise ValueError("max_dollars needs price_prompt and price_completion, in dollars a million tokens")
        return self

    def body(self, prompt: JudgePrompt) -> dict[str, Any]:
        """The JSON of a request, as OpenAI's own client would send it.

        Raises:
            SampleError: An image of the prompt cannot be converted.
        """
        messages = prompt.messages
        if self.changes_images:
            messages = converted(messages, self.image_format, self.image_max_side)
        limit: dict[str, Any] = {self.token_limit: self.max_tokens or prompt.max_tokens}
        if prompt.answers:
            limit = {self.token_limit: 1, "logprobs": True, "top_logprobs": TOP_TOKENS}
        decoding = {} if self.temperature is None else {"temperature": self.temperature}
        return {"model": self.model, "messages": messages, **limit, **decoding, **self.extra_body}

    @property
    def changes_images(self) -> bool:
        """Whether other images may be sent than the files that are to be judged."""
        return self.image_format != "png" or self.image_max_side is not None

    def reply_identity(self) -> dict[str, Any]:
        """The part of an identity for the settings that are left out of it by default."""
        identity: dict[str, Any] = {} if self.max_tokens is None else {"max_tokens": self.max_tokens}
        if self.changes_images:
            quality = {"quality": QUALITY} if self.image_format == "jpeg" else {}
            identity["images"] = {"format": self.image_format, "max_side": self.image_max_side, **quality}
        return identity

    def cost(self, used: Reply | Usage) -> float:
        """Dollars that tokens cost."""
        prompt = used.prompt_tokens * (self.price_prompt or 0)
        return (prompt + used.completion_tokens * (self.price_completion or 0)) / 1_000_000

"""The settings of the plugin ``images-api``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from evalharness.api.model import ImageRequest
from evalharness.http.bodies import Usage
from evalharness.http.settings import EndpointSettings
from evalharness.models.images_response import Delivery, ImageResponse

MEBIBYTE = 2**20


class ImagesSettings(EndpointSettings):
    """An image endpoint and how it is used.

    Attributes:
        seed_field: the request's field for a sample's seed; ``None`` sends none.
        seed_bits: number of the seed's lowest bits that are sent.
        urls: whether to follow addresses that are sent in place of images, if they are on the endpoint's own host or on
            one of ``url_hosts``.
        url_hosts: further hosts whose addresses are followed.
        max_bytes: limit on the size of a response.
        max_pixels: limit on the size of an image.
        price_image: dollars per image.
        price_prompt: dollars per million prompt tokens.
        price_completion: dollars per million completion tokens.
    """

    reserved_fields: ClassVar[frozenset[str]] = frozenset({"model", "prompt"})

    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    timeout: Annotated[float, Field(gt=0)] = 300.0
    retries: Annotated[int, Field(ge=0, le=100)] = 5
    seed_field: Annotated[str, Field(min_length=1, max_length=64)] | None = "seed"
    seed_bits: Annotated[int, Field(ge=1, le=63)] = 31
    urls: bool = False
    url_hosts: tuple[str, ...] = ()
    max_bytes: Annotated[int, Field(ge=1, le=2**30)] = 64 * MEBIBYTE
    max_pixels: Annotated[int, Field(ge=1, le=2**28)] = 4096 * 4096
    price_image: Annotated[float, Field(ge=0)] | None = None
    price_prompt: Annotated[float, Field(ge=0)] | None = None
    price_completion: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_dollars is not None and not (self.price_image or self.priced_by_token):
            raise ValueError(
                "max_dollars needs price_image, or price_prompt and price_completion in dollars a million tokens"
            )
        if self.url_hosts and not self.urls:
            raise ValueError("url_hosts names further hosts to fetch images from, which needs urls: true")
        if self.seed_field in self.reserved_fields | self.forbidden_fields | self.extra_body.keys():
            raise ValueError(f"seed_field: {self.seed_field!r} is in the request already")
        return self

    @property
    def priced_by_token(self) -> bool:
        """Whether the endpoint charges for tokens."""
        return bool(self.price_prompt or self.price_completion)

    def seed(self, request: ImageRequest) -> int | None:
        """The seed that is sent, if any."""
        return None if self.seed_field is None else request.seed % 2**self.seed_bits

    def body(self, request: ImageRequest) -> dict[str, Any]:
        """JSON body of the HTTP request for one image."""
        seed = {} if self.seed_field is None else {self.seed_field: self.seed(request)}
        return {"model": self.model, "prompt": request.prompt, "n": 1, **seed, **self.extra_body}

    def cost(self, delivery: Delivery | ImageResponse) -> float:
        """Price of an image in dollars."""
        return (self.price_image or 0) + self.token_cost(delivery)

    def token_cost(self, used: Delivery | ImageResponse | Usage) -> float:
        """Price of tokens in dollars."""
        prompt = used.prompt_tokens * (self.price_prompt or 0)
        return (prompt + used.completion_tokens * (self.price_completion or 0)) / 1_000_000

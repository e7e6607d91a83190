"""Model plugin ``images-api``: any OpenAI-compatible image endpoint, such as OpenAI's own, vLLM-Omni's or a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from evalharness._util.image_files import BROKEN, upright_png
from evalharness.api.model import ImageRequest
from evalharness.errors import EndpointError, SampleError
from evalharness.http.budget import Budget
from evalharness.http.pool import answers
from evalharness.http.settings import EndpointSettings
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Cost, Step

if TYPE_CHECKING:
    from evalharness.models.images_calls import Delivery, ImageCalls

MEBIBYTE = 2**20


class ImagesAPI:
    """Orders images from an endpoint (``POST {base_url}/images/generations``), many at a time."""

    class Settings(EndpointSettings):
        """``seed_field``: the request's field for a sample's seed, of which the lowest ``seed_bits`` bits are sent;
        ``urls``: fetch images that come as addresses, of the endpoint's own host or of ``url_hosts``; ``max_bytes`` of
        an answer, ``max_pixels`` of an image; prices are dollars: for an image, and for a million tokens."""

        own: ClassVar[frozenset[str]] = frozenset({"model", "prompt"})

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
        def _consistent(self) -> ImagesAPI.Settings:
            if self.max_dollars is not None and not (self.price_image or self.price_prompt or self.price_completion):
                raise ValueError(
                    "max_dollars needs price_image, or price_prompt and price_completion in dollars a million tokens"
                )
            if self.url_hosts and not self.urls:
                raise ValueError("url_hosts says from where images are fetched besides, which needs urls: true")
            if self.seed_field in self.own | self.unwanted | self.extra_body.keys():
                raise ValueError(f"seed_field: {self.seed_field!r} is in the request already")
            return self

        def seed(self, order: ImageRequest) -> int | None:
            """The seed that is sent, if any."""
            return None if self.seed_field is None else order.seed % 2**self.seed_bits

        def body(self, order: ImageRequest) -> dict[str, Any]:
            """The request for an image."""
            seed = {} if self.seed_field is None else {self.seed_field: self.seed(order)}
            return {"model": self.model, "prompt": order.prompt, "n": 1, **seed, **self.extra_body}

        def cost(self, delivery: Delivery) -> float:
            """Dollars."""
            prompt = delivery.prompt_tokens * (self.price_prompt or 0)
            tokens = prompt + delivery.completion_tokens * (self.price_completion or 0)
            return (self.price_image or 0) + tokens / 1_000_000

    name = "images-api"
    requires = ("openai", "aiohttp")
    extra = "images-api"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.concurrency = settings.concurrency
        own_price = 0 if settings.price_prompt or settings.price_completion else settings.price_image or 0
        self._budget = Budget(settings.max_calls, settings.max_dollars, dearest=own_price)

    def identity(self) -> Mapping[str, Any]:
        """All of a request but for prompt and seed; neither key nor address."""
        own = self.settings
        return {
            "name": self.name,
            "endpoint": "images.generations",
            "model": own.model,
            "extra_body": own.extra_body,
            "seed": None if own.seed_field is None else {"field": own.seed_field, "bits": own.seed_bits},
        }

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise SampleError("the prompt is empty")

    def recall(self, spent: Spent) -> None:
        """What this model cost before counts towards its budget."""
        self._budget.recall(spent)

    def commission(self, orders: Iterable[tuple[int, ImageRequest]]) -> Iterator[tuple[int, Step | SampleError]]:
        """As of :class:`~evalharness.api.model.RemoteImageModel`."""
        known: dict[int, ImageRequest] = {}

        def noted() -> Iterator[tuple[int, ImageRequest]]:
            for number, order in orders:
                known[number] = order
                yield number, order

        with self.settings.naming("model"):
            for number, outcome in answers(noted(), self._calls(), 2 * self.settings.concurrency):
                order = known.pop(number)
                yield number, outcome if isinstance(outcome, SampleError) else self._step(order, outcome)

    def reachable(self) -> None:
        """Ask without ordering an image.

        Raises:
            EndpointError: what to do about it.
        """
        with self.settings.naming("model"):
            if problem := asyncio.run(self._problem()):
                raise EndpointError(problem)

    async def _problem(self) -> str | None:
        async with self._calls() as calls:
            return await calls.problem()

    def _step(self, order: ImageRequest, delivery: Delivery) -> Step | SampleError:
        """The image as a PNG file that holds pixels only: what came may be any file."""
        try:
            png = upright_png(delivery.data, most_pixels=self.settings.max_pixels, rewrite=True)
        except BROKEN as error:
            return SampleError(f"unusable image: {str(error) or type(error).__name__}")
        cost = Cost(0, delivery.completion_tokens, delivery.seconds, self.settings.cost(delivery))
        return Step("draw", 0, delivery.revised, png, self.settings.seed(order), cost)

    def _calls(self) -> ImageCalls:
        from evalharness.models.images_calls import ImageCalls

        return ImageCalls(self.settings, self._budget)

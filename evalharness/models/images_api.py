"""Model plugin ``images-api``: any OpenAI-compatible image endpoint, such as OpenAI's own, vLLM-Omni's or a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evalharness._util.image_files import BROKEN, upright_png
from evalharness.api.model import ImageRequest, RemoteImageModel
from evalharness.errors import EndpointError, SampleError
from evalharness.http.budget import Budget
from evalharness.http.pool import answers
from evalharness.models.images_response import Delivery
from evalharness.models.images_settings import ImagesSettings
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Cost, Step

if TYPE_CHECKING:
    from evalharness.models.images_calls import ImageCalls


class ImagesAPI(RemoteImageModel):
    """Requests images from an endpoint, many at a time.

    The request is ``POST {base_url}/images/generations``, or ``/images/edits`` for an image to change.
    """

    Settings = ImagesSettings

    name = "images-api"
    requires = ("openai", "aiohttp")
    extra = "images-api"
    edits = True

    def __init__(self, settings: ImagesSettings) -> None:
        self.settings = settings
        self.concurrency = settings.concurrency
        self.address = settings.base_url.rstrip("/")
        # The price of an image is known beforehand only if nothing is priced by the token.
        known_price = 0 if settings.priced_by_token else settings.price_image or 0
        self._budget = Budget(settings.max_calls, settings.max_dollars, dearest=known_price)

    def identity(self) -> Mapping[str, Any]:
        """Everything in a request but prompt and seed; neither key nor address."""
        settings = self.settings
        seed = None if settings.seed_field is None else {"field": settings.seed_field, "bits": settings.seed_bits}
        return {
            "name": self.name,
            "endpoint": "images.generations",
            "model": settings.model,
            "extra_body": settings.extra_body,
            "seed": seed,
            **settings.endpoint_identity(),
        }

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise SampleError("the prompt is empty")

    def require_room(self, count: int) -> None:
        with self.settings.naming("model"):
            self._budget.require_room(count)

    def recall(self, spent: Spent) -> None:
        """Count what this model cost in earlier runs towards its budget."""
        self._budget.recall(spent)

    def generate(self, requests: Iterable[tuple[int, ImageRequest]]) -> Iterator[tuple[int, Step | SampleError]]:
        """See :class:`~evalharness.api.model.RemoteImageModel`."""
        pending: dict[int, ImageRequest] = {}

        def remember() -> Iterator[tuple[int, ImageRequest]]:
            for number, request in requests:
                pending[number] = request
                yield number, request

        with self.settings.naming("model"):
            for number, outcome in answers(remember(), self._calls(), 2 * self.settings.concurrency):
                request = pending.pop(number)
                yield number, outcome if isinstance(outcome, SampleError) else self._step(request, outcome)

    def reachable(self) -> None:
        """Check that the endpoint answers, without requesting an image.

        Raises:
            EndpointError: with what to do about it.
        """
        with self.settings.naming("model"):
            if problem := asyncio.run(self._problem()):
                raise EndpointError(problem)

    async def _problem(self) -> str | None:
        async with self._calls() as calls:
            return await calls.problem()

    def _step(self, request: ImageRequest, delivery: Delivery) -> Step | SampleError:
        """The image rewritten as a PNG file that holds pixels only: the endpoint may send any file."""
        most = self.settings.max_pixels
        try:
            png = upright_png(delivery.data, most_pixels=most, rewrite=True, keep_transparency=True)
        except BROKEN as error:
            return SampleError(f"unusable image: {str(error) or type(error).__name__}")
        cost = Cost(0, delivery.completion_tokens, delivery.seconds, self.settings.cost(delivery))
        return Step("draw", 0, delivery.revised_prompt, png, self.settings.seed(request), cost)

    def _calls(self) -> ImageCalls:
        from evalharness.models.images_calls import ImageCalls

        return ImageCalls(self.settings, self._budget)

"""Calls to an image endpoint: the request, and the image in its response or behind the address in it."""

from __future__ import annotations

import asyncio
import random
import re
import time
from dataclasses import replace
from typing import ClassVar

import aiohttp

from evalharness.api.model import ImageRequest
from evalharness.http.bodies import json_object, usage_in
from evalharness.http.budget import Budget
from evalharness.http.calls import Calls, Files
from evalharness.http.failure import TRANSIENT, EndpointFailure, pause, refuses_content, retry_after
from evalharness.http.redact import redact
from evalharness.models.images_response import (
    Delivery,
    ImageResponse,
    decode_base64,
    parse_response,
    reason_not_to_follow,
)
from evalharness.models.images_settings import MEBIBYTE, ImagesSettings

GENERATIONS, EDITS = "/images/generations", "/images/edits"
MAX_REVISED_PROMPT = 10_000
"""Characters of a rewritten prompt that are kept."""
CHUNK = 1 << 16
"""Bytes per read of a download."""


class ImageCalls(Calls[ImageRequest, Delivery]):
    """Requests to an image endpoint."""

    nouns: ClassVar[tuple[str, str]] = ("prompts", "image")

    def __init__(self, settings: ImagesSettings, budget: Budget) -> None:
        super().__init__(settings, budget, settings.max_bytes)
        self._images_settings = settings

    async def ask(self, request: ImageRequest) -> Delivery | EndpointFailure:
        start = time.monotonic()
        path: str = GENERATIONS
        files: Files = ()
        if request.image is not None:
            path, files = EDITS, [("image", ("image.png", request.image, "image/png"))]
        text = await self.text("post", path, self._images_settings.body(request), files)
        if isinstance(text, EndpointFailure):
            return self._explain(replace(text, cost=self._token_cost(text.body)))
        response = parse_response(text)
        if response is None:
            return self._no_image(text)
        data = await self._image_bytes(response)
        if isinstance(data, EndpointFailure):
            return replace(data, cost=self._images_settings.cost(response))
        revised_prompt = redact(response.revised_prompt[:MAX_REVISED_PROMPT], self.key)
        seconds = time.monotonic() - start
        return Delivery(data, revised_prompt, seconds, response.prompt_tokens, response.completion_tokens)

    def cost(self, answer: Delivery) -> float | None:
        if self._images_settings.priced_by_token and not answer.prompt_tokens + answer.completion_tokens:
            return None
        return self._images_settings.cost(answer)

    async def problem(self) -> str | None:
        """Why the endpoint would deliver no image, or ``None``.

        No image is drawn for this. The list of models is requested, and if it is inconclusive, an image without a
        prompt.
        """
        names = await self.missing_model()
        if names is None:
            return None
        if isinstance(names, EndpointFailure):
            return names.reason
        # An endpoint that rejects the request for its missing prompt would accept a complete one.
        response = await self.text("post", GENERATIONS, {"model": self.settings.model})
        if isinstance(response, EndpointFailure) and response.status == 404:
            editing = await self.text("post", EDITS, {"model": self.settings.model})
            response = response if isinstance(editing, EndpointFailure) and editing.status == 404 else editing
        if not isinstance(response, EndpointFailure):
            return None if parse_response(response) else "no images here; base_url usually ends in /v1"
        if response.status in (400, 422) and not (names and "model" in response.reason.lower()):
            return None
        return response.reason + self.did_you_mean(names)

    def _explain(self, failure: EndpointFailure) -> EndpointFailure:
        if failure.about_content:
            return replace(failure, reason=f"refused: {failure.reason}")
        field = self._images_settings.seed_field
        if failure.status in (400, 422) and field and re.search(rf"\b{re.escape(field)}\b", failure.reason):
            return replace(failure, reason=f"{failure.reason} (if it takes no {field!r}, set seed_field: null)")
        return failure

    def _no_image(self, text: str) -> EndpointFailure:
        """A successful response without an image: a refusal in words, or a fault that may pass."""
        shown = self.clean(text)
        cost = self._token_cost(text)
        if text.lstrip().startswith("{") and refuses_content(text[:MAX_REVISED_PROMPT]):
            return EndpointFailure("leave", f"refused: {shown}", open=True, about_content=True, cost=cost)
        return EndpointFailure("again", f"the endpoint sent no image but {shown!r}", open=True, cost=cost)

    def _token_cost(self, body: str) -> float | None:
        """Dollars for the tokens that a response without an image says were used."""
        usage = usage_in(json_object(body) or {})
        return self._images_settings.token_cost(usage) if usage else None

    async def _image_bytes(self, response: ImageResponse) -> bytes | EndpointFailure:
        settings = self._images_settings
        if response.encoded:
            try:
                return decode_base64(response.encoded)
            except ValueError as error:
                return EndpointFailure("leave", f"no image came: {error}", open=True)
        if not settings.urls:
            advice = "ask for the image itself with extra_body: {response_format: b64_json}, or set urls: true"
            return EndpointFailure("stop", f"the endpoint sends an address in place of an image; {advice}", open=True)
        reason = reason_not_to_follow(response.url, settings.base_url, settings.url_hosts)
        if reason is not None:
            return EndpointFailure("leave", f"the image's address is not followed: {reason}", open=True)
        return await self._download(response.url)

    async def _download(self, url: str) -> bytes | EndpointFailure:
        """The file at an address, requested without the key. Retried separately, because the image is paid for."""
        failure = EndpointFailure("leave", "")
        for tries in range(1, self.settings.retries + 2):
            outcome = await self._download_once(url)
            if not isinstance(outcome, EndpointFailure):
                return outcome
            failure = outcome
            wait = pause(tries, failure.wait, self.settings.backoff, random.random())
            if failure.verdict == "leave" or tries > self.settings.retries or not await self.gate.sleep(wait):
                break
        return replace(failure, verdict="leave", reason=f"the image at its address: {failure.reason}", open=True)

    async def _download_once(self, url: str) -> bytes | EndpointFailure:
        max_bytes = self._images_settings.max_bytes
        try:
            async with (
                asyncio.timeout(self.settings.timeout),
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as response,
            ):
                if response.status != 200:
                    transient = response.status in TRANSIENT or response.status >= 500
                    wait = retry_after(response.headers) if transient else None
                    return EndpointFailure("again" if transient else "leave", f"status {response.status}", wait=wait)
                data = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK):
                    data += chunk
                    if len(data) > max_bytes:
                        return EndpointFailure("leave", f"more than {max_bytes / MEBIBYTE:g} MiB")
                return bytes(data)
        except TimeoutError:
            return EndpointFailure("again", f"nothing within {self.settings.timeout:g} s")
        except (aiohttp.ClientError, ValueError) as error:
            return EndpointFailure("again", f"no connection: {self.clean(str(error) or type(error).__name__)}")

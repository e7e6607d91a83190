"""Calls to an image endpoint: an order's request, the image in its response, or behind the address in it."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import aiohttp

from evalharness.api.model import ImageRequest
from evalharness.http.calls import Calls
from evalharness.http.scrub import redact
from evalharness.http.trouble import CONTENT, TRANSIENT, EndpointFailure, pause, retry_after
from evalharness.models.images_answer import Answer, decoded, read_answer, unwanted

if TYPE_CHECKING:
    from evalharness.http.budget import Budget
    from evalharness.models.images_api import ImagesAPI

PATH = "/images/generations"
MOST_TEXT = 10_000
"""Characters of a rewritten prompt that are kept."""
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came for an order: the bytes of some file, which nobody has looked at yet."""

    data: bytes
    revised: str
    seconds: float
    prompt_tokens: int
    completion_tokens: int


class ImageCalls(Calls[ImageRequest, Delivery]):
    """Orders to an image endpoint."""

    wanted: ClassVar[tuple[str, str]] = ("prompts", "image")

    def __init__(self, settings: ImagesAPI.Settings, budget: Budget) -> None:
        super().__init__(settings, budget, settings.max_bytes)
        self._own = settings

    async def ask(self, question: ImageRequest) -> Delivery | EndpointFailure:
        start = time.monotonic()
        text = await self.text("post", PATH, self._own.body(question))
        if isinstance(text, EndpointFailure):
            return self._explained(text)
        answer = read_answer(text)
        if answer is None:
            return self._no_image(text)
        data = await self._bytes(answer)
        if isinstance(data, EndpointFailure):
            return data
        revised = redact(answer.revised[:MOST_TEXT], self.key)
        return Delivery(data, revised, time.monotonic() - start, answer.prompt_tokens, answer.completion_tokens)

    def cost(self, answer: Delivery) -> float | None:
        own = self._own
        priced = own.price_prompt or own.price_completion
        return None if priced and not answer.prompt_tokens + answer.completion_tokens else own.cost(answer)

    async def problem(self) -> str | None:
        """Why no image would come, if so; none is ordered: by the list of models, or by a request without prompt."""
        names = await self.missing_model()
        if names is None:
            return None
        if isinstance(names, EndpointFailure):
            return names.reason
        # An endpoint that refuses the request for what it lacks is one that would take a whole one.
        said = await self.text("post", PATH, {"model": self.settings.model})
        if not isinstance(said, EndpointFailure):
            return None if read_answer(said) else "no images here; base_url usually ends in /v1"
        there = said.status in (400, 422) and not (names and "model" in said.reason.lower())
        return None if there else said.reason + self.did_you_mean(names)

    def _explained(self, trouble: EndpointFailure) -> EndpointFailure:
        if trouble.about_content:
            return replace(trouble, reason=f"refused: {trouble.reason}")
        field = self._own.seed_field
        if trouble.status in (400, 422) and field and re.search(rf"\b{re.escape(field)}\b", trouble.reason):
            return replace(trouble, reason=f"{trouble.reason} (if it takes no {field!r}, set seed_field: null)")
        return trouble

    def _no_image(self, text: str) -> EndpointFailure:
        """A response of success without an image: a refusal that is said in words, or a fault that may pass."""
        said = self.clean(text)
        if text.lstrip().startswith("{") and CONTENT.search(text[:MOST_TEXT]):
            return EndpointFailure("leave", f"refused: {said}", open=True, about_content=True)
        return EndpointFailure("again", f"the endpoint sent no image but {said!r}", open=True)

    async def _bytes(self, answer: Answer) -> bytes | EndpointFailure:
        if answer.encoded:
            try:
                return decoded(answer.encoded)
            except ValueError as error:
                return EndpointFailure("leave", f"no image came: {error}", open=True)
        if not self._own.urls:
            advice = "ask for the image itself with extra_body: {response_format: b64_json}, or set urls: true"
            return EndpointFailure("stop", f"the endpoint sends an address in place of an image; {advice}", open=True)
        if (why := unwanted(answer.url, self.settings.base_url, self._own.url_hosts)) is not None:
            return EndpointFailure("leave", f"the image's address is not followed: {why}", open=True)
        return await self._download(answer.url)

    async def _download(self, url: str) -> bytes | EndpointFailure:
        """What lies at an address, asked for without the key. It is tried again by itself: the image is paid for."""
        trouble = EndpointFailure("leave", "")
        for tries in range(1, self.settings.retries + 2):
            outcome = await self._downloaded(url)
            if not isinstance(outcome, EndpointFailure):
                return outcome
            trouble = outcome
            wait = pause(tries, trouble.wait, self.settings.backoff, random.random())
            if trouble.verdict == "leave" or tries > self.settings.retries or not await self.gate.sleep(wait):
                break
        return replace(trouble, verdict="leave", reason=f"the image at its address: {trouble.reason}", open=True)

    async def _downloaded(self, url: str) -> bytes | EndpointFailure:
        identity: Mapping[str, str] = {"Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self.settings.timeout),
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.get(url, allow_redirects=False, headers=identity) as response,
            ):
                if response.status != 200:
                    passes = response.status in TRANSIENT or response.status >= 500
                    wait = retry_after(response.headers) if passes else None
                    return EndpointFailure("again" if passes else "leave", f"status {response.status}", wait=wait)
                found = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK):
                    found += chunk
                    if len(found) > self._own.max_bytes:
                        return EndpointFailure("leave", f"more than {self._own.max_bytes / 2**20:g} MiB")
                return bytes(found)
        except TimeoutError:
            return EndpointFailure("again", f"nothing within {self.settings.timeout:g} s")
        except (aiohttp.ClientError, ValueError) as error:
            return EndpointFailure("again", f"no connection: {self.clean(str(error) or type(error).__name__)}")

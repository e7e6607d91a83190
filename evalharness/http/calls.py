"""Calls to one OpenAI-compatible endpoint: one question's tries, and what all of them learn from each other."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Generic, Self, TypeVar

import aiohttp
import httpx2
import openai
from pydantic_core import to_json

from evalharness._util.text import one_line
from evalharness.errors import EndpointError, SampleError, did_you_mean
from evalharness.http.budget import Budget
from evalharness.http.failure import EndpointFailure, of_status, pause
from evalharness.http.limiter import ConcurrencyLimiter
from evalharness.http.model_list import NO_LIST, read_models
from evalharness.http.redact import redact
from evalharness.http.settings import EndpointSettings

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")

NO_KEY = "EMPTY"
"""Sent where there is no key: a header must hold something."""
JSON: Any = {"headers": {"Content-Type": "application/json"}}
HOPELESS = 10
"""So many questions in a row without an answer are the endpoint's fault, not theirs."""


class TooLargeError(Exception):
    """More came than is wanted."""


class Calls(ABC, Generic[Q, A]):
    """The calls of one run; an async context manager that holds the connections. For the use of one event loop.

    A subclass makes a call and reads its answer. ``limit``: bytes of an answer, beyond which it is not read.
    """

    wanted: ClassVar[tuple[str, str]] = ("questions", "reply")
    """What is asked, and what should come of it, for messages."""
    tokens_wanted: ClassVar[str] = "so max_dollars cannot be kept; set max_calls in its place"

    def __init__(self, settings: EndpointSettings, budget: Budget, limit: int | None = None) -> None:
        self.settings, self.key = settings, settings.key()
        self._budget, self._limit = budget, limit
        self._given_up = 0
        self._door = asyncio.Lock()
        self.gate = ConcurrencyLimiter(settings.concurrency, budget)

    @abstractmethod
    async def ask(self, request: Q) -> A | EndpointFailure:
        """One call."""

    @abstractmethod
    def cost(self, answer: A) -> float | None:
        """Dollars; ``None`` if the endpoint does not say enough to know."""

    async def __aenter__(self) -> Self:
        options: dict[str, Any] = {} if self._limit is None else {"event_hooks": {"response": [self._bound]}}
        self.client = openai.AsyncOpenAI(
            api_key=self.key or NO_KEY,
            base_url=self.settings.base_url,
            timeout=self.settings.timeout,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(**_certificates(self.settings.base_url), **options),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.gate.stop(EndpointError("the run has ended"))
        await self.client.close()

    async def answer(self, request: Q) -> A | SampleError | None:
        """The answer, or why there is none; ``None`` if the question was not asked as :attr:`gate` has closed."""
        tries = 0
        while await self.gate.enter():
            try:
                async with self._door:  # a turn of the loop each, so that one request is out before the next is made
                    await asyncio.sleep(0)
                outcome = await self._call(request)
            finally:
                self.gate.leave()
            tries += 1
            if not isinstance(outcome, EndpointFailure):
                return outcome
            if outcome.verdict == "stop":
                break
            if outcome.verdict == "leave" or tries > self.settings.retries:
                return self._give_up(outcome, tries)
            if not await self.gate.sleep(pause(tries, outcome.wait, self.settings.backoff, random.random())):
                break
        return None

    async def text(self, method: str, path: str, body: Any = None) -> str | EndpointFailure:
        """The body of one response, or why there is none."""
        if method == "get":
            return await self.guarded(lambda: self.client.get(path, cast_to=str))
        return await self.guarded(lambda: self.client.post(path, cast_to=str, content=to_json(body), options=JSON))

    async def guarded(self, call: Callable[[], Awaitable[T]]) -> T | EndpointFailure:
        """What a call of the client gives, or why it gives nothing."""
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await call()
        except openai.APIStatusError as error:
            return of_status(error, self.clean, self.settings.hint)
        except (TimeoutError, TooLargeError, openai.APIConnectionError, aiohttp.ClientError, httpx2.HTTPError) as error:
            return self._unanswered(error)

    async def missing_model(self) -> EndpointFailure | list[str] | None:
        """``None`` if the endpoint's list of models has this one; else the list, empty if there is none, or why not."""
        listed = await self.text("get", "/models")
        if isinstance(listed, EndpointFailure):
            return [] if listed.status in NO_LIST else listed
        names = read_models(listed)
        return None if names is not None and self.settings.model in names else names or []

    def did_you_mean(self, names: list[str]) -> str:
        return did_you_mean(self.settings.model, names) if names else ""

    def clean(self, text: str) -> str:
        """One line, without the key."""
        return one_line(redact(text, self.key), 300)

    def _unanswered(self, error: BaseException) -> EndpointFailure:
        """By what lies under the client's own errors: it takes some refused connections for timeouts."""
        while not isinstance(error, TimeoutError | TooLargeError) and error.__cause__ is not None:
            error = error.__cause__
        if isinstance(error, TooLargeError):
            return EndpointFailure("leave", f"the answer is too large: {error}", open=True)
        if isinstance(error, TimeoutError):
            return EndpointFailure("again", f"no answer within {self.settings.timeout:g} s", open=True)
        said = self.clean(str(error) or type(error).__name__)
        return EndpointFailure(
            "again", f"no connection: {said}", open=not isinstance(error, aiohttp.ClientConnectorError)
        )

    async def _call(self, request: Q) -> A | EndpointFailure:
        start = time.monotonic()
        outcome = await self.ask(request)
        if not isinstance(outcome, EndpointFailure):
            self._accept(self.cost(outcome))
            return outcome
        if outcome.open:
            self._budget.charge()
        if outcome.status == 429:
            self.gate.shrink(start)
        if outcome.verdict == "stop":
            self.gate.stop(EndpointError(outcome.reason))
        return outcome

    def _accept(self, cost: float | None) -> None:
        self._given_up = 0
        self._budget.charge(cost or 0.0)
        self.gate.grow()
        if self.settings.max_dollars is not None and cost is None:
            self.gate.stop(EndpointError(f"the endpoint does not say how many tokens it used, {self.tokens_wanted}"))

    def _give_up(self, failure: EndpointFailure, tries: int) -> SampleError:
        self._given_up += not failure.about_content
        if self._given_up >= HOPELESS:
            count = f"{self._given_up} {self.wanted[0]} in a row got no {self.wanted[1]}"
            self.gate.stop(EndpointError(f"{count}, the last: {failure.reason}; --retry-failed asks them again"))
        return SampleError(failure.reason if tries == 1 else f"{failure.reason} (the last of {tries} tries)")

    async def _bound(self, response: httpx2.Response) -> None:
        """Count what comes, so that no server can fill the memory; compressed bytes could not be counted."""
        assert self._limit is not None
        if response.headers.get("content-encoding", "identity") != "identity":
            raise TooLargeError("it is compressed, so its size is not known")
        response.stream = _Counted(response.stream, self._limit)


class _Counted(httpx2.AsyncByteStream):
    """A response's bytes; TooLargeError beyond ``limit`` of them."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream, self._limit = stream, limit

    async def __aiter__(self) -> Any:
        count = 0
        async for chunk in self._stream:
            count += len(chunk)
            if count > self._limit:
                raise TooLargeError(f"more than {self._limit / 2**20:g} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _certificates(url: str) -> dict[str, Any]:
    """None for plain HTTP: to load them takes longer than a call. A redirect to HTTPS fails without them."""
    return {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)} if url.startswith("http:") else {}

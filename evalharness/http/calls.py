"""Calls to an OpenAI-compatible endpoint, with retries. All calls share one budget and one concurrency limit."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import aiohttp
import httpx2
import openai
from pydantic_core import to_json

from evalharness._util.surroundings import certificates
from evalharness._util.text import one_line
from evalharness.errors import EndpointError, SampleError, TransientError, did_you_mean
from evalharness.http.bounded import ENCODINGS, Bounded, TooLargeError
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
"""Sent if there is no key, since the header must not be empty."""
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data"}
Files = Sequence[tuple[str, tuple[str, bytes, str]]]
"""The files of a form: the field of each, with its name, bytes and type."""
MOST_BYTES = 4 << 20
"""Bytes of a response that is text; an answer of all tokens that a model writes has a tenth of it."""
HOPELESS = 10
"""Consecutive questions without an answer after which the endpoint is taken to be at fault, not the questions."""


class Calls(ABC, Generic[Q, A]):
    """The calls of one run; an async context manager that holds the connections. All calls run in one event loop.

    A subclass makes a call and reads its answer.

    Args:
        settings: The endpoint.
        budget: Charged for each call.
        limit: Maximum size of a response in bytes, decompressed.
    """

    nouns: ClassVar[tuple[str, str]] = ("questions", "reply")
    """What messages call the requests and an answer."""

    def __init__(self, settings: EndpointSettings, budget: Budget, limit: int = MOST_BYTES) -> None:
        self.settings, self.key = settings, settings.key()
        self.proxy = settings.proxy()
        self._budget, self._limit = budget, limit
        self._door = asyncio.Lock()
        self.gate = ConcurrencyLimiter(settings.concurrency, budget)

    @abstractmethod
    async def ask(self, request: Q) -> A | EndpointFailure:
        """Make one call."""

    @abstractmethod
    def cost(self, answer: A) -> float | None:
        """Cost of an answer in dollars; ``None`` if the endpoint does not report enough to compute it."""

    def silence(self, answer: A) -> EndpointFailure | None:
        """Why an answer says nothing, or ``None`` if it says something."""
        return None

    async def __aenter__(self) -> Self:
        self.client = openai.AsyncOpenAI(
            api_key=self.key or NO_KEY,
            base_url=self.settings.base_url,
            timeout=self.settings.timeout,
            max_retries=0,
            default_headers={"Accept-Encoding": ENCODINGS, **self.settings.headers(self.key)},
            default_query=self.settings.query,
            http_client=openai.DefaultAioHttpClient(
                verify=_certificates(self.settings.base_url),
                proxy=None if self.proxy is None else self.proxy.url,
                trust_env=False,  # what the environment says is checked before, and named in messages
                event_hooks={"response": [self._bound]},
                follow_redirects=False,
            ),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.gate.stop(EndpointError("the run has ended"))
        await self.client.close()

    async def answer(self, request: Q) -> A | SampleError | None:
        """Ask until there is an answer or no more retries are left.

        Returns:
            The answer, or a SampleError with the reason why there is none, or ``None`` if :attr:`gate` was closed
            before the question was answered.
        """
        tries = 0
        while await self.gate.enter():
            try:
                async with self._door:  # one turn of the event loop for each call, so that requests go out one by one
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

    async def text(self, method: str, path: str, body: Any = None, files: Files = ()) -> str | EndpointFailure:
        """Send one request, with files as a form; return the body of the response, or the failure."""
        # The client adds a header Authorization unless each request says that it shall not.
        key: dict[str, Any] = {"Authorization": openai.Omit()} if self.settings.key_in_headers else {}
        if method == "get":
            return await self.guarded(lambda: self.client.get(path, cast_to=str, options={"headers": key}))
        headers: Any = {"headers": key | (FORM if files else JSON)}
        if files:
            parts: Any = list(files)
            return await self.guarded(
                lambda: self.client.post(path, cast_to=str, body=body, files=parts, options=headers)
            )
        return await self.guarded(lambda: self.client.post(path, cast_to=str, content=to_json(body), options=headers))

    async def guarded(self, call: Callable[[], Awaitable[T]]) -> T | EndpointFailure:
        """Await a call of the client; return its result, or the failure that it raised."""
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await call()
        except openai.APIStatusError as error:
            return replace(of_status(error, self.clean, self.settings.hint), body=error.response.text)
        except (TimeoutError, TooLargeError, openai.APIConnectionError, aiohttp.ClientError, httpx2.HTTPError) as error:
            return self._unanswered(error)

    async def missing_model(self) -> EndpointFailure | list[str] | None:
        """Look for the model in the endpoint's list of models.

        Returns:
            ``None`` if it is listed; otherwise the list, which is empty if the endpoint has none, or the failure.
        """
        listed = await self.text("get", "/models")
        if isinstance(listed, EndpointFailure):
            return [] if listed.status in NO_LIST else listed
        names = read_models(listed)
        return None if names is not None and self.settings.model in names else names or []

    def did_you_mean(self, names: list[str]) -> str:
        """A hint at the listed model whose name is nearest; empty if no name is near."""
        return did_you_mean(self.settings.model, names) if names else ""

    def clean(self, text: str) -> str:
        """Remove the key from a text and join it to one line of at most 300 characters."""
        return one_line(redact(text, self.key), 300)

    def _unanswered(self, error: BaseException) -> EndpointFailure:
        """Classify an error by its root cause: the client reports some refused connections as timeouts."""
        while (
            not isinstance(error, TimeoutError | TooLargeError | httpx2.DecodingError) and error.__cause__ is not None
        ):
            error = error.__cause__
        if isinstance(error, TooLargeError):
            return EndpointFailure("leave", f"the answer is too large: {error}", open=True)
        if isinstance(error, httpx2.DecodingError):
            return EndpointFailure("leave", f"the answer cannot be read: {self.clean(str(error))}", open=True)
        if isinstance(error, TimeoutError):
            return EndpointFailure("again", f"no answer within {self.settings.timeout:g} s", open=True)
        reason = self.clean(str(error) or type(error).__name__)
        via = "" if self.proxy is None else f" through {self.proxy.shown}"
        return EndpointFailure(
            "again", f"no connection{via}: {reason}", open=not isinstance(error, aiohttp.ClientConnectorError)
        )

    async def _call(self, request: Q) -> A | EndpointFailure:
        start = time.monotonic()
        outcome = await self.ask(request)
        if not isinstance(outcome, EndpointFailure):
            self._accept(outcome)
            return outcome
        if outcome.billed:
            self._budget.charge(outcome.cost)
        if outcome.status == 429:
            self.gate.shrink(start)
        if outcome.verdict == "stop":
            self.gate.stop(EndpointError(outcome.reason))
        return outcome

    def _accept(self, answer: A) -> None:
        cost = self.cost(answer)
        self._budget.charge(cost or 0.0)
        self.gate.grow()
        silence = self.silence(answer)
        if silence is None:
            self._budget.unanswered = 0
        else:
            self._count_unanswered(silence)
        if self.settings.max_dollars is not None and cost is None:
            advice = "so max_dollars cannot be kept; set max_calls in its place"
            self.gate.stop(EndpointError(f"the endpoint does not say how many tokens it used, {advice}"))

    def _give_up(self, failure: EndpointFailure, tries: int) -> SampleError:
        self._count_unanswered(failure)
        reason = failure.reason if tries == 1 else f"{failure.reason} (the last of {tries} tries)"
        return TransientError(reason) if failure.verdict == "again" else SampleError(reason)

    def _count_unanswered(self, failure: EndpointFailure) -> None:
        if failure.about_content:
            return
        self._budget.unanswered += 1
        if self._budget.unanswered >= HOPELESS:
            requests, answer = self.nouns
            count = f"{self._budget.unanswered} {requests} in a row got no {answer}"
            self.gate.stop(EndpointError(f"{count}, the last: {failure.reason}; --retry-failed asks them again"))

    async def _bound(self, response: httpx2.Response) -> None:
        """Limit the size of a response as it is read, so that no server can fill the memory."""
        encoding = response.headers.pop("content-encoding", "identity")  # no client decodes it again
        response.stream = Bounded(response.stream, self._limit, encoding)


def _certificates(url: str) -> ssl.SSLContext:
    """Load no certificates for plain HTTP, since that takes longer than a call."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http:") else certificates()

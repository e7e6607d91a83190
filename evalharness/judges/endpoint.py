"""Calls to one OpenAI-compatible endpoint: one question's tries, and what all of them learn from each other."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import openai
from pydantic_core import to_json

from evalharness.errors import JudgeError, SampleError
from evalharness.executors.base import one_line
from evalharness.judges.base import Question, Reply
from evalharness.judges.budget import Budget
from evalharness.judges.completion import read_completion
from evalharness.judges.gate import Gate
from evalharness.judges.scrub import scrub
from evalharness.judges.trouble import Trouble, of_status, pause

if TYPE_CHECKING:
    from evalharness.judges.openai import OpenAI

NO_KEY = "EMPTY"
"""Sent where there is no key: a header must hold something."""
TEXTS = ("text", "finish_reason", "refusal", "reasoning", "model")
JSON: Any = {"headers": {"Content-Type": "application/json"}}
HOPELESS = 10
"""So many questions in a row without a reply are the endpoint's fault, not theirs."""


class Endpoint:
    """The calls of one run; an async context manager that holds the connections. For the use of one event loop."""

    def __init__(self, settings: OpenAI.Settings, key: str, budget: Budget) -> None:
        self._settings, self._key, self._budget = settings, key, budget
        self._given_up = 0
        self._door = asyncio.Lock()
        self.gate = Gate(settings.concurrency, budget)

    async def __aenter__(self) -> Endpoint:
        self._client = openai.AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=self._settings.base_url,
            timeout=self._settings.timeout,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(**_certificates(self._settings.base_url)),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.gate.stop(JudgeError("the run has ended"))
        await self._client.close()

    async def answer(self, question: Question) -> Reply | SampleError | None:
        """The reply to a question, or why there is none; ``None`` if it was not asked since :attr:`gate` has closed."""
        tries = 0
        while await self.gate.enter():
            try:
                async with self._door:  # a turn of the loop each, so that one request is out before the next is made
                    await asyncio.sleep(0)
                outcome = await self._call(question)
            finally:
                self.gate.leave()
            tries += 1
            if isinstance(outcome, Reply):
                return outcome
            if outcome.verdict == "stop":
                break
            if outcome.verdict == "leave" or tries > self._settings.retries:
                return self._give_up(outcome, tries)
            if not await self.gate.sleep(pause(tries, outcome.wait, self._settings.backoff, random.random())):
                break
        return None

    async def text(self, method: str, path: str, body: Any = None) -> str | Trouble:
        """The body of one response, or why there is none."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                if method == "get":
                    return await self._client.get(path, cast_to=str)
                return await self._client.post(path, cast_to=str, content=to_json(body), options=JSON)
        except openai.APIStatusError as error:
            return of_status(error, self._clean, self._settings.hint)
        except (TimeoutError, openai.APIConnectionError, aiohttp.ClientError) as error:
            return self._unanswered(error)

    def _unanswered(self, error: BaseException) -> Trouble:
        """By what lies under the client's own errors: it takes some refused connections for timeouts."""
        while not isinstance(error, TimeoutError) and error.__cause__ is not None:
            error = error.__cause__
        if isinstance(error, TimeoutError):
            return Trouble("again", f"no answer within {self._settings.timeout:g} s", open=True)
        said = self._clean(str(error) or type(error).__name__)
        return Trouble("again", f"no connection: {said}", open=not isinstance(error, aiohttp.ClientConnectorError))

    async def _call(self, question: Question) -> Reply | Trouble:
        start = time.monotonic()
        text = await self.text("post", "/chat/completions", self._settings.body(question))
        outcome = text if isinstance(text, Trouble) else self._read(text, time.monotonic() - start)
        if isinstance(outcome, Reply):
            self._accept(outcome)
        else:
            if outcome.open:
                self._budget.charge()
            if outcome.status == 429:
                self.gate.shrink(start)
            if outcome.verdict == "stop":
                self.gate.stop(JudgeError(outcome.reason))
        return outcome

    def _read(self, text: str, seconds: float) -> Reply | Trouble:
        reply = read_completion(text)
        if reply is None:
            return Trouble("again", f"the endpoint sent no chat completion but {self._clean(text)!r}", open=True)
        texts: dict[str, Any] = {name: scrub(getattr(reply, name), self._key) for name in TEXTS}
        return replace(reply, **texts, cost=self._settings.cost(reply), seconds=seconds)

    def _accept(self, reply: Reply) -> None:
        self._given_up = 0
        self._budget.charge(reply.cost)
        self.gate.grow()
        if self._settings.max_dollars is not None and not reply.prompt_tokens + reply.completion_tokens:
            advice = "so max_dollars cannot be kept; set max_calls in its place"
            self.gate.stop(JudgeError(f"the endpoint does not say how many tokens it used, {advice}"))

    def _give_up(self, trouble: Trouble, tries: int) -> SampleError:
        self._given_up += not trouble.about_content
        if self._given_up >= HOPELESS:
            count = f"{self._given_up} questions in a row got no reply"
            self.gate.stop(JudgeError(f"{count}, the last: {trouble.reason}; --retry-failed asks them again"))
        return SampleError(trouble.reason if tries == 1 else f"{trouble.reason} (the last of {tries} tries)")

    def _clean(self, text: str) -> str:
        return one_line(scrub(text, self._key), 300)


def _certificates(url: str) -> dict[str, Any]:
    """None for plain HTTP: to load them takes longer than a call. A redirect to HTTPS fails without them."""
    return {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)} if url.startswith("http:") else {}

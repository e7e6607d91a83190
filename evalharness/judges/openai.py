"""The judge ``openai``: any endpoint that speaks OpenAI's chat completions, such as vLLM, OpenAI's own or a gateway."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from evalharness.errors import JudgeError, SampleError, did_you_mean
from evalharness.judges.base import Question, Reply, Spent
from evalharness.judges.budget import Budget
from evalharness.judges.completion import read_completion, read_models

if TYPE_CHECKING:
    from concurrent.futures import Future

    from evalharness.judges.endpoint import Endpoint

    Answered = Future[Reply | SampleError | None]
    Done = SimpleQueue[tuple[int, Answered]]

OWN = {"model", "messages", "temperature", "max_tokens", "max_completion_tokens"}
"""What a request holds anyway."""
NO_LIST = (400, 404, 405, 501)
"""How an endpoint says that it has no list of models."""
PING = Question([{"role": "user", "content": "Say yes."}], image="", rubric="", max_tokens=16)
UNWANTED = {"stream", "n", "api_key", "apikey", "authorization"}
"""What would change the form of a reply, or is secret."""


class OpenAI:
    """Asks a model behind an endpoint, many calls at a time."""

    class Settings(BaseModel):
        """Prices are dollars for a million tokens, ``timeout`` and ``backoff`` seconds."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        model: Annotated[str, Field(min_length=1)]
        base_url: str = "https://api.openai.com/v1"
        key_env: Annotated[str, Field(max_length=64)] = "OPENAI_API_KEY"
        temperature: Annotated[float, Field(ge=0)] | None = 0.0
        token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
        extra_body: dict[str, JsonValue] = {}
        concurrency: Annotated[int, Field(ge=1, le=1000)] = 16
        timeout: Annotated[float, Field(gt=0)] = 120.0
        retries: Annotated[int, Field(ge=0, le=100)] = 10
        backoff: Annotated[float, Field(ge=0)] = 1.0
        max_calls: Annotated[int, Field(ge=1)] | None = None
        max_dollars: Annotated[float, Field(gt=0)] | None = None
        price_prompt: Annotated[float, Field(ge=0)] | None = None
        price_completion: Annotated[float, Field(ge=0)] | None = None

        @field_validator("base_url")
        @classmethod
        def _plain_address(cls, url: str) -> str:
            try:
                parts = urlsplit(url)
                right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                right = False
            if not right:
                raise ValueError("an address such as http://localhost:8000/v1 is wanted")
            if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
                raise ValueError("an address without user, password or query is wanted; the key goes into key_env")
            return url

        @field_validator("key_env")
        @classmethod
        def _name_of_a_variable(cls, name: str) -> str:
            if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):  # not said back: it may be the key itself
                raise ValueError("the name of an environment variable in capitals is wanted, not the key")
            return name

        @field_validator("extra_body")
        @classmethod
        def _nothing_of_ours(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
            for key in extra:
                if key in OWN:
                    raise ValueError(f"{key!r} is not for extra_body: the judge or the benchmark sets it")
                if key.lower() in UNWANTED:
                    raise ValueError(f"{key!r} is not for extra_body")
            return extra

        @model_validator(mode="after")
        def _priced(self) -> OpenAI.Settings:
            if self.max_dollars is not None and not (self.price_prompt or self.price_completion):
                raise ValueError("max_dollars needs price_prompt and price_completion, in dollars a million tokens")
            return self

        def hint(self, status: int) -> str:
            """What to do about an error status that ends a run."""
            if status in (401, 403):
                return f"; check the key in the environment variable {self.key_env}"
            return "; check model and base_url" if status == 404 else ""

        def body(self, question: Question) -> dict[str, Any]:
            """The request for a question, as OpenAI's own client would make it."""
            limit: dict[str, Any] = {self.token_limit: question.max_tokens}
            decoding = {} if self.temperature is None else {"temperature": self.temperature}
            return {"model": self.model, "messages": question.messages, **limit, **decoding, **self.extra_body}

        def cost(self, reply: Reply) -> float:
            """Dollars."""
            prompt = reply.prompt_tokens * (self.price_prompt or 0)
            return (prompt + reply.completion_tokens * (self.price_completion or 0)) / 1_000_000

    name = "openai"
    requires = ("openai", "aiohttp")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._budget = Budget(settings.max_calls, settings.max_dollars)

    def identity(self) -> Mapping[str, Any]:
        """All of a request but for the question; neither key nor address."""
        own = self.settings
        return {
            "name": self.name,
            "endpoint": "chat.completions",
            "model": own.model,
            "temperature": own.temperature,
            "token_limit": own.token_limit,
            "extra_body": own.extra_body,
        }

    def recall(self, spent: Spent) -> None:
        """What this judge spent before counts towards its budget."""
        self._budget.recall(spent)

    def ask(self, questions: Iterable[tuple[int, Question]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """As of :class:`~evalharness.judges.base.Judge`. Calls go on in a thread of their own while the caller works.

        Twice as many questions are in hand as may be asked at once, so that no place is idle while a reply is written.
        """
        from anyio.from_thread import start_blocking_portal

        todo = iter(questions)
        done: Done = SimpleQueue()
        in_hand, most = 0, 2 * self.settings.concurrency
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(self._endpoint()) as endpoint:
            loop = portal.call(asyncio.get_running_loop)
            while True:
                while in_hand < most and endpoint.gate.stopped is None:
                    if (taken := next(todo, None)) is None:
                        break
                    number, question = taken
                    # Not through the portal, which would wait for the loop to take each.
                    future = asyncio.run_coroutine_threadsafe(endpoint.answer(question), loop)
                    future.add_done_callback(partial(_put, done, number))
                    in_hand += 1
                if not in_hand:
                    break
                number, answered = done.get()
                in_hand -= 1
                if (outcome := answered.result()) is not None:
                    yield number, outcome
            stopped = endpoint.gate.stopped
        if stopped is not None:
            raise type(stopped)(f"{self._named()}: {stopped}")

    def reachable(self) -> None:
        """Ask for the list of models and, where that does not tell, for a word.

        Raises:
            JudgeError: what to do about it.
        """
        if problem := asyncio.run(self._problem()):
            raise JudgeError(f"{self._named()}: {problem}")

    async def _problem(self) -> str | None:
        async with self._endpoint() as endpoint:
            listed = await endpoint.text("get", "/models")
            names = read_models(listed) if isinstance(listed, str) else None
            if names is not None and self.settings.model in names:
                return None
            if not isinstance(listed, str) and listed.status not in NO_LIST:
                return listed.reason
            # A gateway may have no list, or one without the names that it knows how to route.
            said = await endpoint.text("post", "/chat/completions", self.settings.body(PING))
            if not isinstance(said, str):
                return said.reason + (did_you_mean(self.settings.model, names) if names else "")
            return None if read_completion(said) else "no chat completions here; base_url usually ends in /v1"

    def _endpoint(self) -> Endpoint:
        from evalharness.judges.endpoint import Endpoint

        key = os.environ.get(self.settings.key_env, "").strip()
        if not key and urlsplit(self.settings.base_url).hostname == "api.openai.com":
            raise JudgeError(f"{self._named()}: no key; put it into the environment variable {self.settings.key_env}")
        if not key.isascii() or not key.isprintable():
            raise JudgeError(f"{self._named()}: {self.settings.key_env} holds characters that no key has")
        return Endpoint(self.settings, key, self._budget)

    def _named(self) -> str:
        return f"judge {self.settings.model} at {self.settings.base_url}"


def _put(done: Done, number: int, answered: Answered) -> None:
    done.put((number, answered))

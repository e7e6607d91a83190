"""The settings of whatever asks an OpenAI-compatible endpoint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from evalharness.errors import EndpointError

SECRET = {"api_key", "apikey", "authorization"}
OPENAI = "api.openai.com"


class EndpointSettings(BaseModel):
    """``timeout`` and ``backoff`` are seconds. A subclass has the prices, and says what its requests hold anyway."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    own: ClassVar[frozenset[str]] = frozenset({"model"})
    """The fields of a request that are not for ``extra_body``, because they are set anyway."""
    unwanted: ClassVar[frozenset[str]] = frozenset({"stream", "n"})
    """Fields that would change the form of an answer."""

    model: Annotated[str, Field(min_length=1)]
    base_url: str = f"https://{OPENAI}/v1"
    key_env: Annotated[str, Field(max_length=64)] = "OPENAI_API_KEY"
    extra_body: dict[str, JsonValue] = {}
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 16
    timeout: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0, le=100)] = 10
    backoff: Annotated[float, Field(ge=0)] = 1.0
    max_calls: Annotated[int, Field(ge=1)] | None = None
    max_dollars: Annotated[float, Field(gt=0)] | None = None

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
            if key in cls.own:
                raise ValueError(f"{key!r} is not for extra_body: the harness sets it")
            if key.lower() in cls.unwanted | SECRET:
                raise ValueError(f"{key!r} is not for extra_body")
        return extra

    def hint(self, status: int) -> str:
        """What to do about an error status that ends a run."""
        if status in (401, 403):
            return f"; check the key in the environment variable {self.key_env}"
        return "; check model and base_url" if status == 404 else ""

    def key(self) -> str:
        """The key from the environment; empty where there is none and none is needed.

        Raises:
            EndpointError: it is missing, or cannot be one; it is not in the message.
        """
        key = os.environ.get(self.key_env, "").strip()
        if not key and urlsplit(self.base_url).hostname == OPENAI:
            raise EndpointError(f"no key; put it into the environment variable {self.key_env}")
        if not key.isascii() or not key.isprintable():
            raise EndpointError(f"{self.key_env} holds characters that no key has")
        return key

    @contextmanager
    def naming(self, what: str) -> Iterator[None]:
        """Errors of the endpoint say whose it is."""
        try:
            yield
        except EndpointError as error:
            raise type(error)(f"{what} {self.model} at {self.base_url}: {error}") from None

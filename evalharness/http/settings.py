"""The settings of plugins that call an OpenAI-compatible endpoint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from evalharness._util.surroundings import Proxy, check_surroundings
from evalharness.errors import ConfigError, EndpointError

BODY_SECRET = re.compile(
    r"api[-_ ]?key|^key$|authori[sz]ation|^auth$|(access|auth|session|refresh)[-_]?token|bearer|secret|passw|cookie|"
    r"credential|private[-_]?key|signature",
    re.IGNORECASE,
)
"""Names of fields, at any depth of ``extra_body``, whose texts must not stand in a sweep file."""
SECRET_NAME = re.compile(r"auth|key\b|token|secret|cookie|password|signature", re.IGNORECASE)
"""Names of headers and query parameters whose values must not stand in a sweep file."""
SET_HEADERS = {"content-type", "content-length", "host", "connection", "transfer-encoding"}
LONG = 8
"""Characters of a key that is looked for in the settings; a shorter one may be a word."""
KEY_PLACE = "{key}"
"""Stands for the key in a header."""
OPENAI = "api.openai.com"


def _secret_field(value: JsonValue, pattern: re.Pattern[str] = BODY_SECRET) -> str | None:
    """The name of a field that seems to hold a secret; ``None`` if there is none."""
    if isinstance(value, list):
        return next(filter(None, (_secret_field(inner, pattern) for inner in value)), None)
    if not isinstance(value, dict):
        return None
    for name, inner in value.items():
        if isinstance(inner, str) and inner and pattern.search(name):
            return name
        within = SECRET_NAME if "header" in name.lower() or "query" in name.lower() else pattern
        if (found := _secret_field(inner, within)) is not None:
            return found
    return None


class EndpointSettings(BaseModel):
    """How to reach an endpoint, and how much to ask of it. Subclasses add prices.

    Attributes:
        model: Name of the model at the endpoint.
        base_url: Address of the endpoint.
        key_env: Environment variable that holds the key.
        served_by: Tells models of one name apart that different endpoints serve; part of the identity.
        extra_body: More fields for each request.
        extra_headers: More headers for each request. ``{key}`` stands for the key, which is then sent in this header
            only.
        query: Query parameters of each request.
        concurrency: Calls under way at the same time, at most.
        timeout: Seconds until a call is given up.
        retries: Tries after the first one.
        backoff: Seconds to wait after the first try; the wait doubles with each try.
        max_calls: Limit on calls, over all runs.
        max_dollars: Limit on dollars, over all runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reserved_fields: ClassVar[frozenset[str]] = frozenset({"model"})
    """Fields of a request that ``extra_body`` may not have, because the harness sets them."""
    forbidden_fields: ClassVar[frozenset[str]] = frozenset({"stream", "n"})
    """Fields that ``extra_body`` may not have, because they would change the form of an answer."""

    model: Annotated[str, Field(min_length=1)]
    base_url: str = f"https://{OPENAI}/v1"
    key_env: Annotated[str, Field(max_length=64)] = "OPENAI_API_KEY"
    served_by: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    extra_body: dict[str, JsonValue] = {}
    extra_headers: dict[str, str] = {}
    query: dict[str, str] = {}
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
            raise ValueError(
                "an address without user, password or query is wanted; the key goes into key_env, a query into query"
            )
        return url

    @field_validator("key_env")
    @classmethod
    def _name_of_a_variable(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):  # the message must not repeat it: it may be the key itself
            raise ValueError("the name of an environment variable in capitals is wanted, not the key")
        return name

    @field_validator("extra_body")
    @classmethod
    def _no_reserved_fields(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in extra:
            if key in cls.reserved_fields:
                raise ValueError(f"{key!r} is not for extra_body: the harness sets it")
            if key.lower() in cls.forbidden_fields:
                raise ValueError(f"{key!r} is not for extra_body")
        if (name := _secret_field(extra)) is not None:
            raise ValueError(
                f"{name!r} is not for extra_body: the sweep is written into reports, and the key goes into key_env"
            )
        return extra

    @field_validator("extra_headers")
    @classmethod
    def _no_secret_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not value.isascii() or not value.isprintable():
                raise ValueError(f"{name!r} is no header with a value in ASCII")
            if name.lower() in SET_HEADERS:
                raise ValueError(f"{name!r} is not for extra_headers: the harness sets it")
            if SECRET_NAME.search(name) and KEY_PLACE not in value:
                raise ValueError(f"{name!r} is not for plain values; write {KEY_PLACE}, the key goes into key_env")
        return headers

    @field_validator("query")
    @classmethod
    def _no_secret_query(cls, query: dict[str, str]) -> dict[str, str]:
        for name in query:
            if SECRET_NAME.search(name):
                raise ValueError(f"{name!r} is not for query; the key goes into key_env")
        return query

    def headers(self, key: str) -> dict[str, str]:
        """The additional headers, with the key in its place."""
        return {name: value.replace(KEY_PLACE, key) for name, value in self.extra_headers.items()}

    @property
    def key_in_headers(self) -> bool:
        """Whether additional headers send the key, and none of them is ``Authorization``."""
        holders = {name.lower() for name, value in self.extra_headers.items() if KEY_PLACE in value}
        return bool(holders) and "authorization" not in holders

    def endpoint_identity(self) -> dict[str, str]:
        """The endpoint's part of an identity. It has no address: a server that moves is the same."""
        return {} if self.served_by is None else {"served_by": self.served_by}

    def hint(self, status: int) -> str:
        """Advice about an error status that ends a run."""
        if status in (401, 403):
            return f"; check the key in the environment variable {self.key_env}"
        return "; check model and base_url" if status == 404 else ""

    def key(self) -> str:
        """Read the key from the environment; it is empty if none is set and none is needed.

        Raises:
            EndpointError: The key is missing or has impossible characters. The message does not contain it.
        """
        key = os.environ.get(self.key_env, "").strip()
        if not key and urlsplit(self.base_url).hostname == OPENAI:
            raise EndpointError(f"no key; put it into the environment variable {self.key_env}")
        if not key.isascii() or not key.isprintable():
            raise EndpointError(f"{self.key_env} holds characters that no key has")
        if len(key) >= LONG and key in self.model_dump_json():
            raise EndpointError(
                f"the key in {self.key_env} also stands in the settings, which are written into reports"
            )
        return key

    def proxy(self) -> Proxy | None:
        """The proxy through which the endpoint is asked.

        Raises:
            EndpointError: Proxy, certificates or headers that the environment names cannot be used.
        """
        try:
            return check_surroundings(self.base_url)
        except ConfigError as error:
            raise EndpointError(str(error)) from None

    @contextmanager
    def naming(self, what: str) -> Iterator[None]:
        """Prefix the endpoint's errors with ``what``, the model and the address."""
        try:
            yield
        except EndpointError as error:
            raise type(error)(f"{what} {self.model} at {self.base_url}: {error}") from None

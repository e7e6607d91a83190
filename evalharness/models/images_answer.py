"""Reads what an endpoint sent in place of an image: the image, an address of one, or something else."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError


class _Image(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Usage(BaseModel):
    """OpenAI's names for images, or those for texts."""

    input_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0


class _Answer(BaseModel):
    data: Annotated[list[_Image], Field(min_length=1)]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One image as it came: base64, or an address. ``revised``: the prompt as the endpoint rewrote it.

    Tokens are 0 where the endpoint does not count them.
    """

    encoded: str = ""
    url: str = ""
    revised: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def read_answer(text: str) -> Answer | None:
    """The first image in the body of a response; ``None`` if it holds none."""
    try:
        found = _Answer.model_validate_json(text)
    except ValidationError:
        return None
    image, usage = found.data[0], found.usage or _Usage()
    encoded, url = image.b64_json or "", image.url or ""
    if not encoded and url.startswith("data:"):
        encoded, url = url, ""
    if not encoded and not url:
        return None
    prompt = usage.input_tokens or usage.prompt_tokens
    return Answer(encoded, url, image.revised_prompt or "", prompt, usage.output_tokens or usage.completion_tokens)


def decoded(text: str) -> bytes:
    """The bytes of base64, with or without the head of a data URL.

    Raises:
        ValueError: it is none.
    """
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise ValueError("a data URL that is not base64")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def unwanted(url: str, base_url: str, hosts: tuple[str, ...]) -> str | None:
    """Why nothing is fetched from an address that the endpoint at ``base_url`` gave; ``None`` if it may be.

    It must be of the endpoint's own scheme, host and port, or of one of ``hosts``, and never less safe than the
    endpoint itself.

    >>> unwanted("http://127.0.0.1:8000/a.png", "http://127.0.0.1:8000/v1", ())
    >>> unwanted("http://169.254.169.254/", "http://127.0.0.1:8000/v1", ())
    'host 169.254.169.254 is not that of base_url; if it is trusted, name it in url_hosts'
    """
    try:
        parts, own = urlsplit(url), urlsplit(base_url)
        here, there = (parts.scheme, parts.hostname, parts.port), (own.scheme, own.hostname, own.port)
    except ValueError:
        return "it is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "it is no http address"
    if here == there:
        return None
    if parts.hostname in hosts:
        plain = parts.scheme == "http" and own.scheme == "https"
        return "it is not https, as base_url is" if plain else None
    if parts.hostname == own.hostname:
        return "its scheme or port are not those of base_url; name the host in url_hosts if that is right"
    return f"host {parts.hostname[:100]} is not that of base_url; if it is trusted, name it in url_hosts"

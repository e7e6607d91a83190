"""The body of an image endpoint's response: an image, the address of one, or neither."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from evalharness.http.bodies import json_object, text_in, usage_in


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """The first image of a response: base64 in ``encoded``, or the address ``url``.

    ``revised_prompt`` is the prompt as the endpoint rewrote it. Token counts are 0 if the endpoint does not count.
    """

    encoded: str = ""
    url: str = ""
    revised_prompt: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an endpoint delivered for a request; ``data`` are the bytes of a file that has not been decoded yet."""

    data: bytes
    revised_prompt: str
    seconds: float
    prompt_tokens: int
    completion_tokens: int


def parse_response(text: str) -> ImageResponse | None:
    """The first image in the body of a response, or ``None`` if it holds none."""
    body = json_object(text) or {}
    images = body.get("data")
    image = images[0] if isinstance(images, list) and images else None
    if not isinstance(image, Mapping):
        return None
    encoded, url = text_in(image.get("b64_json")), text_in(image.get("url"))
    if not encoded and url.startswith("data:"):
        encoded, url = url, ""
    if not encoded and not url:
        return None
    usage = usage_in(body)
    return ImageResponse(
        encoded, url, text_in(image.get("revised_prompt")), usage.prompt_tokens, usage.completion_tokens
    )


def decode_base64(text: str) -> bytes:
    """Decode base64, with or without the header of a data URL.

    Raises:
        ValueError: it is not base64.
    """
    if text.startswith("data:"):
        header, _, text = text.partition(",")
        if not header.endswith(";base64"):
            raise ValueError("a data URL that is not base64")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def reason_not_to_follow(url: str, base_url: str, trusted_hosts: tuple[str, ...]) -> str | None:
    """Why an image address is not followed, or ``None`` if it may be.

    An address is followed if it has the endpoint's own scheme, host and port, or if its host is trusted; and never
    over plain HTTP if the endpoint itself is reached over HTTPS.

    Args:
        url: the address that the endpoint sent.
        base_url: the endpoint's address.
        trusted_hosts: further hosts that the user trusts.

    >>> reason_not_to_follow("http://127.0.0.1:8000/a.png", "http://127.0.0.1:8000/v1", ())
    >>> reason_not_to_follow("http://169.254.169.254/", "http://127.0.0.1:8000/v1", ())
    'host 169.254.169.254 is not that of base_url; if it is trusted, name it in url_hosts'
    """
    try:
        image, endpoint = urlsplit(url), urlsplit(base_url)
        same_origin = _origin(url) == _origin(base_url)
    except ValueError:
        return "it is not an address"
    if image.scheme not in ("http", "https") or not image.hostname:
        return "it is no http address"
    if same_origin:
        return None
    if image.hostname in trusted_hosts:
        downgraded = image.scheme == "http" and endpoint.scheme == "https"
        return "it is not https, as base_url is" if downgraded else None
    if image.hostname == endpoint.hostname:
        return "its scheme or port are not those of base_url; name the host in url_hosts if that is right"
    return f"host {image.hostname[:100]} is not that of base_url; if it is trusted, name it in url_hosts"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port; ValueError for a port that is no number."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port

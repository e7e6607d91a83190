"""Removes an API key from text that comes from a server, which may repeat what it was sent, in whatever form."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from urllib.parse import quote

PIECE = 8
"""A run of this many characters that also occurs in the key is removed as a part of it."""
BROKEN_PIECE = 12
"""The same where all but letters and digits is left out, which may join words of a sentence."""
HEX_PIECE = 16
HIDDEN = "[key]"
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|(?:\\x|%)([0-9a-fA-F]{2})|&#x([0-9a-fA-F]{1,6});|&#([0-9]{1,7});")

Spans = list[tuple[int, int]]
"""For each character of a view of a text, the part of the text that it stands for."""


def redact(text: str, key: str) -> str:
    """Remove the key from a text: pieces of at least :data:`PIECE` characters.

    The key is found plain, backwards, escaped for a URL, JSON or HTML, in base64 (also as a part of ``user:key``), in
    hexadecimal digits, and broken into parts by anything but letters and digits.

    >>> redact("wrong key: sk-0123456789, or Bearer sk-01234567...", "sk-0123456789")
    'wrong key: [key], or Bearer [key]...'
    >>> redact("Basic OnNrLTAxMjM0NTY3ODk=, s k - 0 1 2 3 4 5 6 7 8 9 ?", "sk-0123456789")
    'Basic On[key]k=, [key] ?'
    """
    if not key:
        return text
    if len(key) < PIECE:
        for form in {key, quote(key, safe="")}:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HIDDEN, text)
        return text
    hidden = bytearray(len(text))
    plain = _pieces([key, key[::-1], quote(key, safe=""), *_in_base64(key)], PIECE)
    whole: Spans = [(place, place + 1) for place in range(len(text))]
    decoded, places = _decoded(text)
    _hide(hidden, text, whole, plain, PIECE)
    _hide(hidden, text.lower(), whole, _pieces([key.encode().hex()], HEX_PIECE), HEX_PIECE)
    if len(decoded) < len(text):
        _hide(hidden, decoded, places, plain, PIECE)
    joined, places = _joined(decoded, places)
    _hide(hidden, joined, places, _pieces(["".join(filter(str.isalnum, key))], BROKEN_PIECE), BROKEN_PIECE)
    if not any(hidden):
        return text
    parts = (("".join(text[i] for i in run), flag) for flag, run in groupby(range(len(text)), hidden.__getitem__))
    return "".join(HIDDEN if flag else part for part, flag in parts)


def _in_base64(key: str) -> Iterator[str]:
    """What base64 makes of the key, whatever stands before and after it."""
    data = key.encode()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        start, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
        inner = encoded[start:end].decode()
        yield inner
        yield inner.translate({ord("+"): "-", ord("/"): "_"})


def _pieces(secrets: Iterable[str], size: int) -> frozenset[str]:
    return frozenset(secret[start : start + size] for secret in secrets for start in range(len(secret) - size + 1))


def _hide(hidden: bytearray, view: str, places: Spans, pieces: frozenset[str], size: int) -> None:
    """Mark what the pieces in a view of the text stand for."""
    if not pieces:
        return
    for start in range(len(view) - size + 1):
        if view[start : start + size] in pieces:
            first, last = places[start][0], places[start + size - 1][1]
            hidden[first:last] = b"\1" * (last - first)


def _decoded(text: str) -> tuple[str, Spans]:
    """The text with the escapes of JSON, URLs and HTML read."""
    characters: list[str] = []
    places: Spans = []
    end = 0
    for match in ESCAPE.finditer(text):
        characters += text[end : match.start()]
        places += [(place, place + 1) for place in range(end, match.start())]
        number = int(match[4]) if match[4] else int(match[1] or match[2] or match[3], 16)
        characters.append(chr(number) if number < 0x110000 else "\ufffd")
        places.append(match.span())
        end = match.end()
    characters += text[end:]
    places += [(place, place + 1) for place in range(end, len(text))]
    return "".join(characters), places


def _joined(text: str, places: Spans) -> tuple[str, Spans]:
    """The letters and digits of a text."""
    kept = [place for place, character in enumerate(text) if character.isalnum()]
    return "".join(text[place] for place in kept), [places[place] for place in kept]

"""Removes an API key from text that comes from a server, which may repeat what it was sent."""

from __future__ import annotations

import re
from itertools import groupby
from urllib.parse import quote

PIECE = 8
"""A run of this many characters that also occurs in the key is removed as a part of it."""
HIDDEN = "[key]"


def redact(text: str, key: str) -> str:
    """Remove the key from a text: plain, quoted for a URL, and pieces of at least :data:`PIECE` characters.

    >>> redact("wrong key: sk-0123456789, or Bearer sk-01234567...", "sk-0123456789")
    'wrong key: [key], or Bearer [key]...'
    """
    for form in {key, quote(key, safe="")} - {""}:
        text = _without(text, form)
    return text


def _without(text: str, secret: str) -> str:
    if len(secret) < PIECE:
        return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    hidden = bytearray(len(text))
    for piece in {secret[start : start + PIECE] for start in range(len(secret) - PIECE + 1)}:
        place = text.find(piece)
        while place >= 0:
            hidden[place : place + PIECE] = b"\1" * PIECE
            place = text.find(piece, place + 1)
    if not any(hidden):
        return text
    parts = (("".join(text[i] for i in run), flag) for flag, run in groupby(range(len(text)), hidden.__getitem__))
    return "".join(HIDDEN if flag else part for part, flag in parts)

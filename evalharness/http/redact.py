"""Keeps a key out of all text that comes from elsewhere: a server may say back what it was sent."""

from __future__ import annotations

import re
from itertools import groupby
from urllib.parse import quote

PIECE = 8
"""So many characters of a key in a row are taken for a part of it."""
HIDDEN = "[key]"


def redact(text: str, key: str) -> str:
    """``text`` without the key, as it is or quoted for a URL, and without longer pieces of it.

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

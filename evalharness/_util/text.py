"""Text for terminals, tables and prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def printable(text: str, kept: str = "") -> str:
    """Replace each character that a terminal might obey, or that changes the direction of writing, but for ``kept``.

    >>> printable("a\\x1b[31m\\tb\\u202e", "\\t")
    'a�[31m\\tb�'
    """
    return "".join(c if c in kept or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def one_line(text: str, limit: int = 500) -> str:
    """Return a message without line breaks and terminal control characters, cut at ``limit`` characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shortened(name: str, most: int) -> str:
    """A name of a folder with at most this number of bytes; a longer one is cut, and ends in a digest of all of it.

    >>> shortened("limit-40", 20), shortened("only-single-pass-and-process", 20)
    ('limit-40', 'only-single-0f162bf7')
    """
    raw = name.encode()
    if len(raw) <= most:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return f"{raw[: most - 9].decode(errors='ignore')}-{digest}"


_UNCHANGED = ("sheep", "skis", "scissors", "broccoli")
_IRREGULAR = {"person": "people", "mouse": "mice", "knife": "knives"}
_SINGULARS = {many: noun for noun, many in _IRREGULAR.items()}
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def plural(noun: str) -> str:
    """Return the English plural.

    >>> plural("bus"), plural("dog"), plural("red bench"), plural("butter knife"), plural("black sheep")
    ('buses', 'dogs', 'red benches', 'butter knives', 'black sheep')
    """
    before, space, last = noun.rpartition(" ")
    return f"{before}{space}{_plural_of_word(last)}"


def _plural_of_word(word: str) -> str:
    if word in _UNCHANGED:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(_SIBILANTS):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in ("", *"aeiou"):
        return word[:-1] + "ies"
    return word + "s"


def singular(noun: str) -> str:
    """Return the singular of a plural; the inverse of :func:`plural`, for regular nouns as far as letters tell.

    >>> singular("buses"), singular("cell phones"), singular("red mice"), singular("couches"), singular("cases")
    ('bus', 'cell phone', 'red mouse', 'couch', 'case')
    """
    before, space, last = noun.rpartition(" ")
    return f"{before}{space}{_singular_of_word(last)}"


def _singular_of_word(word: str) -> str:
    if word in _UNCHANGED:
        return word
    if word in _SINGULARS:
        return _SINGULARS[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "uses")):
        return word[:-2]
    return word.removesuffix("s")


def with_article(noun: str) -> str:
    """Return a singular with its indefinite article, by its first letter.

    >>> with_article("orange cup")
    'an orange cup'
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def some_of(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many more there are.

    >>> some_of(["a", "b"], 2), some_of(["a", "b", "c"], 2)
    ('a, b', 'a, b and 1 more')
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun if count == 1 else plural(noun)}"

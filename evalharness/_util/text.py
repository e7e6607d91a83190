"""Text for terminals, tables and prompts."""

from __future__ import annotations

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


def plural(noun: str) -> str:
    """Return the plural as GenEval's prompts form it.

    >>> plural("bus"), plural("dog")
    ('buses', 'dogs')
    """
    return noun + ("es" if noun.endswith("s") else "s")


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

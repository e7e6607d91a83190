"""Text for terminals, tables and prompts."""

from __future__ import annotations


def one_line(text: str, limit: int = 500) -> str:
    """Return a message without line breaks and terminal control characters, cut at ``limit`` characters."""
    joined = " ".join(text.split())
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in joined)
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


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{count:,} {noun if count == 1 else plural(noun)}"

"""Text as it may stand on a terminal or in a table."""

from __future__ import annotations


def one_line(text: str, limit: int = 500) -> str:
    """A message without line breaks or what a terminal would obey, cut at ``limit`` characters."""
    line = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in " ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"

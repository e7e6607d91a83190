"""Data that a page opened from a file can read: JSON in the custom properties of a style sheet.

Such a page may not fetch. It may load scripts, but mail services refuse archives that hold script files (Gmail does),
and the output of a model must not become part of a script. A style sheet passes everywhere, and nothing in it can run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalharness.report.json_values import compact_json

CHUNK = 500_000
"""Characters in one property; Chromium drops properties of more than 2 MiB."""


def write_sheet(folder: Path, name: str, data: Any) -> None:
    """Write ``data`` as ``NAME.css``, for ``readSheet(name)`` of the page's script."""
    (folder / f"{name}.css").write_text(sheet(name, data), encoding="ascii")


def sheet(name: str, data: Any) -> str:
    r"""A style sheet in pure ASCII: only the quotes and backslashes of the JSON need escaping in a CSS string.

    >>> print(sheet("part-0", ["<b>", float("nan")]), end="")
    [data-sheet="part-0"]{--parts:1;--data-0:"[\"<b>\",null]"}
    """
    text = compact_json(data)
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    properties = [f"--parts:{len(chunks)}"]
    for number, chunk in enumerate(chunks):
        escaped = chunk.replace("\\", "\\\\").replace('"', '\\"')
        properties.append(f'--data-{number}:"{escaped}"')
    return f'[data-sheet="{name}"]{{{";".join(properties)}}}\n'

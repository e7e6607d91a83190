"""Data that a page opened from a file can read: JSON in the custom properties of a style sheet.

Such a page may not fetch. It may load scripts, but a folder with script files in it does not survive e-mail (Gmail
refuses archives that hold any), and what comes out of models has no business in a script. A style sheet passes
everywhere, and nothing in it can run.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

CHUNK = 500_000
"""Characters in one property; Chromium drops properties of more than 2 MiB."""


def write_sheet(folder: Path, name: str, data: Any) -> None:
    """Write ``data`` as ``NAME.css``, for ``readSheet(name)`` of the page's script."""
    (folder / f"{name}.css").write_text(sheet(name, data), encoding="ascii")


def sheet(name: str, data: Any) -> str:
    r"""Pure ASCII: what JSON leaves to be escaped in a CSS string are its quotes and backslashes.

    >>> print(sheet("part-0", ["<b>", float("nan")]), end="")
    [data-sheet="part-0"]{--parts:1;--data-0:"[\"<b>\",null]"}
    """
    text = json.dumps(plain(data), separators=(",", ":"), allow_nan=False)
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    declared = [f"--parts:{len(chunks)}"]
    for number, chunk in enumerate(chunks):
        escaped = chunk.replace("\\", "\\\\").replace('"', '\\"')
        declared.append(f'--data-{number}:"{escaped}"')
    return f'[data-sheet="{name}"]{{{";".join(declared)}}}\n'


def plain(value: Any) -> Any:
    """JSON without NaN (they become null); numpy scalars become Python's, what JSON lacks becomes text."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)

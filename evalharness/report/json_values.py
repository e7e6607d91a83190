"""Results as JSON without NaN."""

from __future__ import annotations

import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """The value as JSON has it: NaN and infinity become null, numpy scalars Python's, anything unknown its text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "item") and not isinstance(value, bytes):
        return plain(value.item())
    return str(value)


def compact_json(value: Any) -> str:
    """ASCII on one line, without spaces."""
    return json.dumps(plain(value), separators=(",", ":"), allow_nan=False)


def pretty_json(value: Any) -> str:
    """Indented, for people."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)

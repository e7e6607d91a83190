"""Reads rows of the published program's ``results.jsonl`` as detections with colours.

A row has the boxes and scores of the detections that counted, but not their colours. A clause with a colour takes the
first ``count`` detections of its class. If it holds, all of these have its colour; if it fails, the row's reason counts
their colours. So they are known but for one case: a clause for several objects that failed with several colours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from evalharness._util.json_text import require_json
from evalharness.errors import ConfigError

from .classes import COLORS

MOST = 1000
"""Detections of a class whose colours are asked for; a detector finds fewer."""


def is_row(line: Mapping[str, Any]) -> bool:
    """Whether a line of JSON is a row of ``results.jsonl``."""
    return "details" in line and "detections" not in line


def evidence(row: Mapping[str, Any], location: str) -> dict[str, Any]:
    """The row as ``{"metadata": …, "detections": …}``; see :func:`.detection_scoring.score_detections`.

    Raises:
        ConfigError: The row is malformed.
    """
    metadata = _object(row.get("metadata"), f"{location}: metadata")
    details = _object(row.get("details"), f"{location}: details")
    reason = row.get("reason")
    if not isinstance(reason, str):
        raise ConfigError(f"{location}: reason must be a text, got {type(reason).__name__}")
    detections = [
        _detection(name, box, f"{location}: details: {name}") for name, boxes in details.items() for box in _list(boxes)
    ]
    for name, colors in _colors(metadata, reason).items():
        taken = (detection for detection in detections if detection["class"] == name)
        for detection, color in zip(taken, colors, strict=False):
            detection["color"] = color
    return {"metadata": metadata, "detections": detections}


def _colors(metadata: Mapping[str, Any], reason: str) -> dict[str, list[str]]:
    """The colours of the first detections of each class that a clause asks the colour of, where they are known."""
    colors: dict[str, list[str]] = {}
    for clause in _list(metadata.get("include")):
        if isinstance(clause, dict) and isinstance(clause.get("color"), str) and isinstance(clause.get("count"), int):
            name = str(clause.get("class"))
            known = _clause_colors(name, min(clause["count"], MOST), clause["color"], reason)
            colors[name] = max(colors.get(name, []), known, key=len)
    return colors


def _clause_colors(name: str, count: int, color: str, reason: str) -> list[str]:
    """The colours of the detections that a clause took; none if it took too few, or if they cannot be told apart."""
    head = re.escape(f"{name}>={count}, found ")
    if re.search(rf"^expected {head}", reason, flags=re.MULTILINE):
        return []
    failure = re.search(rf"^expected {re.escape(color)} {head}\d+ {re.escape(color)}; and (.*)$", reason, re.MULTILINE)
    if failure is None:
        return [color] * count
    seen = {other for other in COLORS if re.search(rf"\d+ {other}\b", failure[1])}
    return list(seen) * count if len(seen) == 1 else []


def _detection(name: str, box: Any, location: str) -> dict[str, Any]:
    if not isinstance(box, list) or len(box) != 5:
        raise ConfigError(f"{location}: a detection must be [x1, y1, x2, y2, score], got {json.dumps(box)[:80]}")
    return {"class": name, "box": [_float(number) for number in box[:4]], "score": _float(box[4]), "color": None}


def _float(number: Any) -> Any:
    """JSON's whole numbers as floats; all else is refused where detections are checked."""
    return float(number) if isinstance(number, int) and abs(number) < 1e9 else number


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(text: Any, location: str) -> dict[str, Any]:
    """A JSON object that is written as a text, as published, or as it is."""
    value = require_json(text, location) if isinstance(text, str) else text
    if not isinstance(value, dict):
        raise ConfigError(f"{location} must be a JSON object, got {type(value).__name__}")
    return value

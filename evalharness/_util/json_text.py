"""JSON that a user wrote or another program published: what is none is an error that names its place."""

from __future__ import annotations

import json
from typing import Any

from evalharness.errors import ConfigError


def require_json(text: str | bytes, place: str) -> Any:
    """The value of a JSON text; bytes are UTF-8, without a byte order mark.

    Raises:
        ConfigError: It is none; the message begins with ``place``.
    """
    try:
        return json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place} is not UTF-8 text at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place} is not JSON: {error}") from None

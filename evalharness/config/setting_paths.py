"""Paths among the settings of a sweep file: relative to the file, with ``~`` and environment variables."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from evalharness.assets.hub_or_folder import HubOrFolder
from evalharness.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def with_absolute_paths(settings: M, base: Path) -> M:
    """Resolve the paths among the settings that a file gives, at any depth.

    Args:
        settings: The settings of a plugin.
        base: The file's folder, which relative paths start from.

    Raises:
        ConfigError: A path names an environment variable that is not set.
    """
    update = {name: _resolved(getattr(settings, name, None), base) for name in settings.model_fields_set}
    changed = {name: value for name, value in update.items() if value is not getattr(settings, name, None)}
    return settings.model_copy(update=changed) if changed else settings


def _resolved(value: Any, base: Path) -> Any:
    """The value with its paths resolved; the very same object if it has none."""
    if isinstance(value, Path):
        return base / expanded(value)
    if isinstance(value, HubOrFolder):
        path = base / expanded(Path(value))
        return value if value.is_hub_name and not path.is_dir() else HubOrFolder(path)
    if isinstance(value, BaseModel):
        return with_absolute_paths(value, base)
    if isinstance(value, dict):
        entries = {key: _resolved(entry, base) for key, entry in value.items()}
        return entries if any(entries[key] is not value[key] for key in value) else value
    if isinstance(value, list | tuple):
        items = [_resolved(item, base) for item in value]
        return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def expanded(path: Path) -> Path:
    """A path with its environment variables and ``~`` written out.

    Raises:
        ConfigError: A variable or the home folder is not known, or no file can have such a path.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise ConfigError(f"{path}: the environment variable {name} is not set")
        return os.environ[name]

    text = _VARIABLE.sub(value, str(path))
    try:
        os.fsencode(text)
        if "\0" not in text:
            return Path(text).expanduser()
    except UnicodeEncodeError:
        pass
    except RuntimeError:  # of a user that there is not
        raise ConfigError(f"{path}: there is no home folder for its ~") from None
    raise ConfigError(f"{text!r} is no path that a file can have")

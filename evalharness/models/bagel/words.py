"""Words that belong to an upstream repository: read from its source, which is never run."""

from __future__ import annotations

import ast
from pathlib import Path

from evalharness.errors import ConfigError, did_you_mean


def named_constant(file: Path, name: str) -> str:
    """The string that a Python file assigns to ``name`` at its top level.

    Raises:
        ConfigError: there is no such file or string.
    """
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{file} is not Python source: {error}") from None
    strings = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    if name not in strings:
        raise ConfigError(f"{file} assigns no string to {name!r}{did_you_mean(name, strings)}")
    return strings[name]

"""Reads prompts from the source of an upstream repository, which is never run."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from evalharness.errors import ConfigError, did_you_mean


def named_constant(file: Path, name: str) -> str:
    """The string that a Python file assigns to ``name``, at its top level or inside a function.

    Raises:
        ConfigError: the file or the string is missing, or there are several.
    """
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{file} is not Python source: {error}") from None
    strings: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(node.value, ast.Constant):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                strings[target.id].add(node.value.value)
    if name not in strings:
        raise ConfigError(f"{file} assigns no string to {name!r}{did_you_mean(name, strings)}")
    if len(strings[name]) > 1:
        raise ConfigError(f"{file} assigns several strings to {name!r}; give the one that you mean as a string")
    return strings[name].pop()

"""docs/architecture.md against the code: every link names something that exists, every room stands in the table."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from fences import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\[`([\w.]+)`\]\(\.\./([\w/.]+\.py)\)", PAGE)))


def symbols(path: Path) -> set[str]:
    """Names that a module defines at its top, and ``Class.method``; also names that a package's face passes on."""
    names = {path.name}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.ImportFrom) and path.name == "__init__.py":
            names |= {alias.name for alias in node.names}
    return names


def test_there_are_links_into_the_code() -> None:
    assert len(LINKS) > 20


@pytest.mark.parametrize(("symbol", "file"), LINKS)
def test_a_link_names_a_symbol_of_its_file(symbol: str, file: str) -> None:
    assert symbol in symbols(ROOT / file)


def test_every_room_stands_in_the_table() -> None:
    rooms = {path.parent.name for path in (ROOT / "evalharness").glob("*/__init__.py")}
    named = set(re.findall(r"`(\w+)/`", PAGE))
    assert rooms <= named


def test_the_arrows_are_those_that_the_linter_checks() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(entry for entry in tools["importlinter"]["contracts"] if entry["type"] == "layers")
    floors = [re.findall(r"evalharness\.(\w+)", layer) for layer in reversed(contract["layers"])]
    order = re.search(r"^    (errors, types.*)$", PAGE, re.MULTILINE)
    assert order is not None
    for below, above in zip(order[1].split(" ← "), order[1].split(" ← ")[1:], strict=False):
        first, second = below.split(", ")[0], above.split(", ")[0]
        assert _floor(floors, first) < _floor(floors, second)


def _floor(floors: list[list[str]], room: str) -> int:
    return next(number for number, rooms in enumerate(floors) if room in rooms)

"""The tests themselves: they can fail, have one conftest, and use no private names and no edits of ``sys.path``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))
PRIVATE_ELSEWHERE = {"_exit", "_forward_flow"}
"""Of ``os``, where it is documented, and of the original BAGEL program."""
PATCHES = {"setattr", "delattr", "getattr", "patch", "object"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(node: ast.AST) -> Iterator[str]:
    """Private names that a node takes from somewhere else."""
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return
        case ast.Attribute(attr=attr):
            yield attr
        case ast.ImportFrom(names=names, module=str(module)) if module.startswith("evalharness"):
            yield from (alias.name for alias in names)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in PATCHES:
            texts = [arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            yield from (text.rpartition(".")[2] for text in texts)


def faults(source: str) -> list[str]:
    """Line numbers and names of what a test module should not use."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        names = [name for name in private_names(node) if is_private(name) and name not in PRIVATE_ELSEWHERE]
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
            names.append("sys.path")
        lines += [f"{getattr(node, 'lineno', 0)}: {name}" for name in names]
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_only_public_names_are_used(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from evalharness.report import _page", "_page"),
        ("Model()._load()", "_load"),
        ("monkeypatch.setattr(module, '_cache', {})", "_cache"),
        ("monkeypatch.setattr('evalharness.report._cache', {})", "_cache"),
        ("sys.path.insert(0, 'helpers')", "sys.path"),
    ],
)
def test_what_a_fault_is(source: str, name: str) -> None:
    assert faults(source) == [f"1: {name}"]


@pytest.mark.parametrize(
    "source",
    ["from evalharness._util import hashing", "self._cache = {}", "module.__file__", "def _local() -> None: ..."],
)
def test_what_is_allowed(source: str) -> None:
    assert faults(source) == []


def test_there_is_one_conftest() -> None:
    assert list(TESTS.rglob("conftest.py")) == [TESTS / "conftest.py"]


def test_helpers_have_names_of_their_own() -> None:
    """All helpers and tests are top-level modules: of two with one name, the second would not be imported."""
    names = [path.name for path in FILES]
    assert sorted(set(names)) == sorted(names)


def called(node: ast.AST) -> str:
    """Name of the function or method that a node calls."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
    return ""


def asserts(node: ast.AST) -> bool:
    """Whether a node by itself can fail a test."""
    if isinstance(node, ast.Call) and any(ast.unparse(keyword) == "check=True" for keyword in node.keywords):
        return True
    return isinstance(node, ast.Assert) or called(node) in {"raises", "fail"} or called(node).startswith("assert_")


def harmless_tests(sources: Mapping[str, str]) -> list[str]:
    """Tests that neither assert anything nor call a function of the tests that does."""
    functions = [
        (path, node)
        for path, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    ]
    calls = {(path, node): {called(inner) for inner in ast.walk(node)} for path, node in functions}
    asserting = {function for function in functions if any(map(asserts, ast.walk(function[1])))}
    size = 0
    while size < len(asserting):
        size = len(asserting)
        names = {node.name for _, node in asserting}
        asserting |= {function for function in functions if calls[function] & names}
    harmless = [function for function in functions if function not in asserting]
    return [f"{path} {node.name}" for path, node in harmless if node.name.startswith("test_")]


def test_every_test_can_fail() -> None:
    assert harmless_tests({path.name: path.read_text(encoding="utf-8") for path in FILES}) == []


def test_what_cannot_fail() -> None:
    helper = "def same(a, b):\n    assert a == b\n"
    assert harmless_tests({"a": helper + "def test_a():\n    same(1, 1)\n"}) == []
    assert harmless_tests({"a": helper + "def test_a():\n    print(1)\n"}) == ["a test_a"]

"""Reads YAML 1.2 with the line and column of each value, and with limits that guard against malicious files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evalharness._util.regular_files import open_regular
from evalharness._util.text import one_line
from evalharness.config import yaml_scalars
from evalharness.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
"""Limit on values, counted with all aliases expanded; a file of nested aliases would otherwise fill the memory."""
MAX_DEPTH = 40
MAX_MESSAGE = 1000
"""Characters of a message, which may quote the file."""

Location = tuple[str | int, ...]
"""Keys and list indices that lead from the top of a document to a value."""
MERGE = "tag:yaml.org,2002:merge"
PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Document:
    """A YAML document.

    Attributes:
        path: The file.
        data: Its contents as ``dict``, ``list`` and scalars.
        values: Line and column of each value, counted from 1.
        keys: Line and column of each key, counted from 1.
    """

    path: Path
    data: Any
    values: dict[Location, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Location, tuple[int, int]] = field(default_factory=dict)

    def place(self, location: Location, *, key: bool = False) -> str:
        """``file:line:column`` of a value or its key, or else of the nearest enclosing value that the file has."""
        marks = self.keys if key else self.values
        while location and location not in marks:
            location = location[:-1]
            marks = self.values
        line, column = marks.get(location, (1, 1))
        return f"{self.path}:{line}:{column}"

    def error(self, message: str, *location: str | int, key: bool = False) -> ConfigError:
        """An error whose message begins with the place of a value, or of its key."""
        return ConfigError(f"{self.place(location, key=key)}: {one_line(message, MAX_MESSAGE)}")


def read(path: Path) -> Document:
    """Read one YAML document.

    Raises:
        ConfigError: The file is missing, too large, not UTF-8, not YAML, has a key twice, a number that is not
            finite, or aliases that never end.
    """
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no sweep file is")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from error
    document = Document(path, None)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{path}: empty")
        _bound(document, node)
        data = _build(document, loader, node, (), set())
    except yaml.YAMLError as error:
        raise ConfigError(_syntax(path, error)) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deep") from error
    return Document(path, data, document.values, document.keys)


class _Loader(yaml.SafeLoader):
    """Stops early on a long file, since PyYAML takes seconds to parse a megabyte."""

    nodes = 0
    """Number of nodes composed so far."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, f"more than {MAX_NODES} values", mark)
        return super().compose_node(parent, index)


yaml_scalars.add_resolvers(_Loader)


def _syntax(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    return f"{place}: not valid YAML: {problem}"


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _bound(document: Document, root: yaml.Node) -> None:
    """Check the size of a document with its aliases expanded, before anything is built from it."""
    seen = 0
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        seen += 1
        if depth > MAX_DEPTH:
            place = f"{document.path}:{_mark(node)[0]}"
            raise ConfigError(f"{place}: nested deeper than {MAX_DEPTH} levels (or an alias of itself)")
        if seen > MAX_NODES:
            raise ConfigError(f"{document.path}: more than {MAX_NODES} values once its aliases are written out")
        stack.extend((child, depth + 1) for child in _children(node))


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _build(document: Document, loader: yaml.SafeLoader, node: yaml.Node, location: Location, flat: set[int]) -> Any:
    document.values[location] = _mark(node)
    if not isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS:
        raise document.error(f"tag {node.tag!r} is not allowed", *location)
    if isinstance(node, yaml.SequenceNode):
        return [_build(document, loader, child, (*location, index), flat) for index, child in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        try:
            return yaml_scalars.value_of(node)
        except ValueError as error:
            raise document.error(str(error), *location) from None
    assert isinstance(node, yaml.MappingNode)
    if id(node) not in flat:  # a node is visited again for each of its aliases
        _refuse_duplicates(document, node)
        loader.flatten_mapping(node)
        flat.add(id(node))
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        document.keys[(*location, key)] = _mark(key_node)
        result[key] = _build(document, loader, value_node, (*location, key), flat)
    return result


def _refuse_duplicates(document: Document, node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        line, column = _mark(key_node)
        place = f"{document.path}:{line}:{column}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{place}: a key must be a plain word")
        if key_node.tag == MERGE:
            continue
        if key_node.value in seen:
            first = seen[key_node.value]
            raise ConfigError(f"{place}: key {key_node.value!r} stands twice; the first is on line {first}")
        seen[key_node.value] = line

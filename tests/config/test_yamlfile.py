from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.config import yaml as yamlfile
from evalharness.errors import ConfigError


def read(tmp_path: Path, text: str | bytes) -> yamlfile.Document:
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return yamlfile.read(path)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text("abc é:#'\"\n", max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcd", min_size=1), inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(data=documents)
def test_reads_what_safe_load_reads(data: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = yaml.safe_dump(data)
    assert read(tmp_path_factory.mktemp("y"), text).data == yaml.safe_load(text)


def test_merge_keys_and_aliases(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, y: 3}\nc: *b\nd: {<<: [*a, {z: 4}]}\n"
    assert read(tmp_path, text).data == yaml.safe_load(text)


def test_knows_lines_and_columns(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  - b: 1\n    c: [2, 3]\n")
    assert document.place(("a", 0, "c", 1)).endswith("x.yaml:3:12")
    assert document.place(("a", 0, "c"), key=True).endswith("x.yaml:3:5")
    assert document.place(("a", 0, "nowhere")).endswith("x.yaml:2:5")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [\n", "x.yaml:3:1: not valid YAML"),
        ("a: 1\n  b: 2\n", "x.yaml:2:4: not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: key 'a' stands twice; the first is on line 1"),
        ("a: &a\n  b: *a\n", "deeper than|alias of itself"),
        (BOMB, "more than 20000 values"),
        ("m: &m {<<: [*m]}\n", "deeper than"),
        ("[" * 5000, "nested too deep|nested deeper|not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", r"x.yaml:1:4: tag .* is not allowed"),
        ("a: !!python/name:os.system\n", "x.yaml:1:4: not valid YAML"),
        ("[1, 2]: 3\n", "x.yaml:1:1: a key must be a plain word"),
        ("a: 2024-13-45\n", "not valid YAML"),
        ("a: " + "9" * 5000, "not valid YAML"),
        (b"a: \xff\n", "not UTF-8 at byte 3"),
        (b"a: \x00\n", "not valid YAML"),
        ("a: {b: .nan}\n", r"x.yaml:1:8: \.nan is no finite number"),
        ("a: [1, -.inf]\n", r"x.yaml:1:8: -\.inf is no finite number"),
        ("a: 1.0e+999\n", r"x.yaml:1:4: 1\.0e\+999 is no finite number"),
        ("", "empty"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1: not valid YAML"),
        ("a: [" + "x, " * 30000 + "]", "more than 20000 values"),
        ("a: " + "x" * (1 << 20), "larger than 1 MiB"),
    ],
)
def test_refuses(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        yamlfile.read(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        yamlfile.read(tmp_path)

from __future__ import annotations

import json
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
    | st.integers(-(2**63), 2**63)
    | st.text("abc é:#'\"\n", max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcd", min_size=1), inner),
    max_leaves=20,
)


@settings(max_examples=60)
@given(data=documents)
def test_reads_what_was_dumped(data: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert read(tmp_path_factory.mktemp("y"), yaml.safe_dump(data)).data == data


@settings(max_examples=60)
@given(data=documents)
def test_json_is_yaml(data: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    """YAML 1.2, section 1.3: every JSON document is a YAML document of the same meaning."""
    assert read(tmp_path_factory.mktemp("y"), json.dumps(data)).data == data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # The tables of YAML 1.2.2, section 10.3.2, and what YAML 1.1 read otherwise: octal, sexagesimal, yes and no.
        ("null", None), ("~", None), ("", None), ("true", True), ("FALSE", False), ("yes", "yes"), ("no", "no"),
        ("on", "on"), ("y", "y"), ("0", 0), ("0042", 42), ("-19", -19), ("+7", 7), ("0o14", 12), ("0x1F", 31),
        ("1:30", "1:30"), ("1_000", "1_000"), ("0b11", "0b11"), ("0.", 0.0), ("-0.0", 0.0), (".5", 0.5),
        ("+12e03", 12000.0), ("-2E+05", -200000.0), ("1e-3", 0.001), ("2024-01-02", "2024-01-02"), ("=", "="),
        ("'12'", "12"), ('"true"', "true"), ("!!str 12", "12"), ("!!float 1", 1.0), ("1.2.3", "1.2.3"), ("0o8", "0o8"),
    ],
)  # fmt: skip
def test_plain_values_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    read_value = read(tmp_path, f"a: {text}\n").data["a"]
    assert read_value == value and type(read_value) is type(value)


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
        ("a: !!python/name:os.system\n", "x.yaml:1:4: tag .* is not allowed"),
        ("a: !!timestamp 2024-01-01\n", "x.yaml:1:4: tag .* is not allowed"),
        ("a: !!bool maybe\n", "x.yaml:1:4: 'maybe' is no bool"),
        ("a: !!int 0b11\n", "x.yaml:1:4: '0b11' is no int"),
        ("[1, 2]: 3\n", "x.yaml:1:1: a key must be a plain word"),
        ("a: " + "9" * 5000, "x.yaml:1:4: 9{40}… is too large a number"),
        ("a: 0x" + "f" * 6000, "x.yaml:1:4: 0xf{38}… is too large a number"),
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

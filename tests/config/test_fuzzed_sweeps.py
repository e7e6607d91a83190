"""Sweep files and command lines with something changed at random: a sweep, or one line that says what is wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_sweeps import SWEEP

import evalharness
from evalharness.cli import main as cli
from evalharness.config import sweep_files
from evalharness.errors import EvalHarnessError
from evalharness.planning.planner import make_plan

FOLDER = Path(evalharness.__file__).parents[1] / "ablations"
DOCUMENTS = [pyyaml.safe_load(SWEEP), *(pyyaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml")))]
WORDS = (
    "", " ", "\n", "mock", "miniature", "geneval", "wise", "process", "single_pass", "ray", "local", "openai", "1..3",
    "3..1", "a" * 5000, "$HOME/x", "$NOT_SET_ANYWHERE", "/dev/null", "/", "..", "http://[::1", "x\u202ey", "\x1b[2J",
    "ß→",
)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=12)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
)


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """All containers of a document with their keys or indices."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield data, key
        yield from places(value)


@st.composite
def sweeps(draw: st.DrawFn) -> Any:
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 2))):
        container, key = draw(st.sampled_from(list(places(document))))
        action = draw(st.sampled_from(("replace", "remove", "add")))
        if action == "remove":
            del container[key]
        elif action == "add" and isinstance(container, dict):
            container[draw(st.sampled_from(WORDS))] = draw(values)
        else:
            container[key] = draw(values)
        if not document:
            break
    return document


def written(document: Any, folders: pytest.TempPathFactory) -> Path:
    path = folders.mktemp("fuzz") / "x.yaml"
    path.write_text(pyyaml.safe_dump(document), encoding="utf-8")
    return path


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(document=sweeps())
def test_a_changed_sweep_file_is_a_sweep_or_one_line(document: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        sweep_files.load(written(document, tmp_path_factory))
    except EvalHarnessError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(document=sweeps())
def test_what_loads_can_be_planned_or_says_why_not(document: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        make_plan(sweep_files.load(written(document, tmp_path_factory)))
    except EvalHarnessError as error:
        assert "\n" not in str(error)


OPTIONS = (
    "--limit", "--samples", "--only", "--shard", "--model", "--weights", "--detector", "--judge", "--base-url",
    "--judge-model", "--full", "--official", "--check", "--draw-only", "--retry-failed", "--out", "--store",
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(words=st.lists(st.sampled_from(OPTIONS) | st.sampled_from(WORDS) | st.text(max_size=6), max_size=5))
def test_a_command_line_is_obeyed_or_refused(
    words: list[str], tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "tiny.yaml").write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            code = cli.main(["sweep", "tiny.yaml", "--dry-run", *words])
        except SystemExit as stopped:  # argparse
            code = stopped.code
    errors = capfd.readouterr().err
    assert code in (0, 2) and "Traceback" not in errors
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.yaml"]

"""Records of a run have the format that was spoken, however the arm came to speak it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mock_sweeps import IN_PROCESS, draw_and_score
from plugin_packages import InstallPlugins

from evalharness.cli import main
from evalharness.store.merge import merge_stores
from evalharness.testing import MockModel
from evalharness.training_data import reading

SWEEP = """\
name: mine
model: {model}
benchmarks: [{{name: mock, limit: 2, samples: 1}}]
arms: [{{name: arm, variant: {variant}}}]
"""


class Prompting(MockModel):
    name = "prompting"
    formats: ClassVar[tuple[str, ...]] = ("prompted", "strokes")


class Thinking(MockModel):
    name = "thinking"
    formats: ClassVar[tuple[str, ...]] = ("bagel", "strokes")
    words: ClassVar[Mapping[str, str]] = {"system": "Think first."}


@pytest.fixture
def plugins(install_plugins: InstallPlugins) -> None:
    install_plugins(models=[Prompting, Thinking])


def export(file: Path, name: str, store: Path, out: Path) -> int:
    return main.main(["export", str(file), "--format", name, "--arm", "arm", "--store", str(store), "--out", str(out)])


def formats(path: Path) -> set[Any]:
    return {entry.row["format"] for entry in reading.entries(path)}


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("model", "variant", "spoken"),
    [
        ("prompting", "process, max_iterations: 2", "prompted"),
        ("thinking", "text_cot", "bagel"),
        ("prompting", "process, max_iterations: 2, format: strokes", "strokes"),
        ("mock", "process, max_iterations: 2", "strokes"),
    ],
)
def test_records_and_stores_name_the_format_that_was_spoken(
    model: str, variant: str, spoken: str, sweep_file: Callable[[str], Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = sweep_file(SWEEP.format(model=model, variant=variant) + IN_PROCESS)
    draw_and_score(file, tmp_path / "r" / "mine")
    store = tmp_path / "r" / "store"
    assert export(file, "trajectories", store, tmp_path / "records") == 0
    assert formats(tmp_path / "records") == formats(store) == {spoken}
    capsys.readouterr()
    assert export(file, "bagel", store, tmp_path / "bagel") == (0 if spoken == "strokes" else 2)
    if spoken != "strokes":
        assert f"the layout is for the format 'strokes', not for {spoken!r}" in capsys.readouterr().err
        assert not (tmp_path / "bagel").exists()


@pytest.mark.usefixtures("plugins")
def test_a_merged_store_knows_the_formats_of_both(sweep_file: Callable[[str], Path], tmp_path: Path) -> None:
    for model, variant in (("prompting", "process, max_iterations: 2"), ("thinking", "text_cot")):
        file = sweep_file(SWEEP.format(model=model, variant=variant) + IN_PROCESS)
        draw_and_score(file, tmp_path / model / "mine")
    merge_stores([tmp_path / "prompting" / "store", tmp_path / "thinking" / "store"], tmp_path / "both")
    assert formats(tmp_path / "both") == {"prompted", "bagel"}

"""Sweep files of weights that this machine lacks: they can be planned on any machine, and say what they would cost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from evalharness.cli import sweep
from evalharness.config import sweep_files

ROOT = Path(__file__).resolve().parents[1]
WISE = ROOT.parent / "shared" / "data" / "wise"
FILES = sorted(path.name for path in (ROOT / "ablations").glob("bagel-*.yaml") if path.stem != "bagel-wise")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nothing was fetched."""
    pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))


def dry(name: str, folder: Path, *options: str) -> int:
    return sweep.main([str(ROOT / "ablations" / name), "--dry-run", "--store", str(folder / "store"), *options])


@pytest.mark.parametrize("name", FILES)
def test_it_is_planned_without_weights_and_says_what_it_lacks(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry(name, tmp_path) == 0
    text = capsys.readouterr().out
    assert "  geneval: 553 of 553 items × 4 images" in text
    assert "expected time to draw: unknown for" in text, "a number would be invented"
    assert "no measured rate for" in text
    assert f"    evalharness timing {ROOT / 'ablations' / name} --draw 8 --store {tmp_path / 'store'} --out" in text
    if name == "bagel-data.yaml":  # its checkpoints are the user's own
        assert "not here: model full: no weights folder " in text
    else:
        assert "do so with: evalharness fetch bagel" in text
    assert "do so with: evalharness fetch geneval" in text
    arms = sweep_files.load(ROOT / "ablations" / name).arms
    assert all(f"  {arm.name} " in text for arm in arms)


def test_there_is_one_for_each_table() -> None:
    assert {name.removesuffix(".yaml").removeprefix("bagel-") for name in FILES} == {
        "geneval", "variants", "components", "iters", "strokes", "data",
    }  # fmt: skip


def test_measured_rates_become_gpu_hours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text(
        "source: a card of the future\n"
        "seconds: {bagel: {single-pass: 18, text-cot: 36, prompted: 36}, unicot: {process: 36}, zebra: {process: 36}}\n"
    )
    assert dry("bagel-variants.yaml", tmp_path, "--rates", str(file)) == 0
    text = capsys.readouterr().out
    hours = 2212 * (18 + 36 + 3 * 6 * 36) / 3600
    assert f"GPU hours: about {hours:.1f}\n" in text
    assert "(a card of the future)" in text


@pytest.mark.parametrize("name", FILES)
def test_a_rate_for_each_variant_is_enough(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten seconds of each iteration, of all trajectories once; another cap is none more."""
    found = sweep_files.load(ROOT / "ablations" / name)
    seconds: dict[str, dict[str, float]] = {}
    most: dict[tuple[str, str], int] = {}
    for arm in found.arms:
        seconds.setdefault(arm.model, {})[arm.variant.variant] = 10
        kind = arm.model, repr(arm.variant.key())
        most[kind] = max(most.get(kind, 1), arm.cap or 1)
    file = tmp_path / "rates.yaml"
    file.write_text(yaml.safe_dump({"seconds": seconds}))
    assert dry(name, tmp_path, "--rates", str(file)) == 0
    text = capsys.readouterr().out
    assert f"GPU hours: about {2212 * sum(most.values()) * 10 / 3600:.1f}\n" in text
    assert "no measured rate" not in text


def test_caps_share_and_a_checkpoint_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry("bagel-iters.yaml", tmp_path) == 0
    assert "trajectories to draw: 8848 " in capsys.readouterr().out  # four models × 553 × 4
    (tmp_path / "mine").mkdir()
    assert dry("bagel-strokes.yaml", tmp_path, "--weights", str(tmp_path / "mine")) == 0
    assert (
        f"not here: model tuned: the weights folder {tmp_path / 'mine'} lacks ema.safetensors"
        in capsys.readouterr().out
    )


def test_wise_needs_its_prompts_to_be_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry("bagel-wise.yaml", tmp_path) == 2
    assert "get them by `evalharness fetch wise-legacy`" in capsys.readouterr().err
    from evalharness.benchmarks.wise.legacy import WiseLegacy

    if not WISE.is_dir():
        pytest.skip("../shared is not there")
    for asset in WiseLegacy.assets:
        source = next((path for path in WISE.rglob(asset.name) if asset.folder.rpartition("/")[2] in path.parts), None)
        if source is not None:
            asset.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, asset.path)
    assert dry("bagel-wise.yaml", tmp_path) == 0
    text = capsys.readouterr().out
    assert "wise-legacy: 1000 of 1000 items × 1 images" in text
    assert "images to be judged for wise-legacy: at most 3000" in text


def test_checklists_are_planned_and_their_calls_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry("checklist.yaml", tmp_path) == 0
    text = capsys.readouterr().out
    assert "checklist: 6 of 6 items × 4 images" in text
    assert "images to be judged for checklist: at most 72, by at most 864 calls of the judge" in text, "4 questions × 3"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("dpg-bench", "dpg_bench.csv"),
        ("geneval2", "geneval2_data.jsonl"),
        ("unigenbench", "test_prompts_en.csv"),
    ],
)
def test_benchmarks_say_what_to_fetch(name: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry(f"{name}.yaml", tmp_path) == 2
    assert f"{file} has not been fetched; do so with: evalharness fetch {name}" in capsys.readouterr().err


def test_the_composites_are_planned_without_the_second_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry("composite.yaml", tmp_path) == 0
    text = capsys.readouterr().out
    assert all(f"  {arm.name} " in text for arm in sweep_files.load(ROOT / "ablations" / "composite.yaml").arms)
    assert "full-seed1" in text

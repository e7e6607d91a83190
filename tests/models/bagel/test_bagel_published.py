"""The checkpoints and words that have names: fetched, found, and the same as the same files under a path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from evalharness.assets import hub
from evalharness.assets.listing import LISTING
from evalharness.cli import main
from evalharness.errors import WeightsError
from evalharness.generation.formats.unicot import Unicot
from evalharness.generation.formats.zebra import Zebra
from evalharness.models.bagel import published
from evalharness.models.bagel.plugin import Bagel

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "cache"


def copy(bagel_folder: Path, mirror: Path, name: str, **renamed: str) -> Path:
    """The small checkpoint where a mirror has a published one."""
    folder = mirror / published.CHECKPOINTS[name].snapshot.folder
    folder.mkdir(parents=True)
    for file in bagel_folder.iterdir():
        (folder / renamed.get(file.stem, file.name)).write_bytes(file.read_bytes())
    return folder


def test_what_has_not_been_fetched_says_how(bagel_settings: Make) -> None:
    for name, command in (("official", "bagel"), ("unicot", "unicot"), ("zebra", "zebra")):
        with pytest.raises(WeightsError, match=f"has not been fetched; do so with: evalharness fetch {command}$"):
            Bagel(bagel_settings(weights=name)).identity()
        with pytest.raises(WeightsError, match=f"has not been fetched; do so with: evalharness fetch {command}$"):
            _ = Bagel(bagel_settings(words=name)).words
    with pytest.raises(WeightsError, match="evalharness fetch bagel"):
        Bagel(bagel_settings(weights="official")).paint(["the dog"], [1])


def test_a_name_finds_what_was_fetched(bagel_folder: Path, bagel_settings: Make, tmp_path: Path) -> None:
    copy(bagel_folder, tmp_path / "mirror", "official")
    lines: list[str] = []
    hub.fetch_snapshot(published.CHECKPOINTS["official"].snapshot, lines.append, mirror=str(tmp_path / "mirror"))
    assert "not checked" in lines[-1]
    named, given = Bagel(bagel_settings(weights="official", steps=3)), Bagel(bagel_settings(steps=3))
    assert named.identity() == given.identity(), "where the files lie is no part of it"
    images = [np.asarray(tested.paint(["the dog"], [1])[0].image) for tested in (named, given)]
    assert np.array_equal(*images)


def test_zebra_s_file_has_another_name_on_the_hub(bagel_folder: Path, tmp_path: Path) -> None:
    snapshot = published.CHECKPOINTS["zebra"].snapshot
    copy(bagel_folder, tmp_path / "mirror", "zebra", ema="model_bf16.safetensors")
    hub.fetch_snapshot(snapshot, lambda line: None, mirror=str(tmp_path / "mirror"))
    assert (published.folder("zebra") / "ema.safetensors").read_bytes() == (
        bagel_folder / "ema.safetensors"
    ).read_bytes()
    listing = json.loads((snapshot.path / LISTING).read_text())
    assert listing["files"]["ema.safetensors"]["source"] == "model_bf16.safetensors"


def test_words_are_read_from_the_source_that_was_fetched(
    bagel_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = b'SYSTEM_PROMPT = "Think."\ndef f():\n    enhance_prompt = "In detail."\n'
    changed = {"sha256": hashlib.sha256(source).hexdigest(), "size": len(source)}
    checkpoint = replace(published.CHECKPOINTS["unicot"], **changed)
    monkeypatch.setitem(published.CHECKPOINTS, "unicot", checkpoint)  # type: ignore[misc]
    path = checkpoint.source.path
    path.parent.mkdir(parents=True)
    path.write_bytes(source)
    model = Bagel(bagel_settings(words="unicot"))
    assert model.words == {"system": "Think.", "detail": "In detail."}
    assert Unicot(model.words).system == "Think."
    path.write_bytes(source + b"#")
    with pytest.raises(WeightsError, match="is not the published file"):
        _ = model.words


def test_each_has_a_name_to_fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Bagel.assets == published.assets("official")
    assert Unicot.assets == published.assets("unicot")
    assert Zebra.assets == published.assets("zebra")
    assert len({asset for name in published.CHECKPOINTS for asset in published.assets(name)}) == 6  # type: ignore[arg-type]
    (tmp_path / "mirror").mkdir()
    for name in ("bagel", "unicot", "zebra"):
        assert main.main(["fetch", name, "--mirror", str(tmp_path / "mirror")]) == 2
        assert "the mirror lacks" in capsys.readouterr().err

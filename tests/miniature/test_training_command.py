"""The one command that trains everything: it goes on from what is there, and its own scorers look at the sketches."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from evalharness._util.file_digests import file_digest
from evalharness.miniature.embedded import WEIGHTS
from evalharness.miniature.model.network import NetworkConfig
from evalharness.miniature.training import __main__ as everything
from evalharness.miniature.training import unified


def test_a_wrong_option_is_told_before_anything_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert everything.main(["--out", str(tmp_path / "all"), "--arms", "ful"]) == 2
    assert "did you mean 'full'?" in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


def test_a_device_that_is_not_there_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert everything.main(["--out", str(tmp_path / "all"), "--device", "no-such-device"]) == 2
    assert "device 'no-such-device' cannot be used here" in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("network", ["clip", "detector", "judge", "unified"])
def test_each_network_alone_refuses_a_device_that_is_not_there(
    network: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [network, "--device", "no-such-device"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"evalharness.miniature.training.{network}").main()
    assert ended.value.code == 2
    assert "device 'no-such-device' cannot be used here" in capsys.readouterr().err


def test_a_network_whose_training_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert everything.main(["--out", str(tmp_path)]) == 2
    assert "the training of detector ended with exit code 1" in capsys.readouterr().err


@pytest.mark.slow
def test_it_goes_on_with_the_scorers_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unified, "NetworkConfig", lambda words: NetworkConfig(words, width=24, depth=1, heads=2))
    for name in everything.SCORERS:
        shutil.copytree(WEIGHTS / name, tmp_path / name)
    card = tmp_path / "clip" / "card.json"
    card.write_text(card.read_text() + "\n")  # tells it apart from the embedded one
    sizes = {"pretrain": 2, "look": 2, "sampler": 2}
    steps = [part for name, count in sizes.items() for part in (f"--{name}-steps", str(count))]
    counts = ["--steps", "2", "--prompts", "4", "--batch", "10", "--sketch-prompts", "4", *steps]
    assert everything.main(["--out", str(tmp_path), "--arms", "no-self-sampling", *counts, "--no-compile"]) == 0
    assert (tmp_path / "arms" / "no-self-sampling-seed0" / "card.json").is_file()
    sketches = json.loads((tmp_path / "arms" / "sketches" / "card.json").read_text())
    assert sketches["scorer"]["colors"]["config"]["card.json"] == file_digest(card)


@pytest.mark.parametrize("rate", ["nan", "inf", "0", "-0.1"])
def test_a_rate_that_is_none_is_refused_before_anything_is_read(
    rate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["unified", "--out", str(tmp_path / "out"), "--rate", rate, "--device", "cpu"])
    with pytest.raises(SystemExit, match="--rate is a number above 0"):
        unified.main()
    assert not list(tmp_path.iterdir())

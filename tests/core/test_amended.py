"""What the command line says in place of the file."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evalharness import config, sweep
from evalharness.errors import ConfigError, PluginError

FILE = """\
name: mine
model: miniature
models:
  mine: {name: miniature, steps: 7}
benchmarks: [{name: geneval, limit: 3, detector: {name: mask2former, batch_size: 2}}]
arms:
  - {name: single, variant: single_pass}
  - {name: other, variant: single_pass, model: mine}
"""


def load(tmp_path: Path, *words: str, text: str = FILE) -> config.Sweep:
    (tmp_path / "mine.yaml").write_text(text)
    parser = argparse.ArgumentParser()
    sweep.add_arguments(parser)
    options = parser.parse_args([str(tmp_path / "mine.yaml"), *words])
    return config.load(options.file, partial(sweep.amended, options))


def models(found: config.Sweep) -> dict[str, Any]:
    return {arm.name: json.loads(found.models[arm.model].settings.model_dump_json()) for arm in found.arms}


def detector(found: config.Sweep) -> Any:
    return found.resolved()["benchmarks"][0]["detector"]


def test_nothing_said_is_the_file(tmp_path: Path) -> None:
    assert load(tmp_path) == config.load(tmp_path / "mine.yaml")


def test_weights_are_relative_to_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "weights").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    found = models(load(tmp_path, "--weights", "weights"))
    assert found["single"]["weights"] == str(tmp_path / "here" / "weights")
    assert found["other"]["weights"] == "embedded"
    assert models(load(tmp_path, "--weights", "embedded"))["single"]["weights"] == "embedded"


def test_model_and_weights(tmp_path: Path) -> None:
    found = load(tmp_path, "--model", "mine", "--weights", str(tmp_path))
    assert {arm.model for arm in found.arms} == {"mine"}
    assert (models(found)["single"]["weights"], models(found)["single"]["steps"]) == (str(tmp_path), 7)
    assert models(load(tmp_path, "--model", "mine"))["single"]["steps"] == 7


def test_detector(tmp_path: Path) -> None:
    assert detector(load(tmp_path))["batch_size"] == 2
    found = load(tmp_path, "--detector", "mask2former")
    assert (detector(found)["name"], detector(found)["batch_size"]) == ("mask2former", 8)
    assert found.benchmarks[0].limit == 3


def test_official_networks(tmp_path: Path) -> None:
    found = load(tmp_path, "--official")
    expected = {"name": "mask2former", "weights": "official", "batch_size": 2, "device": "auto", "dtype": "float32"}
    assert detector(found) == expected
    assert found.resolved()["benchmarks"][0]["colors"]["weights"] == "official"
    assert found.benchmarks[0].limit == 3
    plain = FILE.replace("{name: geneval, limit: 3, detector: {name: mask2former, batch_size: 2}}", "geneval")
    assert detector(load(tmp_path, "--official", text=plain)) == expected | {"batch_size": 8}
    both = load(tmp_path, "--official", "--detector", "mask2former")
    assert detector(both) == expected | {"batch_size": 8}


def test_what_is_said_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine.yaml:2:8: no model named 'miniatur'; did you mean 'miniature'"):
        load(tmp_path, "--model", "miniatur")
    with pytest.raises(ConfigError, match="no detector named 'mask3former'"):
        load(tmp_path, "--detector", "mask3former")
    with pytest.raises(ConfigError, match="--weights: sweep 'mine' has no model at its top"):
        load(tmp_path, "--weights", "x", text=FILE.replace("model: miniature\n", "", 1))
    with pytest.raises(PluginError, match="did you mean 'geneval'"):
        load(tmp_path, "--detector", "mask2former", text=FILE.replace("geneval", "genevall"))

"""What the command line says in place of the file."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from plugin_packages import InstallPlugins
from pydantic import BaseModel, ConfigDict

from evalharness.api.plugin import NoSettings
from evalharness.cli import sweep
from evalharness.config import overrides, schema, sweep_files
from evalharness.errors import ConfigError, PluginError
from evalharness.testing import MockJudge

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


def load(tmp_path: Path, *words: str, text: str = FILE) -> schema.Sweep:
    (tmp_path / "mine.yaml").write_text(text)
    parser = argparse.ArgumentParser()
    sweep.add_arguments(parser)
    options = parser.parse_args([str(tmp_path / "mine.yaml"), *words])
    return sweep_files.load(options.file, partial(overrides.overridden, options))


def models(amended: schema.Sweep) -> dict[str, Any]:
    return {arm.name: json.loads(amended.models[arm.model].settings.model_dump_json()) for arm in amended.arms}


def detector(amended: schema.Sweep) -> Any:
    return amended.resolved()["benchmarks"][0]["detector"]


def test_nothing_said_is_the_file(tmp_path: Path) -> None:
    assert load(tmp_path) == sweep_files.load(tmp_path / "mine.yaml")


def test_weights_are_relative_to_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "weights").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    amended = models(load(tmp_path, "--weights", "weights"))
    assert amended["single"]["weights"] == str(tmp_path / "here" / "weights")
    assert amended["other"]["weights"] == "embedded"
    assert models(load(tmp_path, "--weights", "embedded"))["single"]["weights"] == "embedded"


def test_model_and_weights(tmp_path: Path) -> None:
    amended = load(tmp_path, "--model", "mine", "--weights", str(tmp_path))
    assert {arm.model for arm in amended.arms} == {"mine"}
    assert (models(amended)["single"]["weights"], models(amended)["single"]["steps"]) == (str(tmp_path), 7)
    assert models(load(tmp_path, "--model", "mine"))["single"]["steps"] == 7


OWN = """\
name: own
model: miniature
models: {a: mock, b: {name: mock, size: 16}}
benchmarks: [{name: geneval, limit: 3}]
arms:
  - {name: one, variant: single_pass, model: a}
  - {name: two, variant: single_pass, model: [a, b]}
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "miniature", "--weights", "/nonexistent"], r"--model: all arms name their own model \(a, b\)"),
        (["--model", "miniature"], "--model: all arms .* leave out their `model:`"),
        (["--weights", "/nonexistent"], "--weights: all arms .* give its --weights"),
        (["--model", "a"], "--model: all arms name their own model"),
        (["--model", "b", "--weights", "w", "--only", "one"], r"--model: all arms name their own model \(a\)"),
    ],
)
def test_a_model_that_no_arm_uses_is_a_mistake(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, *words, text=OWN)


def test_a_model_that_some_arm_uses_is_none(tmp_path: Path) -> None:
    text = OWN.replace("a: mock", "a: miniature")
    amended = models(load(tmp_path, "--model", "a", "--weights", str(tmp_path), text=text))
    assert [amended[arm].get("weights") for arm in ("one", "two model=a", "two model=b")] == [str(tmp_path)] * 2 + [
        None
    ]
    text = text.replace("single_pass, model: a}", "single_pass}")
    assert models(load(tmp_path, "--model", "b", "--only", "one", text=text))["one"]["size"] == 16
    with pytest.raises(ConfigError, match="all arms name their own model"):
        load(tmp_path, "--model", "b", "--only", "two model=a", text=text)


def test_detector(tmp_path: Path) -> None:
    assert detector(load(tmp_path))["batch_size"] == 2
    amended = load(tmp_path, "--detector", "mask2former")
    assert (detector(amended)["name"], detector(amended)["batch_size"]) == ("mask2former", 8)
    assert amended.benchmarks[0].limit == 3


def test_official_networks(tmp_path: Path) -> None:
    amended = load(tmp_path, "--official")
    expected = {"name": "mask2former", "weights": "official", "batch_size": 2, "device": "auto", "dtype": "float32"}
    assert detector(amended) == expected
    assert amended.resolved()["benchmarks"][0]["colors"]["weights"] == "official"
    assert amended.benchmarks[0].limit == 3
    plain = FILE.replace("{name: geneval, limit: 3, detector: {name: mask2former, batch_size: 2}}", "geneval")
    assert detector(load(tmp_path, "--official", text=plain)) == expected | {"batch_size": 8}
    both = load(tmp_path, "--official", "--detector", "mask2former")
    assert detector(both) == expected | {"batch_size": 8}


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        ("{precision: published}", ["published"]),
        ("[{precision: published}, {}]", ["published", "float32"]),
        ("{architecture: ViT-L-14, pretrained: openai, precision: published}", ["published"]),
    ],
)
def test_official_networks_keep_the_settings_of_the_colours(tmp_path: Path, colors: str, expected: list[str]) -> None:
    text = FILE.replace("limit: 3,", f"limit: 3, colors: {colors},")
    found = [entry["colors"] for entry in load(tmp_path, "--official", text=text).resolved()["benchmarks"]]
    common = {"weights": "official", "architecture": None, "pretrained": None, "device": "auto"}
    assert found == [common | {"precision": precision} for precision in expected]


def test_each_of_several_detectors_is_official_and_one_that_is_said_replaces_all(tmp_path: Path) -> None:
    several = "detector: [mask2former, {name: mask2former, batch_size: 3}, [{name: mask2former, batch_size: 4}]]"
    text = FILE.replace("detector: {name: mask2former, batch_size: 2}", several)
    found = [entry["detector"] for entry in load(tmp_path, "--official", text=text).resolved()["benchmarks"]]
    assert [(one["weights"], one["batch_size"]) for one in found] == [("official", 8), ("official", 3), ("official", 4)]
    (benchmark,) = load(tmp_path, "--detector", "mask2former", "--official", text=text).benchmarks
    assert benchmark.plugin.settings.model_dump()["detector"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("detector: {name: mask2former, batch_size: 2}", "detector: null", "a detector is a name"),
        ("detector: {name: mask2former, batch_size: 2}", "detector: [5]", "a detector is a name"),
        ("detector: {name: mask2former, batch_size: 2}", "detector: []", "an empty list leaves no arm"),
        ("limit: 3,", "limit: 3, colors: published,", "colors: "),
        ("limit: 3,", "limit: 3, colors: null,", "colors: "),
    ],
)
def test_what_is_no_detector_and_no_colours_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine.yaml:5:\d+: .*{message}"):
        load(tmp_path, "--official", text=FILE.replace(old, new))


def test_what_is_said_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine.yaml:2:8: no model named 'miniatur'; did you mean 'miniature'"):
        load(tmp_path, "--model", "miniatur")
    with pytest.raises(ConfigError, match="no detector named 'mask3former'"):
        load(tmp_path, "--detector", "mask3former")
    with pytest.raises(ConfigError, match="--weights: sweep 'mine' has no model at its top"):
        load(tmp_path, "--weights", "x", text=FILE.replace("model: miniature\n", "", 1))
    with pytest.raises(PluginError, match="did you mean 'geneval'"):
        load(tmp_path, "--detector", "mask2former", text=FILE.replace("geneval", "genevall"))


# --- judges ---


class Recorded(MockJudge):
    """A judge that has neither endpoint nor model, nor any settings."""

    name = "recorded"
    Settings = NoSettings


class Gateway(MockJudge):
    """A judge with an endpoint and a model."""

    name = "gateway"

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        model: str
        base_url: str = "http://127.0.0.1:8000/v1"
        places: int = 64

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


JUDGED = """\
name: judged
model: miniature
benchmarks:
  - {name: geneval, limit: 3}
  - {name: wise-verified, judge: {name: gateway, model: small, places: 8}}
  - {name: wise-legacy, judge: recorded, judge_repeats: 2}
arms: [{name: single, variant: single_pass}]
"""


@pytest.fixture
def judges(install_plugins: InstallPlugins) -> None:
    install_plugins(judges=[Gateway, Recorded])


def judged(amended: schema.Sweep) -> list[Any]:
    return [entry.get("judge") for entry in amended.resolved()["benchmarks"]]


@pytest.mark.usefixtures("judges")
class TestJudge:
    def test_nothing_said_is_the_file(self, tmp_path: Path) -> None:
        small = {"name": "gateway", "model": "small", "base_url": "http://127.0.0.1:8000/v1", "places": 8}
        assert judged(load(tmp_path, text=JUDGED)) == [None, small, {"name": "recorded"}]

    @pytest.mark.parametrize("model", ["--judge-model", "--model"])
    def test_a_judge_is_that_of_all_benchmarks_with_one(self, tmp_path: Path, model: str) -> None:
        words = ["--judge", "gateway", "--base-url", "http://box:1/v1", model, "Qwen3.5-35B-A3B"]
        amended = load(tmp_path, *words, text=JUDGED)
        gateway = {"name": "gateway", "model": "Qwen3.5-35B-A3B", "base_url": "http://box:1/v1", "places": 64}
        assert judged(amended) == [None, gateway | {"places": 8}, gateway], (
            "the file's gateway keeps what is not said here"
        )
        assert amended.arms[0].model == "miniature"
        assert amended.resolved()["benchmarks"][2]["judge_repeats"] == 2

    def test_a_model_that_draws_is_no_judge(self, tmp_path: Path) -> None:
        words = ["--judge", "gateway", "--judge-model", "big", "--model", "folder"]
        with pytest.raises(ConfigError, match="key 'path' is missing"):
            load(tmp_path, *words, text=JUDGED)
        with pytest.raises(ConfigError, match="key 'model' of 'gateway' is missing"):
            load(tmp_path, "--judge", "gateway", "--model", "miniature", text=JUDGED)
        with pytest.raises(ConfigError, match=r"no model is called 'minature'; did you mean 'miniature'\? If"):
            load(tmp_path, "--judge", "gateway", "--model", "minature", text=JUDGED)
        with pytest.raises(ConfigError, match=r"no model named 'Qwen3\.5'"):
            load(tmp_path, "--model", "Qwen3.5", text=JUDGED)

    def test_what_only_the_file_names_gets_other_settings(self, tmp_path: Path) -> None:
        text = JUDGED.replace("  - {name: wise-legacy, judge: recorded, judge_repeats: 2}\n", "")
        amended = judged(load(tmp_path, "--base-url", "http://box:1/v1", "--judge-model", "big", text=text))[1]
        assert amended == {"name": "gateway", "model": "big", "base_url": "http://box:1/v1", "places": 8}

    def test_mistakes_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--base-url: judge 'recorded' has no base_url"):
            load(tmp_path, "--base-url", "http://box:1/v1", text=JUDGED)
        with pytest.raises(ConfigError, match="--judge-model: judge 'recorded' has no model"):
            load(tmp_path, "--judge", "recorded", "--judge-model", "big", text=JUDGED)
        without = JUDGED.replace(", judge: recorded", "")
        with pytest.raises(ConfigError, match="--base-url: the file names no judge for wise-legacy; say which"):
            load(tmp_path, "--base-url", "http://box:1/v1", text=without)
        with pytest.raises(ConfigError, match=r"mine.yaml:6:.*key 'judge' is missing"):
            load(tmp_path, text=without)
        with pytest.raises(ConfigError, match="--judge: no benchmark of sweep 'mine' has a judge"):
            load(tmp_path, "--judge", "gateway")
        with pytest.raises(ConfigError, match="--base-url: no benchmark of sweep 'mine' has a judge"):
            load(tmp_path, "--base-url", "http://box:1/v1")

    @pytest.mark.parametrize(
        ("of_file", "words", "expected"),
        [
            ("[recorded, {name: gateway, model: small, places: 8}]", ["--judge", "gateway"], [("small", 8)]),
            (
                "[{name: gateway, model: a}, {name: gateway, model: b, places: 8}]",
                ["--base-url", "http://box:1/v1"],
                [("a", 64), ("b", 8)],
            ),
            ("[{name: gateway, model: a}, {name: gateway, model: b}]", ["--judge-model", "c"], [("c", 64)]),
            ("[recorded, recorded]", ["--judge", "gateway", "--judge-model", "c"], [("c", 64)]),
        ],
    )
    def test_each_of_several_judges_is_changed(
        self, tmp_path: Path, of_file: str, words: list[str], expected: list[Any]
    ) -> None:
        text = JUDGED.replace("  - {name: wise-legacy, judge: recorded, judge_repeats: 2}\n", "")
        amended = judged(load(tmp_path, *words, text=text.replace("{name: gateway, model: small, places: 8}", of_file)))
        assert [(judge["model"], judge["places"]) for judge in amended[1:]] == expected
        assert {judge["base_url"] for judge in amended[1:]} == {
            words[1] if words[0] == "--base-url" else "http://127.0.0.1:8000/v1"
        }

    @pytest.mark.parametrize("of_file", ["null", "5", "[5]", "true"])
    @pytest.mark.parametrize("words", [["--judge", "recorded"], ["--base-url", "http://box:1/v1"]])
    def test_what_is_no_judge_is_named(self, tmp_path: Path, of_file: str, words: list[str]) -> None:
        text = JUDGED.replace("{name: gateway, model: small, places: 8}", of_file)
        text = text.replace("  - {name: wise-legacy, judge: recorded, judge_repeats: 2}\n", "")
        with pytest.raises(ConfigError, match=r"mine.yaml:5:\d+: judge: .*a judge is a name"):
            load(tmp_path, *words, text=text)

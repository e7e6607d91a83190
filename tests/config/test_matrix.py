"""Lists, ranges, names and paths of sweep files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import SINGLE, SWEEP

from evalharness.config import sweep_files, yaml
from evalharness.errors import ConfigError
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import select

Write = Callable[[str], Path]
GENEVAL = ("{name: mock,", "{name: geneval, position_threshold: [0.1, 0.2],")


def arms(sweep: sweep_files.Sweep) -> list[str]:
    return [arm.name for arm in sweep.arms]


def test_an_arm_in_the_file_is_all_of_its_models_however_they_are_written(sweep_file: Write) -> None:
    text = SWEEP.replace("model: mock\n", "models:\n  my mock: {name: mock}\n  b: {name: mock, size: 4}\n")
    text = text.replace("single_pass}", "single_pass, model: b}").replace("1..3}", "2, model: [my mock, b]}")
    sweep = sweep_files.load(sweep_file(text))
    assert arms(sweep)[1:] == ["process model=my-mock", "process model=b"]
    assert arms(select(sweep, ["process"])) == ["process model=my-mock", "process model=b"]


def test_settings_of_a_model_are_swept_where_they_stand(sweep_file: Write) -> None:
    text = SWEEP.replace("model: mock\n", "models:\n  m: {name: mock, size: [4, 8..9], seed_of_nothing: 0}\n")
    text = text.replace(", seed_of_nothing: 0", "").replace("1..3}", "2}")
    sweep = sweep_files.load(sweep_file(text))
    sizes = ["model.size=4", "model.size=8", "model.size=9"]
    assert arms(sweep) == [f"{arm} {size}" for arm in ("single", "process") for size in sizes]
    assert [sweep.models[arm.model].settings.size for arm in sweep.arms] == 2 * [4, 8, 9]  # type: ignore[attr-defined]
    assert arms(select(sweep, ["process"])) == [f"process {size}" for size in sizes]
    # What a run records of the sweep is the same sweep.
    again = sweep_files.parse(yaml.Document(Path("results.json"), sweep.resolved()))
    assert again.resolved() == sweep.resolved() and make_plan(again).samples == make_plan(sweep).samples


def test_settings_of_a_benchmark_are_swept_where_they_stand(sweep_file: Write) -> None:
    sweep = sweep_files.load(sweep_file(SINGLE.replace(*GENEVAL).replace("model: mock", "model: miniature")))
    assert [spec.name for spec in sweep.benchmarks] == [f"geneval position_threshold={value}" for value in (0.1, 0.2)]
    plan = make_plan(sweep)
    assert (len(plan.samples), len(plan.jobs)) == (12, 6)  # drawn once, scored twice


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: mock\n", "models:\n  m: {name: mock, size: 1..1000, iterations: 1..1000}\n", "more than 1000 models"),
        ("model: mock\n", "model: {name: mock, size: 1..1000, iterations: 1..2}\n", "more than 1000 models"),
        (GENEVAL[0], "{name: geneval, max_objects: 1..1000, batch_size: 1..1000,", "more than 1000 benchmarks"),
    ],
)
def test_settings_make_no_more_models_and_benchmarks_than_arms(
    sweep_file: Write, old: str, new: str, message: str
) -> None:
    assert old in SINGLE
    with pytest.raises(ConfigError, match=rf"\.yaml:\d+:\d+: {message}"):
        sweep_files.load(sweep_file(SINGLE.replace(old, new)))


def test_a_setting_that_takes_a_list_is_not_swept(sweep_file: Write, tmp_path: Path) -> None:
    text = SWEEP.replace("model: mock", "model: {name: mock, sizes: [1, 2]}")
    with pytest.raises(ConfigError, match="unknown key 'sizes'"):
        sweep_files.load(sweep_file(text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: process", "name: " + "p" * 5000, r"an arm's name has at most 200 characters, this one 5000"),
        ("name: process", 'name: "process\\n"', "an arm needs a name that starts with a letter or digit"),
        ("model: mock\n", 'models: {"a\\n": mock}\n', "models"),
        ("model: mock\n", f"models: {{{'a' * 300}: mock}}\n", "models"),
        ("model: mock\n", "models: {mock: {name: mock, size: 4}}\nmodel: {name: mock}\n", "is also a key of 'models'"),
        ("limit: 6", "limit: 1:30", "valid integer"),
    ],
)
def test_names_are_short_and_belong_to_one_thing(sweep_file: Write, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        sweep_files.load(sweep_file(SWEEP.replace(old, new)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_environment_variables_and_home_in_paths(
    sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NOWHERE", raising=False)

    def weights(path: str) -> Path:
        text = SWEEP.replace("model: mock", f'model: {{name: miniature, weights: "{path}"}}')
        return sweep_files.load(sweep_file(text)).models["miniature"].settings.weights  # type: ignore[attr-defined]

    assert weights("$SCRATCH/a") == weights("${SCRATCH}/a") == tmp_path / "scratch" / "a"
    assert weights("~/a") == tmp_path / "home" / "a"
    assert weights("a") == tmp_path / "a"
    with pytest.raises(ConfigError, match=r"tiny\.yaml:3:8: .*the environment variable NOWHERE is not set"):
        weights("$NOWHERE/a")

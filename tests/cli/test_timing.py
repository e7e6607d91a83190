"""What a dry run says of time: by what was measured, here or elsewhere, and otherwise that nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mock_sweeps import SWEEP as PLAIN
from mock_sweeps import draw_and_score

from evalharness._util.exit_codes import ExitCode
from evalharness._util.progress import duration
from evalharness.cli import main, sweep
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, WeightsError
from evalharness.execution import rates
from evalharness.execution.cost_estimates import CostEstimate, describe
from evalharness.execution.rates import Rate
from evalharness.planning.planner import make_plan
from evalharness.testing import MockModel, MockScorer

pytestmark = pytest.mark.usefixtures("mock_clock")
Write = Callable[[str], Path]
HALF_A_SECOND = "{name: mock, batch_size: 1, seconds: 0.5, iterations: 5, fails: [broken]}"
"""A model that draws for half a second, once in each iteration, and never says that it is done."""
SWEEP = PLAIN.replace("model: mock", f"model: {HALF_A_SECOND}")
OTHER_MODEL = HALF_A_SECOND.replace("batch_size", "size: 9, batch_size")


def dry(file: Path, *options: str) -> str:
    """What a dry run prints."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert sweep.main([str(file), "--out", str(file.parent / "r" / "x"), "--dry-run", *options]) == 0
    return out.getvalue()


def given(folder: Path, **content: object) -> str:
    path = folder / "rates.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_without_a_measurement_it_says_so_and_how_to_get_one(sweep_file: Write) -> None:
    text = dry(sweep_file(SWEEP))
    assert "expected time to draw: unknown for 12 trajectories\n" in text
    assert "single of mock: 6 trajectories, no rate" in text
    assert "no measured rate for single of mock, process of mock; on the machine that will draw all, measure" in text
    assert "GPU hours" not in text


def test_the_command_that_it_says_measures(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """An image a prompt and model and variant, the longest cap, no look at any; a part of the sweep."""
    file = sweep_file(SWEEP)
    (command,) = [line.split() for line in dry(file).splitlines() if line.startswith("    evalharness timing ")]
    assert command[:5] == ["evalharness", "timing", str(file), "--draw", "8"]
    out, store = file.parent / "rates.yaml", file.parent / "r" / "store"
    assert command[5:] == ["--store", str(store), "--out", "rates.yaml"]
    assert main.main(["timing", str(file), "--draw", "2", "--store", str(store), "--out", str(out)]) == 0
    assert sorted(Counter(prompt for prompt, _ in MockModel.drawn).values()) == [1, 1, 3, 3], "two prompts of each arm"
    assert MockScorer.scored == []
    measured = rates.read(out)
    assert measured.seconds == {"mock": {"single": 0.5, "process": 0.5}}
    assert "CPU" in measured.source and "unknown" not in measured.source
    text = dry(file)
    assert "trajectories to draw: 8 " in text, "those of the sweep that are left"
    assert "single of mock: 4 trajectories × 0.5 s = 2 s (measured, 2 in the store)" in text
    assert "no measured rate" not in text
    drawn = len(MockModel.drawn)
    assert main.main(["timing", str(file), "--draw", "2", "--store", str(store)]) == 0
    assert len(MockModel.drawn) == drawn, "measured already"


def test_only_what_is_here_is_measured(
    sweep_file: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither another model's weights nor a scorer's need be there."""

    def missing(self: MockModel) -> dict[str, object]:
        if self.settings.size == 9:
            raise WeightsError("no weights folder x")
        return {"size": self.settings.size}

    def no_scorer(self: object) -> None:
        raise WeightsError("no detector")

    monkeypatch.setattr(MockModel, "identity", missing)
    monkeypatch.setattr(MockScorer, "identity", no_scorer)
    models = f"models: {{far: {OTHER_MODEL}}}\n"
    arm = "  - {name: away, model: far, variant: single_pass}\n"
    file = sweep_file(SWEEP.replace("benchmarks:", models + "benchmarks:") + arm)
    command = ["timing", str(file), "--draw", "1", "--store", str(file.parent / "store")]
    assert main.main(command) == ExitCode.INCOMPLETE
    printed = capsys.readouterr()
    assert "not measured: model far: no weights folder x\n" in printed.err
    assert printed.err.endswith("evalharness: incomplete: no rate of model far: no weights folder x\n")
    assert yaml.safe_load(printed.out)["seconds"] == {"mock": {"single": 0.5, "process": 0.5}}
    assert main.main([*command, "--only", "single", "--only", "process"]) == ExitCode.COMPLETE
    capsys.readouterr()
    assert main.main([*command, "--only", "away"]) == 2
    assert capsys.readouterr().err == "evalharness: no weights folder x\n"


def test_arms_of_which_nothing_is_drawn_are_missing(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(SWEEP)
    command = ["timing", str(file), "--store", str(file.parent / "store")]
    assert main.main([*command, "--only", "single", "--draw", "1"]) == ExitCode.COMPLETE
    capsys.readouterr()
    assert main.main(command) == ExitCode.INCOMPLETE
    printed = capsys.readouterr()
    assert yaml.safe_load(printed.out)["seconds"] == {"mock": {"single": 0.5}}
    assert printed.err == "evalharness: incomplete: no rate of process of mock: nothing is drawn\n"


def test_what_cannot_be_drawn_says_why(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = "{name: mock, prompts: [broken 1, broken 2], samples: 1}"
    file = sweep_file(SWEEP.replace("{name: mock, limit: 6, samples: 1}", benchmark))
    command = ["timing", str(file), "--draw", "9", "--only", "single", "--store", str(file.parent / "store")]
    assert main.main(command) == 2
    error = capsys.readouterr().err
    assert "warning: 2 of 2 failed: ValueError: the mock fails on 'broken'" in error
    assert error.endswith("has no image of 'tiny'; draw a few before, with --draw 8\n")


def test_rates_without_some_of_the_drawings_are_incomplete(
    sweep_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = "{name: mock, prompts: [broken 1, good 2], samples: 1}"
    file = sweep_file(SWEEP.replace("{name: mock, limit: 6, samples: 1}", benchmark))
    command = ["timing", str(file), "--draw", "9", "--only", "single", "--store", str(file.parent / "store")]
    assert main.main(command) == ExitCode.INCOMPLETE
    printed = capsys.readouterr()
    assert yaml.safe_load(printed.out)["seconds"] == {"mock": {"single": 0.5}}
    assert printed.err.endswith("evalharness: incomplete: 1 drawing failed, and rates are of the others\n")


@pytest.mark.usefixtures("crashing_plugins")
def test_the_command_keeps_what_was_chosen(sweep_file: Write) -> None:
    file = sweep_file(PLAIN.replace("model: mock", "model: crashing"))
    (file.parent / "my weights").write_text("1")
    text = dry(file, "--only", "single", "--weights", "my weights", "--store", "s t")
    assert "--weights 'my weights' --only single --store 's t' --out rates.yaml\n" in text


def test_a_few_that_were_drawn_tell_the_rest(sweep_file: Write) -> None:
    """The mock takes half a second an image, so half a second an iteration."""
    file = sweep_file(SWEEP)
    draw_and_score(file, file.parent / "r" / "x", limit=2)
    text = dry(file, "--full")
    assert "trajectories to draw: 36 " in text
    assert "single of mock: 18 trajectories × 0.5 s = 9 s (measured, 2 in the store)" in text
    assert "process of mock: 18 trajectories × at most 3 iterations × 0.5 s = 27 s (measured, 2 in the store)" in text
    assert f"expected time to draw: about {duration(36)}" in text


def test_another_identity_s_seconds_are_not_used(sweep_file: Write) -> None:
    file = sweep_file(SWEEP)
    draw_and_score(file, file.parent / "r" / "x", limit=2)
    other = sweep_file(SWEEP.replace(HALF_A_SECOND, OTHER_MODEL))
    assert "unknown for 12 trajectories" in dry(other)


def test_gpu_hours_count_the_devices_of_an_image(sweep_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MockModel, "device_count", 2, raising=False)
    file = sweep_file(SWEEP)
    text = dry(file, "--rates", given(file.parent, source="H100", seconds={"mock": {"single": 600, "process": 1200}}))
    assert "single of mock: 6 trajectories × 600 s = 1 h 0 min (H100)" in text
    assert "process of mock: 6 trajectories × at most 3 iterations × 1.2e+03 s = 6 h 0 min (H100)" in text
    assert "GPU hours: about 14.0\n" in text
    partly = dry(file, "--rates", given(file.parent, seconds={"mock": {"single_pass": 600}}))
    assert "unknown for 6 trajectories, about 1 h 0 min for the others" in partly
    assert "GPU hours: about 2.0 where there is a rate\n" in partly
    assert "no measured rate for process of mock;" in partly


def test_what_goes_on_elsewhere_goes_on_at_once() -> None:
    line = describe([CostEstimate("api", "drawn", 80, 80, Rate(12.0, "measured", 0.04), None, 8)], "")
    assert line[0].startswith("expected time to draw: about 2 min 0 s, if each trajectory goes to its cap")
    assert line[1] == "  drawn of api: 80 trajectories × 12 s / 8 at once = 2 min 0 s, 3.20 dollars (measured)"
    assert len(line) == 2
    assert describe([], "") == ["expected time to draw: nothing"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"seconds": {"mok": {"single": 1}}}, "--rates: the sweep has no model 'mok'; did you mean 'mock'?"),
        ({"seconds": {"mock": {"singel": 1}}}, "--rates: model 'mock' has no arm 'singel'; did you mean 'single'?"),
        ({"seconds": {"mock": {"single": -1}}}, "is no file of rates: seconds.mock.single: input should be greater"),
        ({"seconds": {"mock": {"single": "1"}}}, "is no file of rates: seconds.mock.single: input should be a valid"),
        ({"second": {}}, "is no file of rates: "),
    ],
)
def test_a_wrong_file_of_rates(
    content: dict[str, object], says: str, sweep_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(SWEEP)
    assert sweep.main([str(file), "--dry-run", "--rates", given(file.parent, **content)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_rates_of_a_run_are_a_file_for_another_machine(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(SWEEP)
    out = file.parent / "r" / "x"
    command = ["timing", str(file), "--store", str(file.parent / "r" / "store")]
    assert main.main(command) == 2
    assert "has no image of 'tiny'; draw a few before, with --draw 8" in capsys.readouterr().err
    draw_and_score(file, out, limit=2)
    capsys.readouterr()
    assert main.main([*command, "--out", str(file.parent / "rates.yaml")]) == 0
    measured = rates.read(file.parent / "rates.yaml")
    assert measured.seconds == {"mock": {"single": 0.5, "process": 0.5}}
    assert "CPU" in measured.source, "of a run of a part, too"
    assert main.main([*command, "--out", str(file.parent / "rates.yaml")]) == 2
    assert "exists; choose another --out" in capsys.readouterr().err
    elsewhere = sweep_file(SWEEP.replace(HALF_A_SECOND, OTHER_MODEL))
    text = dry(elsewhere, "--rates", str(file.parent / "rates.yaml"), "--store", str(file.parent / "none"))
    assert "expected time to draw: about 12 s" in text


def test_a_dry_run_needs_no_weights_and_a_run_does(
    sweep_file: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(self: object) -> None:
        raise WeightsError("no weights folder x")

    monkeypatch.setattr(MockModel, "identity", missing)
    file = sweep_file(SWEEP)
    text = dry(file)
    assert "trajectories to draw: 12 " in text
    assert "not here: model mock: no weights folder x\n" in text
    assert sweep.main([str(file), "--out", str(file.parent / "r" / "x")]) == 2
    assert capsys.readouterr().err == "evalharness: no weights folder x\n"
    with pytest.raises(WeightsError):
        make_plan(sweep_files.load(file))
    monkeypatch.setattr(MockScorer, "identity", missing)
    assert "not here: scorer of mock: no weights folder x" in dry(file)


def test_a_mistake_is_still_one(sweep_file: Write) -> None:
    with pytest.raises(ConfigError, match="does not speak"):
        make_plan(sweep_files.load(sweep_file(SWEEP.replace("max_iterations: 1..3", "format: stroke"))), {})

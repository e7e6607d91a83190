"""The command: its lines, its JSON, its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from squares_benchmark import PlainSquares, Squares, SquareScorer

from evalharness.api import registry
from evalharness.cli import main
from evalharness.doctor import checks, kernels, sweep_checks, system
from evalharness.doctor.check_result import ok
from evalharness.execution.executors.in_process import InProcess
from evalharness.miniature.model.plugin import Miniature
from evalharness.miniature.world.board import SIZE

SWEEP = """\
name: mine
models: {m: {name: miniature}}
benchmarks: [{name: squares, weights: "another1", known: false}]
arms:
  - {name: single, model: m, variant: single_pass}
"""


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[tuple[str, str], Any]:
    """Squares and the miniature in place of all plugins but formats and variants; only cheap checks of the machine."""
    plugins: dict[tuple[str, str], Any] = {
        ("benchmarks", "squares"): Squares,
        ("benchmarks", "plain"): PlainSquares,
        ("executors", "local"): InProcess,
        ("models", "miniature"): Miniature,
    }
    kept, real = {kind: registry.available(kind) for kind in ("formats", "variants")}, registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: real(kind, name) if kind in kept else plugins[kind, name])
    monkeypatch.setattr(registry, "available", lambda kind: kept.get(kind, {}))
    monkeypatch.setattr(checks, "EMBEDDED_BENCHMARK", "squares")
    slow_checks = {
        "torch": (system, "check_torch"),
        "devices": (kernels, "check_gpus"),
        "every_device": (kernels, "check_all_devices"),
        "mmcv": (kernels, "check_mmcv"),
    }
    for check, (module, function) in slow_checks.items():
        monkeypatch.setattr(module, function, lambda check=check: [ok(check, "fine")])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    return plugins


def written(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Check → its line; the last one, if there are several."""
    return {line[6:].partition(":")[0]: line for line in capsys.readouterr().out.splitlines()}


@pytest.mark.usefixtures("plugged")
def test_a_machine_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor"]) == 0
    lines = written(capsys)
    assert {line[:4] for line in lines.values()} == {"ok  "}
    assert list(lines)[-2:] == ["embedded detector", "embedded colours"]
    assert {"python", "packages", "opencv", "disk"} <= lines.keys()


@pytest.mark.usefixtures("plugged")
def test_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    monkeypatch.setattr(Squares, "known_answers", lambda self: 1 / 0)
    assert main.main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["findings"][-1] == {
        "check": "embedded",
        "status": "fail",
        "message": "ZeroDivisionError: division by zero",
        "advice": "what this check uses does not work here",
    }


@pytest.mark.usefixtures("plugged")
def test_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--sweep", "mine.yaml"]) == 0
    lines = written(capsys)
    assert lines["model m"].startswith("ok    model m: miniature ")
    assert lines["scorer squares"] == "ok    scorer squares: square another1"
    assert "judge squares" not in lines, "a scorer without a judge"
    assert lines["squares"].startswith("warn  squares: 12 objects found in 12 images; what is right is not known")


@pytest.mark.usefixtures("plugged")
def test_a_sweep_that_lacks_things(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(
        SWEEP.replace("another1", "missing").replace("name: miniature", "name: miniature, weights: nowhere")
    )
    assert main.main(["doctor", "--sweep", "mine.yaml"]) == 1
    lines = written(capsys)
    assert lines["model m"] == f"fail  model m: no weights folder {tmp_path / 'nowhere'}"
    assert lines["scorer squares"] == "fail  scorer squares: no weights; fetch them"
    assert "squares" not in lines, "it is said once"
    monkeypatch.setattr(SquareScorer, "reachable", _does_not_answer)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    assert main.main(["doctor", "--sweep", "mine.yaml"]) == 1
    assert written(capsys)["scorer squares"] == "fail  scorer squares: the judge does not answer; start it"


def _does_not_answer(self: Any) -> None:
    from evalharness.errors import EvalHarnessError

    raise EvalHarnessError("the judge does not answer; start it")


def test_golden_files(plugged: dict[tuple[str, str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photographs").mkdir()
    Image.new("RGB", (70, 50), "red").save(tmp_path / "photographs" / "a.JPG")
    writing = ["doctor", "--sweep", "mine.yaml", "--write-golden", "golden.json", "--images", "photographs"]
    assert main.main(writing) == 0
    assert written(capsys)["write-golden"] == "ok    write-golden: golden.json"
    assert main.main(writing) == 2
    assert "golden.json is there already" in capsys.readouterr().err
    assert main.main(["doctor", "--sweep", "mine.yaml", "--golden", "golden.json"]) == 0
    lines = written(capsys)
    assert lines["squares golden"].startswith("ok    squares golden: 13 objects in 13 images as on ")
    assert "squares" not in lines, "the golden file says what is right"

    class Worse(Squares):
        def __init__(self, settings: Any) -> None:
            super().__init__(settings)
            self.square_scorer.lower = 0.1 * (settings.weights == "another1")

    plugged["benchmarks", "squares"] = Worse
    assert main.main(["doctor", "--sweep", "mine.yaml", "--golden", "golden.json"]) == 1
    assert written(capsys)["squares golden"].startswith("fail  squares golden: ")


@pytest.mark.usefixtures("plugged")
def test_no_golden_file_of_a_machine_that_is_out_of_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "check_all_devices", lambda: 1 / 0)
    assert main.main(["doctor", "--write-golden", "golden.json"]) == 1
    line = written(capsys)["write-golden"]
    assert line == "fail  write-golden: golden.json is not written: a check failed; record only a machine in order"
    assert not (tmp_path / "golden.json").exists()


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sweep", "none.yaml"], "none.yaml: no such file"),
        (["--golden", "none.json"], "cannot read the golden file none.json"),
        (["--images", "."], "--images goes with --write-golden"),
        (["--write-golden", "new.json", "--images", "."], "holds 0 images; 1 to 32 make a golden file"),
        (["--sweep", "plain.yaml", "--write-golden", "new.json"], "no benchmark has a scorer that golden images could"),
    ],
)
def test_mistakes(options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.yaml").write_text(SWEEP.replace("squares", "plain"))
    assert main.main(["doctor", *options]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert (output.out, output.err.count("\n")) == ("", 1)


@pytest.mark.usefixtures("plugged")
def test_room_for_a_sweep_s_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evalharness.config import sweep_files

    def needed(text: str) -> float:
        (tmp_path / "x.yaml").write_text(text)
        return sweep_checks.estimate_image_bytes(sweep_files.load(tmp_path / "x.yaml"))

    assert needed(SWEEP) == 2 * SIZE**2
    process: Callable[[str], str] = lambda more: SWEEP.replace("single_pass", f"process, max_iterations: 5{more}")  # noqa: E731
    assert needed(process("")) == 10 * 2 * SIZE**2
    assert needed(process(", refine: false")) == 5 * 2 * SIZE**2
    monkeypatch.setattr(Miniature, "blank", lambda self: None)
    assert needed(SWEEP) == 2 * 1024 * 1024


@pytest.mark.slow
def test_the_real_thing_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--json", "--store", str(tmp_path), "--sweep", "geneval.yaml"]) == 0
    statuses = {finding["check"]: finding["status"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert set(statuses) >= {"torch", "kernels", "mmcv", "fetched", "embedded detector", "embedded colours"}
    assert set(statuses) >= {"model miniature", "scorer geneval"}

"""A folder of a run that came from elsewhere is data: nothing that it names is run, and what it lacks is one line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mock_sweeps
import pytest
from mock_sweeps import SWEEP
from plugin_packages import InstallPlugins
from trap_plugins import MARK, Exporting, TrapBenchmark, TrapExecutor, TrapModel, TrapVariant

import evalharness as eh
from evalharness.cli import main
from evalharness.errors import EvalHarnessError
from evalharness.execution.heartbeat import NAME as STATUS
from evalharness.live.watch import RunWatch
from evalharness.planning.plan_record import NAME, plan_text
from evalharness.planning.recorded_plans import read_plan
from evalharness.store.report_folders import PLAN

READ = ("compare", "report", "export trajectories", "timing", "status", "gc")
"""Those that read all of a run whose samples are in the store."""
Attack = Callable[[dict[str, Any]], None]
EVIL = "import os, pathlib\npathlib.Path(os.environ['EVALHARNESS_TEST_MARK']).touch()\n"
COMMANDS = {
    "compare": ["compare", "RUN", "RUN", "--out", "OUT"],
    "report": ["report", "RUN", "--out", "OUT"],
    "export": ["export", "RUN", "--arm", "single", "--format", "mock", "--out", "OUT"],
    "export trajectories": ["export", "RUN", "--arm", "single", "--format", "trajectories", "--out", "OUT"],
    "export-replies": ["export-replies", "RUN", "--out", "OUT"],
    "timing": ["timing", "RUN"],
    "timing of an arm": ["timing", "RUN", "--only", "process"],
    "timing with a model": ["timing", "RUN", "--model", "trap"],
    "status": ["status", "RUN"],
    "gc": ["gc", "RUN", "--dry-run"],
}


def _traps(sweep: dict[str, Any]) -> None:
    """The benchmark stays as it is: seeds follow its name, and without them nothing in the store is of this run."""
    sweep["models"]["mock"] = {"name": "trap"}
    sweep["executor"] = {"name": "trap"}
    sweep["literature"] = ["evil.py", "/etc/passwd"]
    sweep["benchmarks"][0]["rubric"] = {"official": "evil.py"}
    for arm in sweep["arms"]:
        arm["variant"] = "trap"


def _trap_benchmark(sweep: dict[str, Any]) -> None:
    sweep["benchmarks"][0] |= {"name": "trap"}


def _rubric(sweep: dict[str, Any]) -> None:
    sweep["benchmarks"][0] |= {"name": "wise-verified", "rubric": {"official": "evil.py"}, "judge": {"name": "openai"}}


def _detector(sweep: dict[str, Any]) -> None:
    detector = {"name": "mask2former-mmdet", "weights": "evil.py", "config": "evil.py"}
    sweep["benchmarks"][0] |= {"name": "geneval", "detector": detector}


ATTACKS = (_traps, _trap_benchmark, _rubric, _detector)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete run, with its store beside it."""
    root = tmp_path_factory.mktemp("made")
    (root / "tiny.yaml").write_text(SWEEP.replace("limit: 6", "limit: 2"))
    eh.run(root / "tiny.yaml", out=root / "r" / "tiny", quiet=True).close()
    return root


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install_plugins: InstallPlugins) -> Path:
    """The folder of a copy of that run; the traps are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(MARK, str(tmp_path / "mark"))
    install_plugins(
        models=[TrapModel],
        benchmarks=[TrapBenchmark, Exporting],
        executors=[TrapExecutor],
        variants={"trap": TrapVariant},
    )
    (tmp_path / "evil.py").write_text(EVIL)
    shutil.copytree(made / "r", tmp_path / "r")
    return tmp_path / "r" / "tiny"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_nothing_that_a_run_from_elsewhere_names_is_run(
    attack: Attack, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that reads a run, on files that name what leaves a mark once it is made, checked or executed."""
    for file in (run / PLAN, run / NAME, run / "results.json", run / STATUS):
        data = json.loads(file.read_text())
        sweep = data["info"]["sweep"] if file.name == "results.json" else data["sweep"]
        attack(sweep)
        if "arms" in data and isinstance(data["arms"], dict):  # a plan, whose parts agree
            data["benchmarks"]["mock"]["plugin"] = sweep["benchmarks"][0]["name"]
            sweep["benchmarks"][0]["alias"] = "mock"
            for arm, entry in zip(sweep["arms"], data["arms"].values(), strict=True):
                entry["settings"]["variant"] = arm["variant"]
        file.write_text(json.dumps(data))
    for name, words in COMMANDS.items():
        out = tmp_path / f"out {name}"
        code = main.main([{"RUN": str(run), "OUT": str(out)}.get(word, word) for word in words])
        streams = capsys.readouterr()
        assert code in (0, 2, 3), (name, streams.err)
        assert "Traceback" not in streams.err, name
        errors = [line for line in streams.err.splitlines() if not line.startswith("warning: ")]
        assert len(errors) <= 1, name
        assert code == (0 if attack is _traps and name in READ else code), (name, streams.err)
        assert not (tmp_path / "mark").exists(), f"{name} ran it"
        assert "root:" not in streams.out + streams.err
    with contextlib.suppress(EvalHarnessError):  # view serves what such a watch sees
        state = RunWatch(str(run)).state()
        assert state["counts"] == "8 of 8 samples scored." or attack is not _traps
    assert not (tmp_path / "mark").exists(), "view ran it"


def test_the_traps_leave_a_mark(run: Path, tmp_path: Path) -> None:
    (tmp_path / "trap.yaml").write_text(SWEEP.replace("model: mock", "model: trap"))
    with pytest.raises(AttributeError):
        eh.plan(tmp_path / "trap.yaml")
    assert (tmp_path / "mark").exists()


def test_a_report_made_again_without_plugins_says_the_same(run: Path, tmp_path: Path) -> None:
    before = json.loads((run / "results.json").read_text())
    assert main.main(["report", str(run), "--out", str(tmp_path / "again")]) == 0
    after = json.loads((tmp_path / "again" / "results.json").read_text())
    assert {name for name in before if before[name] != after.get(name)} == set()


def test_items_whose_names_lead_out_of_a_folder_are_not_exported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for prefix, message in (
        ("../../", "has no name that a file can have"),
        ("", "the items or scores of this run are not those of 'exporting': KeyError('tag')"),
    ):
        file, out = tmp_path / "tiny.yaml", tmp_path / f"r{len(prefix)}" / "tiny"
        entry = f"{{name: exporting, prefix: {prefix!r}, "
        file.write_text(SWEEP.split("  - {name: process")[0].replace("{name: mock, ", entry))
        mock_sweeps.draw_and_score(file, out)
        words = ["export", str(file), "--store", str(out.parent / "store"), "--arm", "single", "--format", "exporting"]
        assert main.main([*words, "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_script_is_announced_with_its_digest_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one with another digest than the sweep file says does not run."""
    from evalharness.benchmarks.wise.rubrics import OfficialRubric
    from evalharness.errors import ConfigError
    from evalharness.planning.programs import announce_programs
    from evalharness.testing import MockBenchmark

    script = tmp_path / "evil.py"
    script.write_text(EVIL)
    monkeypatch.setenv(MARK, str(tmp_path / "mark"))
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    with pytest.raises(ConfigError, match=f"is not run: its SHA-256 is {digest}, not {'0' * 64}"):
        OfficialRubric(script, (), "", "0" * 64).digest()
    assert not (tmp_path / "mark").exists()
    with pytest.raises(ConfigError, match="has no function"):
        OfficialRubric(script, (), "", digest).digest()
    assert (tmp_path / "mark").exists()

    class Scripted(MockBenchmark):
        def programs(self) -> list[Path]:
            return [script]

    plugin = Scripted(Scripted.Settings())
    announce_programs([plugin, plugin])
    assert capsys.readouterr().err.count(f"runs the program {script}, SHA-256 {digest}") == 1
    script.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        announce_programs([plugin])


def test_the_plan_of_a_run_in_progress_lies_beside_its_status(run: Path) -> None:
    assert read_plan(run / NAME).key() == read_plan(run / PLAN).key()
    shutil.rmtree(run / "data")
    assert main.main(["status", str(run)]) == 0
    assert plan_text(read_plan(run / NAME)) == (run / NAME).read_text()

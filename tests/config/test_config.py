from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import SWEEP

from evalharness.config import sweep_files, yaml
from evalharness.errors import ConfigError
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import select

Write = Callable[[str], Path]


def test_expands_ranges_and_lists_to_a_matrix(sweep_file: Write) -> None:
    text = SWEEP.replace("1..3", "[1, 3..4], inspect: [true, false]").replace("name: process", "name: p")
    text = text.replace("- {name: single, variant: single_pass}", "") + "baseline: p max_iterations=3 inspect=false\n"
    sweep = sweep_files.load(sweep_file(text))
    assert [arm.name for arm in sweep.arms] == [
        f"p max_iterations={cap} inspect={inspect}" for cap in (1, 3, 4) for inspect in ("true", "false")
    ]
    assert [(arm.cap, arm.variant.inspect) for arm in sweep.arms][3] == (3, False)  # type: ignore[union-attr]
    assert sweep.baseline == "p max_iterations=3 inspect=false"


def test_baseline_is_the_first_arm_if_not_said(sweep_file: Write) -> None:
    assert sweep_files.load(sweep_file(SWEEP)).baseline == "single"


def test_models_by_alias_and_paths_relative_to_the_file(sweep_file: Write, tmp_path: Path) -> None:
    text = SWEEP.replace("model: mock\n", "models:\n  a: {name: miniature, weights: w/x}\n  b: {name: mock, size: 4}\n")
    text = text.replace("single_pass}", "single_pass, model: a}").replace("1..3}", "1..3, model: [a, b]}")
    sweep = sweep_files.load(sweep_file(text))
    assert sweep.models["a"].settings.weights == tmp_path / "w/x"  # type: ignore[attr-defined]
    assert [arm.name for arm in sweep.arms][-1] == "process max_iterations=3 model=b"
    assert sweep.resolved()["models"]["b"]["size"] == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 3", "sed: 3", "tiny.yaml:2:1: unknown key 'sed'; did you mean 'seed'?"),
        ("limit: 6", "limt: 6", "tiny.yaml:5:18: unknown key 'limt'; did you mean 'limit'?"),
        ("limit: 6", "limit: 0", "tiny.yaml:5:25: limit: input should be greater than or equal to 1"),
        ("limit: 6", "limit: all", "tiny.yaml:5:25: limit: input should be a valid integer"),
        ("name: mock,", "name: mok,", "tiny.yaml:5:12: no benchmark named 'mok'; did you mean 'mock'?"),
        ("model: mock", "model: mocks", "tiny.yaml:3:8: no model named 'mocks'; did you mean 'mock'?"),
        ("model: mock", "model: {name: mock, sise: 3}", "tiny.yaml:3:21: unknown key 'sise'; did you mean 'size'?"),
        (
            "model: mock",
            "model: {name: bagel, weights: w, words: {pln: x}}",
            "tiny.yaml:3:41: unknown key 'pln'; did you mean 'plan'?",
        ),
        ("model: mock\n", "", "tiny.yaml:6:5: this arm has no model"),
        ("single_pass", "single_pas", "tiny.yaml:7:29: unknown variant 'single_pas'; did you mean 'single_pass'?"),
        ("max_iterations", "max_iteration", "unknown key 'max_iteration'; did you mean 'max_iterations'?"),
        (
            "seed: 3",
            "seed: 3\nanalysis: {confirmatory: [proces]}",
            "tiny.yaml:3:27: no arm is called 'proces'; did you mean 'process'?",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {confirmatory: [single]}",
            "tiny.yaml:3:27: 'single' would be compared with itself",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {confirmatory: [{arm: single, against: process}]}",
            "tiny.yaml:3:27: 'process' is 3 arms; say which, such as 'process max_iterations=3'",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {confirm: []}",
            "tiny.yaml:3:12: unknown key 'confirm'; did you mean 'confirmatory'?",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {trend: {arms: process, over: max_iteration}}",
            "has no number 'max_iteration'; did you mean 'max_iterations'?",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {trend: {arms: process max_iterations=1}}",
            "a trend needs arms with two values of",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {replicates: {all: [singl]}}",
            "no arm is called 'singl'; did you mean 'single'?",
        ),
        ("seed: 3", "seed: 3\nanalysis: {replicates: {all: []}}", "tiny.yaml:3:30: 'all' names no arm"),
        (
            "seed: 3",
            "seed: 3\nanalysis: {replicates: {one: single, two: single}}",
            "tiny.yaml:3:43: arm 'single' stands in 'one' already",
        ),
        (
            "seed: 3",
            "seed: 3\nanalysis: {replicates: {all: process}}",
            "differ in 'max_iterations', not in their training alone",
        ),
        (
            "arms:",
            "analysis: {replicates: {all: [single, twin]}}\narms:\n  - {name: twin, variant: single_pass}",
            "'single' and 'twin' have the same model: a training counts once",
        ),
        (
            "seed: 3",
            "seed: 3\nliterature: papr",
            "tiny.yaml:3:13: no file 'papr', and none of that name comes along; did you mean 'paper'?",
        ),
        ("1..3", "1..10000000", "the range 1..10000000 is empty or has more than 1000 values"),
        ("1..3", "3..1", "is empty"),
        ("1..3", "true", "tiny.yaml:8:55: max_iterations: input should be a valid integer"),
        ("1..3", '"3"', "max_iterations: input should be a valid integer"),
        ("1..3", "3.0", "max_iterations: input should be a valid integer"),
        ("1..3", "[]", "an empty list leaves no arm"),
        ("1..3", "[1, 1]", "two arms are called 'process max_iterations=1'"),
        ("1..3", "0..2", "max_iterations: input should be greater than or equal to 1"),
        ("1..3", "[1..999, 1..999]", "more than 1000 values"),
        ("1..3", "[1, 1..3]", "two arms are called"),
        ("1..3", "3, inspect: maybe", "inspect: input should be a valid boolean"),
        ("name: tiny\n", "", "tiny.yaml:1:1: key 'name' is missing"),
        ("name: tiny", "name: ../../etc", "tiny.yaml:1:7: name: string should match"),
        ("name: single", "name: [x]", "tiny.yaml:7:12: an arm needs a name"),
        ("seed: 3", "seed: 3\nbaseline: sngle", "tiny.yaml:3:11: no arm is called 'sngle'; did you mean 'single'?"),
        ("seed: 3", "seed: 3\nexecutor: rey", "no executor named 'rey'; did you mean 'ray'?"),
        ("- {name: mock, limit: 6, samples: 1}", "- 3", "tiny.yaml:5:5: benchmarks.0: input should be a valid string"),
        ("name: mock, limit", "limit", "tiny.yaml:5:5: key 'name' is missing"),
        ("arms:", "benchmarks:", "key 'benchmarks' stands twice"),
    ],
)
def test_says_where_and_what_instead(sweep_file: Write, old: str, new: str, message: str) -> None:
    assert old in SWEEP
    with pytest.raises(ConfigError) as caught:
        sweep_files.load(sweep_file(SWEEP.replace(old, new)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "3", "x", "name: 1", "name: x\narms: {}\nbenchmarks: {}", "arms: [[1]]"])
def test_other_shapes_are_config_errors(sweep_file: Write, text: str) -> None:
    with pytest.raises(ConfigError):
        sweep_files.load(sweep_file(text))


def test_finds_shipped_sweeps_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep_files.find("ablations/iters.yaml").is_file()
    with pytest.raises(ConfigError, match=r"itters.yaml: no such file.*did you mean 'iters.yaml'"):
        sweep_files.find("itters.yaml")
    with pytest.raises(ConfigError, match=r"mine/iters.yaml: no such file"):
        sweep_files.find("mine/iters.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        sweep_files.find(tmp_path)


def test_neither_help_nor_a_config_error_imports_torch(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SWEEP.replace("seed", "sed"))
    code = (
        "import sys; from evalharness.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"assert main(['sweep', {str(tmp_path / 'bad.yaml')!r}]) == 2\n"
        "heavy = {'torch', 'transformers', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown key 'sed'; did you mean 'seed'?" in done.stderr


def test_what_is_declared_is_written_out_and_survives_a_report(sweep_file: Write) -> None:
    text = (
        SWEEP
        + "analysis: {confirmatory: [process, {arm: process max_iterations=2, against: process max_iterations=1}],\n"
    )
    sweep = sweep_files.load(sweep_file(text + "  trend: {arms: process}}\nliterature: paper\n"))
    assert sweep.resolved()["analysis"] == {
        "confirmatory": [
            *({"arm": f"process max_iterations={cap}", "against": "single"} for cap in (1, 2, 3)),
            {"arm": "process max_iterations=2", "against": "process max_iterations=1"},
        ],
        "trend": [{"arms": [f"process max_iterations={cap}" for cap in (1, 2, 3)], "over": "max_iterations"}],
        "replicates": {},
    }
    again = sweep_files.parse(yaml.Document(Path("results.json"), sweep.resolved()))
    assert (again.analysis, again.literature) == (sweep.analysis, ("paper",))


def test_a_declaration_about_arms_that_are_left_out_is_left_out(sweep_file: Write) -> None:
    sweep = sweep_files.load(sweep_file(SWEEP + "analysis: {confirmatory: [process], trend: {arms: process}}\n"))
    kept = select(sweep, ["single", "process max_iterations=2"])
    assert [contrast.arm for contrast in kept.analysis.contrasts] == ["process max_iterations=2"]
    assert kept.analysis.trends == ()
    assert sweep_files.parse(yaml.Document(Path("results.json"), kept.resolved())).analysis == kept.analysis


TRAINED = SWEEP.replace("model: mock", "models: {a: {name: mock, size: 8}, b: {name: mock, size: 16}}").replace(
    "{name: single, variant: single_pass}", "{name: single, model: [a, b], variant: single_pass}"
).replace("{name: process, ", "{name: process, model: a, ")  # fmt: skip


def test_replicates_are_arms_by_name_or_all_that_an_arm_expands_to(sweep_file: Write) -> None:
    analysis = "analysis: {replicates: {short: single, long: [process max_iterations=3]}}\n"
    sweep = sweep_files.load(sweep_file(TRAINED + analysis))
    both = ["single model=a", "single model=b"]
    assert sweep.resolved()["analysis"]["replicates"] == {"short": both, "long": ["process max_iterations=3"]}
    assert sweep_files.parse(yaml.Document(Path("results.json"), sweep.resolved())).analysis == sweep.analysis
    kept = select(sweep, ["single model=b", "process"])
    assert kept.resolved()["analysis"]["replicates"] == {"short": both[1:], "long": ["process max_iterations=3"]}
    assert select(sweep, ["single"]).resolved()["analysis"]["replicates"] == {"short": both}


def test_the_same_weights_twice_are_no_replicates(sweep_file: Write) -> None:
    analysis = "analysis: {replicates: {short: single}}\n"
    assert make_plan(sweep_files.load(sweep_file(TRAINED + analysis))).samples
    twice = TRAINED.replace("size: 16", "size: 8")
    with pytest.raises(ConfigError, match="'short': 'single model=a' and 'single model=b' have the same weights"):
        make_plan(sweep_files.load(sweep_file(twice + analysis)))

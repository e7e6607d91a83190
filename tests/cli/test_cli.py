from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import SWEEP
from plugin_packages import InstallPlugins

import evalharness
from evalharness._util.progress import Progress, duration
from evalharness.api import registry
from evalharness.cli import main
from evalharness.errors import PluginError

Write = Callable[[str], Path]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"evalharness {evalharness.__version__}\n"


def test_prompts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["prompts", "mock", "--n", "4"]) == 2
    assert "does not carry its prompts" in capsys.readouterr().err
    assert main.main(["prompts", "mok"]) == 2
    assert capsys.readouterr().err == "evalharness: no benchmark named 'mok'; did you mean 'mock'?\n"


def test_prompts_of_geneval_are_the_official_file_or_a_new_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["prompts", "geneval"]) == 0
    official = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
    assert hashlib.sha256(capsys.readouterr().out.encode()).hexdigest() == official
    assert main.main(["prompts", "geneval", "--n", "3", "--seed", "5"]) == 0
    suite = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["tag"] for line in suite] == ["single_object"] * 80 + [tag for tag in suite_tags() for _ in range(3)]
    assert main.main(["prompts", "geneval", "--n", "0"]) == 2
    assert main.main(["prompts", "geneval", "--seed", "-1"]) == 2


def suite_tags() -> tuple[str, ...]:
    return ("two_object", "counting", "colors", "position", "color_attr")


def test_sweep_is_a_subcommand(sweep_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "r" / "x"
    assert main.main(["sweep", str(sweep_file(SWEEP)), "--out", str(out), "--quiet"]) == 0
    assert (out / "index.html").is_file()


@pytest.mark.parametrize("bad", [["--limit", "0"], ["--limit", "x"], ["--samples", "-1"], ["--limit", "2", "--full"]])
def test_options_are_checked(bad: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["sweep", "x.yaml", *bad])
    assert caught.value.code == 2


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = "import sys; from evalharness.cli import main as cli; sys.exit(cli.main(['list']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 141
    assert "Traceback" not in process.stderr.read()


def test_plugins_say_what_is_missing(
    install_plugins: InstallPlugins,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needs_mmdet.py").write_text("import mmdet_is_not_here\n")
    install_plugins(models={"mine": "needs_mmdet:Model"})
    with pytest.raises(PluginError, match=r"cannot be imported: .*; install it with: pip install mmdet_is_not"):
        registry.load("models", "mine")
    monkeypatch.setitem(registry.EXTRAS, "mmdet_is_not_here", "geneval")
    assert main.main(["list"]) == 0
    assert r"pip install 'evalharness[geneval]'" in capsys.readouterr().out
    with pytest.raises(PluginError, match="no model named 'mime'; did you mean 'mine'"):
        registry.load("models", "mime")
    install_plugins(models={"mine": "json:nothing"})
    with pytest.raises(PluginError, match="broken entry point"):
        registry.load("models", "mine")


def test_the_list_names_the_extra_that_each_plugin_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a plain ``pip install evalharness``; what needs nothing is shown with where it is."""
    monkeypatch.setattr(registry, "find_spec", lambda package: None)
    assert main.main(["list"]) == 0
    text = capsys.readouterr().out
    lacking = dict(re.findall(r"^  (\S+) +not usable: .*pip install 'evalharness\[(.*)\]'$", text, re.MULTILINE))
    assert lacking == {
        "bagel": "bagel", "diffusers": "diffusers", "diffusers-edit": "diffusers", "images-api": "images-api",
        "mask2former-mmdet": "geneval", "lm-eval": "judge", "openai": "judge", "ray": "ray",
    }  # fmt: skip
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(lacking.values()) <= project["optional-dependencies"].keys()
    shown = set(re.findall(r"^  (\S+) +(?:not usable: )?\S+", text, re.MULTILINE))
    assert shown >= {name for kind in registry.KINDS for name in registry.available(kind)}
    assert re.search(r"^  folder +evalharness\.models\.folder:Folder$", text, re.MULTILINE)


def test_progress_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(interval=0).stages() as open_stage:
        stage = open_stage("draw", 6)
        for failed in (1, 0, 0):
            stage.advance(2, failed)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("draw: 2/6, 1 failed, ")
    assert lines[0].endswith("/s"), "the first batch had a model to load: it says nothing of the time left"
    assert lines[1].endswith("s left")
    assert len(lines) == 3
    assert lines[-1].startswith("draw: 6/6, 1 failed, ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (7500, "2 h 5 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("former", "present"), main.RENAMED.items())
def test_a_renamed_command_still_works_and_says_its_new_name(
    former: str, present: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([former, "--help"])
    captured = capsys.readouterr()
    assert ended.value.code == 0
    assert captured.err == f"evalharness: `{former}` is now called `{present}`\n"
    assert f"evalharness {present}" in captured.out

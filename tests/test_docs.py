"""The documentation against the program: commands, sweep files, keys and their defaults, links."""

from __future__ import annotations

import argparse
import configparser
import importlib
import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest
from fences import PAGES, ROOT, blocks, commands
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from evalharness.api import registry
from evalharness.assets.weights_folder import embedded_weights
from evalharness.config import sweep_files
from evalharness.generation import variants

TESTED_HERE = [page for page in PAGES if page.stem != "plugins"]
"""That page installs packages of its own and is run whole by test_plugins_page.py."""
COMMANDS = sorted({command for page in TESTED_HERE for command in commands(page)})
CHEAP = re.compile(r"evalharness (list|prompts .*|--version|--help)|.* --help|python .* --dry-run")
WEIGHTS = all(embedded_weights(name).is_dir() for name in ("unified", "detector", "clip"))
KEYS = re.compile(r"<!-- keys: (\S+) -->\n\n((?:\|.*\n)+)")


class ParsedError(Exception):
    """The arguments were understood; nothing more is wanted of this command."""


# --- commands ---


def test_the_two_commands_stand_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\npip install -e . && python -m evalharness.sweep ablations/iters.yaml\n" in text
    assert "\npip install tox && tox\n" in text
    assert "'pip install tox && tox'" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_exists_and_takes_these_arguments(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    match shlex.split(command):
        case ["pip", "install", *targets]:
            assert all(_installable(target) for target in targets)
        case ["tox", *arguments]:
            _check_tox(arguments)
        case ["evalharness", *arguments]:
            _check_module("evalharness.cli.main", arguments, monkeypatch)
        case ["python", "-m", "venv", _] | [".", ".venv/bin/activate"] | ["pre-commit", "install"]:
            assert (ROOT / ".pre-commit-config.yaml").is_file()
        case ["pytest", *paths]:
            assert all((ROOT / path).exists() for path in paths)
        case ["python", "-m", module, *arguments]:
            _check_module(module, arguments, monkeypatch)
        case [".ci/run"]:
            subprocess.run(["bash", "-n", ".ci/run"], check=True)
        case other:
            pytest.fail(f"no test knows what to make of {other}")


@pytest.mark.parametrize("command", [command for command in COMMANDS if CHEAP.fullmatch(command)])
def test_a_cheap_documented_command_runs(command: str, tmp_path: Path) -> None:
    if "--dry-run" in command and not WEIGHTS:
        pytest.skip("the embedded weights are not there")
    words = shlex.split(command)
    arguments = words[1:] if words[0] == "python" else ["-m", "evalharness.cli.main", *words[1:]]
    if "--dry-run" in command:
        arguments += ["--store", str(tmp_path / "store")]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def _installable(target: str) -> bool:
    found = re.fullmatch(r"(?:-e|\.|tox|tox-uv|evalharness|\.\[(.+)\]|evalharness\[(.+)\])", target)
    extras = (found[1] or found[2] or "") if found else ""
    return found is not None and set(filter(None, extras.split(","))) <= _pyproject()["optional-dependencies"].keys()


def _pyproject() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _check_tox(arguments: list[str]) -> None:
    """``tox [--runner virtualenv] [-e NAME] [-- …]``."""
    file = configparser.ConfigParser(interpolation=None)
    file.read(ROOT / "tox.ini")
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--runner", choices=["virtualenv"])
    parser.add_argument("-e", dest="name", default=file["tox"]["env_list"])
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    assert f"testenv:{parser.parse_args(own).name}" in file


def _check_module(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a program up to where it has parsed its arguments."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> None:
        options = parse(parser, args, namespace)
        if sweep := getattr(options, "file", None):
            assert sweep_files.find(sweep)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.delitem(sys.modules, module, raising=False)
    try:
        runpy.run_module(module, run_name="__main__")
    except ParsedError:
        return
    except SystemExit as end:
        assert end.code == 0 and "--help" in arguments, f"{module} does not take {arguments}"


# --- sweep files ---


@pytest.mark.parametrize(
    "text",
    [text for page in TESTED_HERE for text in blocks(page, "yaml") if re.search(r"^arms:", text, re.MULTILINE)],
    ids=lambda text: text.splitlines()[0],
)
def test_a_documented_sweep_file_is_right(text: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    assert sweep_files.load(file).arms


@pytest.mark.parametrize("file", sorted((ROOT / "ablations").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_sweep_file_of_the_repository_is_right_and_named_after_its_file(file: Path) -> None:
    assert sweep_files.load(file).name == file.stem


# --- keys ---


def _tables() -> dict[str, str]:
    """``module:Class`` → its table of keys."""
    return {name: table for page in PAGES for name, table in KEYS.findall(page.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", _tables())
def test_a_table_of_keys_has_all_keys_with_their_defaults(name: str) -> None:
    module, _, path = name.partition(":")
    try:
        settings: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in registry.EXTRAS:
            raise
        pytest.skip(f"{error.name} is not installed")
    for part in path.split("."):
        settings = getattr(settings, part)
    rows = [[cell.strip().strip("`") for cell in row.split("|")[1:-1]] for row in _tables()[name].splitlines()[2:]]
    assert {row[0]: row[1] for row in rows} == {key: _default(settings, key) for key in settings.model_fields}


def _default(settings: type[BaseModel], key: str) -> str:
    field = settings.model_fields[key]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        raise AssertionError(f"{key} has neither a default nor is it required")
    if isinstance(value, BaseModel):
        value = getattr(value, "name", {})
    return json.dumps(value).strip('"')


def test_every_plugin_with_settings_and_every_variant_has_a_table() -> None:
    classes = [variants.variant_class(name) for name in variants.names()]
    wanted = {f"{cls.__module__}:{cls.__qualname__}" for cls in classes}
    for kind in registry.KINDS:
        for entry in entry_points(group=f"evalharness.{kind}"):
            settings = _settings(entry) if entry.dist and _ours(entry.dist.name) else None
            if settings is not None and settings.model_fields and "testing" not in settings.__module__:
                wanted.add(f"{settings.__module__}:{settings.__qualname__}")
    assert wanted <= _tables().keys()


def _settings(entry: EntryPoint) -> Any:
    try:
        return getattr(entry.load(), "Settings", None)
    except ModuleNotFoundError as error:
        if error.name not in registry.EXTRAS:
            raise
        return None


def _ours(distribution: str) -> bool:
    return distribution == "evalharness"


def test_every_option_of_the_sweep_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    from evalharness.cli import sweep

    with pytest.raises(SystemExit):
        sweep.main(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    text = (ROOT / "docs" / "sweep-files.md").read_text(encoding="utf-8")
    assert options <= set(re.findall(r"--[a-z-]+", text))


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("export", "geneval"),
        ("score-detections geneval", "geneval"),
        ("fetch", "doctor"),
        ("doctor", "doctor"),
        ("export-replies", "judges"),
        ("timing", "bagel"),
        ("validate", "trajectories"),
        ("status", "sweep-files"),
        ("view", "view"),
        ("report", "report"),
        ("compare", "report"),
        ("run-all", "report"),
    ],
)
def test_every_option_of_a_command_is_documented(command: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    from evalharness.cli import main

    with pytest.raises(SystemExit):
        main.main([*command.split(), "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert options
    assert options <= set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))


def test_the_documented_analysis_and_literature_are_right(tmp_path: Path) -> None:
    from evalharness.config import literature

    found = blocks(ROOT / "docs" / "sweep-files.md", "yaml")
    (sweep,) = [text for text in found if text.startswith("name: example")]
    (analysis,) = [text for text in found if text.startswith("analysis:")]
    (quoted,) = [text for text in found if text.startswith("- benchmark:")]
    arms = sweep.replace("1..6, inspect: [true, false]", "1..6")
    arms = arms.replace("baseline:", "  - {name: text-cot, variant: text_cot}\nbaseline:")
    (tmp_path / "quoted.yaml").write_text(quoted)
    (tmp_path / "sweep.yaml").write_text(f"{arms}{analysis}literature: quoted.yaml\n")
    loaded = sweep_files.load(tmp_path / "sweep.yaml")
    assert [one.against for one in loaded.analysis.contrasts] == ["single-pass", "text-cot"]
    assert len(loaded.analysis.trends[0].arms) == 6
    assert [row["name"] for row in literature.rows(loaded.literature)] == ["BAGEL", "BAGEL, by users"]


# --- links ---


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"(!?)\[[^\]]*\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for image, target in targets if not image and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


# --- examples ---


def test_the_documented_detections_get_the_documented_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from evalharness.cli import main

    found, answers = blocks(ROOT / "docs" / "geneval.md", "json")
    (tmp_path / "found.jsonl").write_text(found)
    assert main.main(["score-detections", "geneval", str(tmp_path / "found.jsonl")]) == 0
    assert capsys.readouterr().out == answers


def test_the_documented_manifest_is_right(tmp_path: Path) -> None:
    from evalharness.models.folder_manifest import read_manifest

    (text,) = [text for text in blocks(ROOT / "docs" / "geneval.md", "text") if text.startswith("file,")]
    (tmp_path / "list.csv").write_text(text)
    assert [entry.item for entry in read_manifest(tmp_path / "list.csv", tmp_path)] == ["00000", "00000"]

"""Weights of a judge in this machine's memory: the same wherever a sweep is started, and their commit on the hub."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import Answer, serving

import evalharness as eh
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, WeightsError
from evalharness.judges.vision_language import VisionLanguage

JUDGES = {
    "transformers": "{{name: transformers, weights: {weights}}}",
    "lm-eval": "{{name: lm-eval, args: {{pretrained: {weights}}}}}",
}
COMMITS = ("a" * 40, "b" * 40)
Identity = Callable[[str], Any]


def folder_of_weights(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")


@pytest.fixture(params=JUDGES)
def identity(request: pytest.FixtureRequest, tmp_path: Path) -> Identity:
    """The identity of a judge with some weights in the sweep file ``sweeps/x.yaml``."""

    def read(weights: str, **more: str) -> Any:
        judge = JUDGES[request.param].format(weights=", ".join([weights, *(f"{k}: {v}" for k, v in more.items())]))
        (tmp_path / "sweeps").mkdir(exist_ok=True)
        file = tmp_path / "sweeps" / "x.yaml"
        file.write_text(
            "name: x\nmodel: mock\narms: [{name: a, variant: single_pass}]\n"
            f"benchmarks: [{{name: wise-mini, judge: {judge}}}]\n"
        )
        scorer = sweep_files.load(file).benchmarks[0].plugin.build().scorer()
        return scorer.judges[0].identity()

    return read


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A hub with one model, whose branches are at the last commit of the list."""
    from huggingface_hub import constants

    commits = [COMMITS[0]]
    with contextlib.ExitStack() as stack:
        _, url = stack.enter_context(
            serving(lambda call: Answer(json.dumps({"id": "owner/name", "sha": commits[-1]}).encode()))
        )
        monkeypatch.setattr(constants, "ENDPOINT", url.removesuffix("/v1"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield commits


@pytest.mark.parametrize("place", ["judge", "own/judge", "$SCRATCH/judge"])
def test_a_folder_is_looked_for_beside_the_sweep_file(
    identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    folder_of_weights((tmp_path / "sweeps" / place.replace("$SCRATCH", "../scratch")).resolve())
    identities = []
    for directory in (tmp_path, tmp_path / "sweeps"):
        monkeypatch.chdir(directory)
        identities.append(identity(place))
    assert identities[0] == identities[1]
    assert place not in str(identities[0])


def test_a_folder_that_is_not_there_is_missing_when_the_run_is_planned(identity: Identity, tmp_path: Path) -> None:
    for place in ("judge", "../judge", "/nowhere/at/all"):
        with pytest.raises(WeightsError, match=r"^no weights folder /.*; give a folder, or a name on the hub"):
            identity(place)


def test_a_name_on_the_hub_stands_for_its_commit(
    identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: list[str]
) -> None:
    folder_of_weights(tmp_path / "elsewhere" / "owner" / "name")
    monkeypatch.chdir(tmp_path / "elsewhere")
    first = identity("owner/name")
    assert COMMITS[0] in str(first)
    assert identity("owner/name") == first
    hub.append(COMMITS[1])
    assert COMMITS[1] in str(identity("owner/name"))
    assert identity("owner/name", revision=COMMITS[0]) == first


def test_the_identity_of_a_commit_is_what_it_was() -> None:
    """Replies that are stored under it stay."""
    settings = VisionLanguage.Settings.model_validate({"weights": "owner/name", "revision": COMMITS[0]})
    expected = {"name": "transformers", "model": "owner/name", "revision": COMMITS[0], "dtype": "auto"}
    assert VisionLanguage(settings).identity() == expected


def test_what_is_loaded_is_the_commit_of_the_plan(monkeypatch: pytest.MonkeyPatch, hub: list[str]) -> None:
    import transformers

    loaded = []

    def load(source: str, **options: Any) -> Any:
        loaded.append((source, options))
        raise OSError("no such file")

    judge = VisionLanguage(VisionLanguage.Settings.model_validate({"weights": "owner/name", "revision": "v1"}))
    judge.identity()
    hub.append(COMMITS[1])
    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", load)
    with pytest.raises(ConfigError, match=r"judge 'transformers': owner/name cannot be loaded"):
        judge.reachable()
    assert loaded == [("owner/name", {"revision": COMMITS[0]})]


def test_in_python_a_folder_is_looked_for_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_weights(tmp_path / "own" / "judge")
    monkeypatch.chdir(tmp_path)
    judge = eh.scorer("wise-mini", judge={"name": "transformers", "weights": "own/judge"}).identity["judge"]
    assert "own/judge" not in str(judge)
    assert judge["dtype"] == "auto"

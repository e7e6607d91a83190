"""``evalharness init``: each model on each benchmark is a file that a dry run takes as it is, or one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from evalharness.api.registry import available
from evalharness.cli import main, sweep
from evalharness.config import sweep_files
from evalharness.config.starters import BENCHMARKS, MODELS

ROOT = Path(__file__).resolve().parents[2]
EDITORS = {"bagel", "bagel-tuned", "unicot", "zebra", "diffusers-edit", "images-api"}
FETCHED = {"dpg-bench", "geneval2", "unigenbench", "wise-verified", "wise-legacy"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with files of the user, on a machine on which nothing was fetched."""
    pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("picture.png")
    Path("edits.jsonl").write_text(json.dumps({"prompt": "make it red", "image": "picture.png"}))
    Path("checklist.jsonl").write_bytes((ROOT / "ablations" / "checklist.jsonl").read_bytes())
    for folder in ("00000/samples", "00001/samples"):  # as GenEval's program leaves them
        (Path("my images") / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(Path("my images") / folder / "00000.png")


def made(model: str, benchmark: str) -> int:
    prompts = ["--prompts", f"{benchmark}.jsonl"] if benchmark in ("edits", "checklist") else []
    images = ["--images", "my images"] if model == "folder" else []
    return main.main(["init", "mine", "--model", model, "--benchmark", benchmark, *prompts, *images])


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("model", MODELS)
def test_the_dry_run_takes_it_as_it_is(model: str, benchmark: str, capsys: pytest.CaptureFixture[str]) -> None:
    if (model == "diffusers-edit") if benchmark != "edits" else (model not in EDITORS):
        assert made(model, benchmark) == 2
        assert f"{model!r} does not do {benchmark!r}; these do: " in capsys.readouterr().err
        assert not Path("mine.yaml").exists()
        return
    assert made(model, benchmark) == 0
    assert capsys.readouterr().out == "wrote mine.yaml; next: evalharness sweep mine.yaml --dry-run\n"
    code = sweep.main(["mine.yaml", "--dry-run", "--limit", "2", "--samples", "1", "--store", "store"])
    told = capsys.readouterr()
    if benchmark in FETCHED:  # its prompts are to be fetched first, which is all that is missing
        assert code == 2
        assert f"evalharness fetch {benchmark}" in told.err
    else:
        assert code == 0, told.err
        assert f"  {benchmark}: " in told.out


@pytest.mark.parametrize("name", ["2024", "1.5", "1e5", "0x10", "true", "null", "no", "2024-01-02", "m" * 100])
def test_a_sweep_takes_the_file_of_every_name_that_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["init", name, "--model", "miniature"]) == 0
    assert sweep_files.load(f"{name}.yaml").name == name


def test_each_kind_of_model_and_each_benchmark_has_one() -> None:
    assert {*BENCHMARKS} == {*available("benchmarks")} - {"mock"}
    named = {line.partition("name: ")[2].split(",")[0] for kind in MODELS.values() for line in kind.lines[:2]}
    assert named - {""} == {*available("models")} - {"mock", "miniature"}
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert [kind for kind in MODELS if f"`{kind}`" not in page] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine", "--model", "minature"], "'minature' is none of .*; did you mean 'miniature'"),
        (["mine", "--model", "miniature", "--benchmark", "genevel"], "did you mean 'geneval'"),
        (["mine", "--model", "miniature", "--prompts", "a"], "--prompts FILE has no use here"),
        (["mine", "--model", "bagel", "--benchmark", "edits"], "bagel on edits needs --prompts FILE"),
        (["mine", "--model", "folder"], "folder on geneval needs --images DIR"),
        (["../mine", "--model", "miniature"], "is no name of a sweep"),
        (["m" * 101, "--model", "miniature"], "has at most 100 characters, this one has 101"),
        (["taken", "--model", "miniature"], "taken.yaml exists"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken.yaml").write_text("mine")
    assert main.main(["init", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert Path("taken.yaml").read_text() == "mine"
    assert not Path("mine.yaml").exists()

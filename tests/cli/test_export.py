"""From a folder of images to a score, to the official files, to the official summary: the same numbers."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalharness._util.exit_codes import ExitCode
from evalharness.assets.weights_folder import embedded_weights
from evalharness.benchmarks.geneval import prompts
from evalharness.benchmarks.geneval.classes import CLASSES, TAGS
from evalharness.cli import main
from evalharness.miniature.world.board import render
from evalharness.miniature.world.scenes import right

pytestmark = pytest.mark.skipif(
    not all(embedded_weights(name).is_dir() for name in ("detector", "clip")),
    reason="the embedded weights are not there",
)

SWEEP = """\
name: mine
models: {mine: {name: folder, path: images}}
benchmarks: [{name: geneval, prompts: prompts.jsonl, samples: 2}]
arms: [{name: my images, model: mine, variant: single_pass}]
"""


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def summary(file: Path) -> dict[str, float]:
    """What the published summary prints, written anew from its description."""
    by_tag: dict[str, list[bool]] = defaultdict(list)
    by_prompt: dict[str, list[bool]] = defaultdict(list)
    for line in file.read_text().splitlines():
        row = json.loads(line)
        by_tag[row["tag"]].append(row["correct"])
        by_prompt[row["metadata"]].append(row["correct"])
    scores = {tag: mean(own) for tag, own in by_tag.items()}
    return scores | {"overall": mean(scores.values()), "any": mean(any(own) for own in by_prompt.values())}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored folder: two prompts of one tag and one of each other; of each a right image and another's."""
    root = tmp_path_factory.mktemp("run")
    every = prompts.generate()
    chosen = [every[1], *(next(prompt for prompt in every if prompt["tag"] == tag) for tag in TAGS)]
    (root / "prompts.jsonl").write_text(prompts.to_jsonl(chosen))
    for number, prompt in enumerate(chosen):
        own = root / "images" / f"{number:05d}"
        (own / "samples").mkdir(parents=True)
        (own / "metadata.jsonl").write_text(json.dumps(prompt))
        for index, shown in enumerate((prompt, chosen[(number + 3) % len(chosen)])):
            picture: Image.Image = render(right(shown, random.Random(number)))
            picture.save(own / "samples" / f"{index:04d}.png")
    (root / "sweep.yaml").write_text(SWEEP)
    assert main.main(["sweep", str(root / "sweep.yaml"), "--out", str(root / "r" / "mine"), "--quiet"]) == 0
    return root


def export(run: Path, target: Path, *options: str, source: str | None = None) -> int:
    where = source or str(run / "r" / "mine")
    return main.main(["export", where, "--format", "geneval", "--arm", "my images", "--out", str(target), *options])


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_the_published_summary_gives_our_scores(run: Path, tmp_path: Path) -> None:
    import pandas as pd

    assert export(run, tmp_path / "out") == 0
    (table,) = pd.read_csv(run / "r" / "mine" / "tables" / "geneval-wide.csv").to_dict("records")
    theirs = summary(tmp_path / "out" / "results.jsonl")
    assert theirs["overall"] == pytest.approx(table["overall"])
    assert {tag: theirs[tag] for tag in TAGS} == pytest.approx({tag: table[f"category.{tag}"] for tag in TAGS})
    assert 0 < theirs["overall"] < 1
    assert theirs["any"] >= theirs["overall"]


def test_the_files_are_as_published(run: Path, tmp_path: Path) -> None:
    assert export(run, tmp_path / "out") == 0
    found = rows(tmp_path / "out")
    assert len(found) == 14
    assert found[0]["filename"] == "00000/samples/0000.png"
    assert list(found[0]) == ["filename", "tag", "prompt", "correct", "reason", "metadata", "details"]
    lines = (run / "prompts.jsonl").read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        assert (tmp_path / "out" / f"{number:05d}" / "metadata.jsonl").read_text() == line
    for row in found:
        assert (tmp_path / "out" / row["filename"]).read_bytes() == (run / "images" / row["filename"]).read_bytes()
        assert row["metadata"] + "\n" in lines
        assert json.loads(row["metadata"])["prompt"] == row["prompt"]
        details = json.loads(row["details"])
        assert list(details) == sorted(details, key=CLASSES.index)
        floor = 0.9 if row["tag"] == "counting" else 0.3
        for boxes in details.values():
            assert all(len(box) == 5 and box[4] > floor for box in boxes)
            assert [box[4] for box in boxes] == sorted((box[4] for box in boxes), reverse=True)
        assert row["correct"] is (row["reason"] == "")
    assert any(row["reason"].startswith("expected ") for row in found)


def test_an_exported_folder_can_be_scored(run: Path, tmp_path: Path) -> None:
    assert export(run, tmp_path / "images") == 0
    (tmp_path / "prompts.jsonl").write_text((run / "prompts.jsonl").read_text())
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    store = ["--store", str(run / "r" / "store")]
    assert (
        main.main(["sweep", str(tmp_path / "sweep.yaml"), *store, "--out", str(tmp_path / "r" / "x"), "--quiet"]) == 0
    )
    assert export(run, tmp_path / "again", *store, source=str(tmp_path / "sweep.yaml")) == 0
    assert rows(tmp_path / "again") == rows(tmp_path / "images")


def test_the_detections_give_the_same_verdicts(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def verdicts(*options: str) -> list[tuple[bool, str]]:
        capsys.readouterr()
        assert main.main(["score-detections", "geneval", str(tmp_path / "out" / "detections.jsonl"), *options]) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [(one["correct"], one["reason"]) for one in found]

    assert export(run, tmp_path / "out") == 0
    assert verdicts() == [(row["correct"], row["reason"]) for row in rows(tmp_path / "out")]
    lower, higher = verdicts("--threshold", "0.06"), verdicts("--threshold", "1", "--counting-threshold", "1")
    assert len(lower) == len(higher) == 14
    assert not any(correct for correct, _ in higher)


def test_an_incomplete_arm_is_not_exported_unasked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run", symlinks=True)
    (tmp_path / "run" / "images" / "00003" / "samples" / "0001.png").unlink()
    source = str(tmp_path / "run" / "sweep.yaml")
    store = ["--store", str(tmp_path / "run" / "r" / "store")]
    assert export(run, tmp_path / "out", *store, source=source) == 2
    assert "arm 'my images': 1 of 14 samples are not scored" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert export(run, tmp_path / "out", *store, "--incomplete", source=source) == ExitCode.INCOMPLETE
    assert capsys.readouterr().out == f"13 of 14 samples: {tmp_path / 'out'}\n"
    assert len(rows(tmp_path / "out")) == 13


def test_mistakes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*arguments: str) -> str:
        assert main.main(["export", *arguments]) == 2
        return capsys.readouterr().err

    report = str(run / "r" / "mine")
    capsys.readouterr()
    assert "no arm is called 'my image'; did you mean 'my" in fails(report, "--format=geneval", "--arm=my image")
    assert "has no benchmark 'genevil'; did you mean" in fails(report, "--format=genevil", "--arm=my images")
    assert "is not a report" in fails(str(tmp_path), "--format=geneval", "--arm=x")
    (tmp_path / "results.json").write_text("{}")
    assert "does not name its sweep" in fails(str(tmp_path), "--format=geneval", "--arm=x")
    (tmp_path / "results.json").write_text('{"info": {"sweep": {"name": 3}}}')
    assert "name its sweep file instead" in fails(str(tmp_path), "--format=geneval", "--arm=x")
    assert export(run, tmp_path) == 2
    assert "exists and is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_an_arm_s_trajectories_are_what_the_store_has(run: Path, tmp_path: Path) -> None:
    from evalharness.training_data.reading import entries

    out = tmp_path / "out"
    command = ["export", str(run / "r" / "mine"), "--format", "trajectories", "--arm", "my images", "--out", str(out)]
    assert main.main(command) == 0
    rows = [entry.row for entry in entries(out)]
    assert len(rows) == 14
    for row in rows:
        about = json.loads(row["provenance"])
        (step,) = row["steps"]
        file = run / "images" / about["item"] / "samples" / f"{about['seed_index']:04d}.png"
        assert Image.open(io.BytesIO(step["image"])).tobytes() == Image.open(file).tobytes()
        assert about["score"] == (1.0 if about["seed_index"] == 0 else about["score"])
    assert main.main(["validate", str(out)]) == 0

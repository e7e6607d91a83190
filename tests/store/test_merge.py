"""Stores brought into one: against a store of a run that did all the work, and rule by rule."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import SWEEP, Clock, draw_and_score
from old_store import write_old_store

from evalharness._util.exit_codes import ExitCode
from evalharness.api.failure import Failure
from evalharness.cli import main
from evalharness.errors import ConfigError, StoreError
from evalharness.execution import made_here
from evalharness.store import merge
from evalharness.store.annotations import Annotation, add_annotations, of_store
from evalharness.store.failures import StoredFailure
from evalharness.store.merge import Merged, OnConflict, merge_stores
from evalharness.store.store import Store
from evalharness.testing import MockModel
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Step, Trajectory

ABOUT = ("question", "judge", "image", "rubric", 0)


def add(path: Path, key: str, *images: bytes, cap: int | None = None, finished: bool = True) -> None:
    steps = tuple(Step("draw", number, "", image, 7) for number, image in enumerate(images, 1))
    about: dict[str, Any] = {"model": "m", "variant": '{"b":1}', "prompt": "p", "seed": 7, "cap": cap}
    with Store(path) as store, store.batch():
        store.trajectories.add(key, Trajectory(steps, finished), **about)


def merged(source: Path, into: Path) -> Merged:
    return merge_stores([source], into)[source][0]


def everything(path: Path) -> dict[str, Any]:
    with Store(path, write=False) as store:
        images = {file.name: file.read_bytes() for file in (path / "images").rglob("*.png")}
        assert store.images.damaged(name.removesuffix(".png") for name in images) == set()
        kinds: list[Any] = [store.trajectories.all(), store.scores.all(), store.failures.all(), store.replies.all()]
        return {"images": images, "rows": [list(rows) for rows in kinds]}


def test_the_arms_of_two_stores_are_the_sweep(
    tmp_path: Path,
    sweep_file: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mock_clock: None,
) -> None:
    monkeypatch.setattr(made_here, "time", Clock())
    text = SWEEP.replace("limit: 6", "prompts: [a, b, unscorable c, unspeakable d, e, f]")
    file = sweep_file(text.replace("model: mock", "model: {name: mock, refuses: [unspeakable]}"))
    draw_and_score(file, tmp_path / "all" / "x")
    for arm in ("single", "process"):
        draw_and_score(file, tmp_path / arm / "x", only=[arm])
    stores = [str(tmp_path / arm / "store") for arm in ("single", "process")]
    capsys.readouterr()
    assert main.main(["merge", *stores, "--into", str(tmp_path / "both" / "store")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == stores
    assert lines[0].endswith(": 5 trajectories, 4 scores, 0 replies, 2 failures")
    assert everything(tmp_path / "both" / "store") == everything(tmp_path / "all" / "store")
    MockModel.drawn.clear()
    draw_and_score(file, tmp_path / "both" / "x")
    assert MockModel.drawn == []


def test_what_goes_further_is_taken_and_again_is_nothing(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    add(source, "longer", b"a", b"b", cap=2, finished=False)
    add(into, "longer", b"a", cap=1, finished=False)
    add(source, "shorter", b"c", cap=1, finished=False)
    add(into, "shorter", b"c", b"d", cap=3, finished=False)
    add(source, "ended", b"e", b"f", cap=2)
    add(into, "ended", b"e", b"f", cap=2, finished=False)
    add(source, "equal", b"g")
    add(into, "equal", b"g")
    assert merged(source, into) == Merged(trajectories=2)
    with Store(into, write=False) as store:
        trajectories = store.trajectories.get(["longer", "shorter", "ended", "equal"])
    assert {key: (len(stored.steps), stored.cap, stored.finished) for key, stored in trajectories.items()} == {
        "longer": (2, 2, False),
        "shorter": (2, 3, False),
        "ended": (2, 2, True),
        "equal": (1, None, True),
    }
    before = everything(into)
    assert merged(source, into) == Merged()
    assert everything(into) == before


def test_a_failure_yields_to_a_result_and_never_hides_one(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    for path, failed in ((source, ["drawn there", "scored there", "new"]), (into, ["drawn here"])):
        with Store(path) as store, store.batch():
            for key in failed:
                store.failures.add(key, Failure("why"))
    add(into, "drawn there", b"a")
    add(source, "drawn here", b"b")
    with Store(into) as store, store.batch():
        store.scores.add("scored there", "image", Score(0.5, "half", {"seen": [1]}))
    assert merged(source, into) == Merged(trajectories=1, failures=1)
    with Store(into, write=False) as store:
        assert dict(store.failures.all()) == {"new": StoredFailure("why")}
        assert list(store.scores.all()) == [("scored there", "image", Score(0.5, "half", {"seen": [1]}))]


def test_tries_at_a_question_stay_together(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    for path, tries in ((source, {"k": ["x", "y"], "new": ["1", "2"]}), (into, {"k": ["x"]})):
        with Store(path) as store:
            for key, texts in tries.items():
                for text in texts:
                    store.replies.put(key, ABOUT, Reply(text))
            store.runs.put("run", {"wall_seconds": len(tries)})
            store.runs.put(path.name, {"wall_seconds": 3})
    assert merged(source, into) == Merged(replies=2)
    with Store(into, write=False) as store:
        assert [(key, about, reply.text) for key, about, reply in store.replies.all()] == [
            ("k", ABOUT, "x"),
            ("new", ABOUT, "1"),
            ("new", ABOUT, "2"),
        ]
        seconds = {name: info["wall_seconds"] for name, info in store.runs.all().items()}
    assert seconds == {"run": 1, "source": 3, "into": 3}


def test_damaged_images_stay_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    add(source, "good", b"a")
    add(source, "bad", b"b")
    with Store(source, write=False) as store:
        image = next(step["image"] for key, row in store.trajectories.all() if key == "bad" for step in row["steps"])
        store.images.path(image).write_bytes(b"else")
    assert main.main(["merge", str(source), "--into", str(into)]) == ExitCode.INCOMPLETE
    printed = capsys.readouterr()
    assert printed.err == "evalharness: incomplete: 1 trajectories have damaged images and are left out\n"
    assert "1 trajectories, 0 scores" in (text := printed.out)
    assert text.endswith("; left out: 1 trajectories with damaged images\n")
    assert [path.read_bytes() for path in (into / "images").rglob("*.png")] == [b"a"]


def test_what_is_no_other_store_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    add(source, "k", b"a")
    into = str(tmp_path / "into")
    assert main.main(["merge", str(source), str(tmp_path / "none"), "--into", into]) == 2
    assert "none is not a store: it has no store.sqlite" in capsys.readouterr().err
    assert main.main(["merge", str(source), "--into", str(source / ".." / "source")]) == 2
    assert "cannot be merged into itself" in capsys.readouterr().err
    assert not Path(into).exists()


def conflicting(tmp_path: Path) -> tuple[Path, Path]:
    """Two stores with another image, score and reply under one key each, and one thing of their own each."""
    for path, image, value, text in ((tmp_path / "a", b"a", 0.25, "red"), (tmp_path / "b", b"b", 0.5, "blue")):
        add(path, "k" * 64, b"same", image)
        add(path, path.name, b"new " + image)
        with Store(path) as store, store.batch():
            store.scores.add("s", "image", Score(value))
            store.replies.put("r", ABOUT, Reply(text))
    return tmp_path / "a", tmp_path / "b"


def test_contradictions_are_counted_and_nothing_is_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = conflicting(tmp_path)
    before = everything(b)
    assert main.main(["merge", str(a), "--into", str(b)]) == 2
    assert capsys.readouterr().err == (
        f"evalharness: {a} contradicts {b}: 1 trajectories, 1 scores, 1 replies (trajectories kkkkkkkkkkkk…: "
        "another image in step draw 2; scores s…: 0.5 against 0.25; replies r…: 'blue' against 'red'); "
        "nothing is merged, choose --on-conflict keep or --on-conflict take\n"
    )
    assert everything(b) == before


@pytest.mark.parametrize("choice", ["keep", "take"])
def test_one_side_wins_if_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], choice: OnConflict) -> None:
    a, b = conflicting(tmp_path)
    assert main.main(["merge", str(a), "--into", str(b), "--on-conflict", choice]) == 0
    winner = {"keep": b, "take": a}[choice]
    copied = {"keep": "1 trajectories, 0 scores, 0 replies", "take": "2 trajectories, 1 scores, 1 replies"}[choice]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{a}: {copied}, 0 failures"
    assert lines[1].startswith(f"  contradictions, in which {winner} wins: 1 trajectories, 1 scores, 1 replies (")
    with Store(b, write=False) as store, Store(winner, write=False) as won:
        keys = ["k" * 64]
        assert store.trajectories.get(keys) == won.trajectories.get(keys)
        assert len(store.trajectories.get(["a", "b"])) == 2
        assert store.scores.get("s") == won.scores.get("s")
        assert store.replies.get("r") == won.replies.get("r")


def test_a_contradiction_of_the_second_store_leaves_the_first_out(tmp_path: Path) -> None:
    a, b = conflicting(tmp_path)
    add(tmp_path / "into", "own", b"own")
    before = everything(tmp_path / "into")
    with pytest.raises(StoreError, match=r"b contradicts .*into: 1 trajectories"):
        merge_stores([a, b], tmp_path / "into")
    assert everything(tmp_path / "into") == before
    with pytest.raises(StoreError, match="contradicts"):
        merge_stores([a, b], tmp_path / "none")
    assert not (tmp_path / "none").exists()


KILLED = """
import os, sys
from pathlib import Path
from evalharness.store.merge import merge_stores
from evalharness.store.store import StoredRuns
StoredRuns.put = lambda *_: os._exit(9)
merge_stores([Path(sys.argv[1])], Path(sys.argv[2]))
"""
"""A merge that is killed at the last that it copies."""


def test_a_merge_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    add(source, "k", b"a")
    add(into, "own", b"own")
    with Store(source) as store, store.batch():
        store.scores.add("s", "image", Score(1.0))
        store.replies.put("r", ABOUT, Reply("red"))
        store.runs.put("run", {})
    rows = everything(into)["rows"]
    words = [sys.executable, "-c", KILLED, str(source), str(into)]
    assert subprocess.run(words, check=False).returncode == 9
    assert everything(into)["rows"] == rows
    assert merged(source, into) == Merged(trajectories=1, scores=1, replies=1)


OTHER = """
import sys
from pathlib import Path
from evalharness.store.store import Store
with Store(Path(sys.argv[1])) as store:
    store.runs.put("other", {})
    if sys.argv[2] == "stays":
        print("open", flush=True)
        sys.stdin.read()
"""
"""Another process that makes the store, and keeps it open if told to."""


@pytest.mark.parametrize(("state", "refusal"), [("stays", "being written by another process"), ("ends", "contradicts")])
def test_a_merge_that_fails_leaves_the_store_that_another_process_has_just_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, refusal: str
) -> None:
    sources, into = conflicting(tmp_path), tmp_path / "into"
    words, others = [sys.executable, "-c", OTHER, str(into), state], list[subprocess.Popen[bytes]]()

    def late(path: Path, *, write: bool = True) -> Store:
        if path == into and not others:
            others.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            assert others[0].stdout is not None
            others[0].stdout.readline()
            if state == "ends":
                others[0].wait()
        return Store(path, write=write)

    monkeypatch.setattr(merge, "Store", late)
    with pytest.raises(StoreError, match=refusal):
        merge_stores(sources, into)
    others[0].communicate()
    with Store(into, write=False) as store:
        assert store.runs.all() == {"other": {}}
    assert not list(into.glob("images/*/*.png"))


def test_a_merge_that_fails_removes_its_store_before_another_process_can_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, into = conflicting(tmp_path), tmp_path / "into"
    refused = []

    def remove(path: Path, *, ignore_errors: bool) -> None:
        words = [sys.executable, "-c", OTHER, str(into), "ends"]
        refused.append(subprocess.run(words, check=False, capture_output=True, text=True).stderr)
        really_remove(path, ignore_errors=ignore_errors)

    really_remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", remove)
    with pytest.raises(StoreError, match="contradicts"):
        merge_stores(sources, into)
    assert [f"{into} is being written by another process" in text for text in refused] == [True]
    assert not into.exists()


def test_a_store_of_an_earlier_version_is_upgraded_in_a_copy(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    write_old_store(source)
    files = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    copied = merged(source, into)
    assert copied.trajectories == 8
    assert copied.scores > 0
    left = {path: path.read_bytes() for path in source.rglob("*") if path.is_file() and "-" not in path.name}
    assert left == files
    assert everything(into)["images"] == everything(source)["images"]


def word(item: str, verdict: str, by: str) -> Annotation:
    return Annotation("geneval", item, "ab" * 32, verdict, 1.0, "", by)


def test_what_people_said_is_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    add(source, "k", b"a")
    add_annotations(source, [word("1", "agree", "ann"), word("2", "agree", "ann")])
    assert main.main(["merge", str(source), "--into", str(into)]) == 0
    assert capsys.readouterr().out.endswith(", 0 failures, 2 annotations\n")
    assert of_store(into) == of_store(source)
    assert merged(source, into) == Merged()


@pytest.mark.parametrize(("on_conflict", "kept"), [(None, "disagree"), ("keep", "disagree"), ("take", "agree")])
def test_of_two_words_of_a_person_one_stays(tmp_path: Path, on_conflict: OnConflict | None, kept: str) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    add(source, "k", b"a")
    add(into, "k", b"a")
    add_annotations(source, [word("1", "agree", "ann"), word("1", "agree", "bob")])
    add_annotations(into, [word("1", "disagree", "ann")])
    assert merge_stores([source], into, on_conflict)[source][0] == Merged(annotations=1)
    assert {(one.by, one.verdict) for one in of_store(into)} == {("ann", kept), ("bob", "agree")}


def test_a_merge_that_fails_changes_no_words(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    add(source, "k", b"a")
    add(into, "k", b"a")
    add_annotations(into, [word("1", "disagree", "ann")])
    before = of_store(into)
    (source / "annotations.jsonl").write_text("{")
    with pytest.raises(ConfigError, match="is not JSON"):
        merge_stores([source], into)
    assert of_store(into) == before
    other, _ = conflicting(tmp_path)
    add_annotations(other, [word("3", "agree", "ann")])
    with pytest.raises(StoreError, match="contradicts"):
        merge_stores([other], tmp_path / "b")
    assert of_store(tmp_path / "b") == []

"""Stores brought into one: against a store of a run that did all the work, and rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import SWEEP, draw_and_score

from evalharness._util.exit_codes import ExitCode
from evalharness.api.failure import Failure
from evalharness.cli import main
from evalharness.store.failures import StoredFailure
from evalharness.store.merge import Merged, merge
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
    with Store(source, write=False) as source_store, Store(into) as into_store:
        return merge(source_store, into_store)


def everything(path: Path) -> dict[str, Any]:
    with Store(path, write=False) as store:
        images = {file.name: file.read_bytes() for file in (path / "images").rglob("*.png")}
        assert store.images.damaged(name.removesuffix(".png") for name in images) == set()
        kinds: list[Any] = [store.trajectories.all(), store.scores.all(), store.failures.all(), store.replies.all()]
        return {"images": images, "rows": [list(rows) for rows in kinds]}


def test_the_arms_of_two_stores_are_the_sweep(
    tmp_path: Path, sweep_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str], mock_clock: None
) -> None:
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
    for path, tries in ((source, {"k": ["x", "y"], "new": ["1", "2"]}), (into, {"k": ["z"]})):
        with Store(path) as store:
            for key, texts in tries.items():
                for text in texts:
                    store.replies.put(key, ABOUT, Reply(text))
            store.runs.put("run", {"wall_seconds": len(tries)})
            store.runs.put(path.name, {"wall_seconds": 3})
    assert merged(source, into) == Merged(replies=2)
    with Store(into, write=False) as store:
        assert [(key, about, reply.text) for key, about, reply in store.replies.all()] == [
            ("k", ABOUT, "z"),
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
    assert "1 trajectories, 0 scores" in (text := capsys.readouterr().out)
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

"""What nothing in a store refers to is removed, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_sweeps import SWEEP, draw_and_score

from evalharness.api.failure import Failure
from evalharness.cli import main, sweep
from evalharness.store.garbage import find_garbage, remove_garbage
from evalharness.store.store import Store
from evalharness.testing import MockModel, MockScorer
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Step, Trajectory

Write = Callable[[str], Path]


def files(folder: Path) -> dict[str, bytes]:
    paths = [
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(("store.sqlite", "lock"))
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def littered(sweep_file: Write, tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A store with garbage of each kind, and the files that it had before."""
    text = SWEEP.replace("model: mock", "model: {name: mock, fails: [thing 3]}")
    assert sweep.main([str(sweep_file(text)), "--out", str(tmp_path / "r" / "x"), "--quiet"]) == 3
    path = tmp_path / "r" / "store"
    before = files(path)
    assert any(name.startswith("failures") for name in before)
    with Store(path) as store, store.batch():
        orphan = store.images.add(b"orphan")
        store.scores.add("of orphan", orphan, Score(0.5))
        store.failures.add("gone", Failure("why", traceback="Traceback"))
        store.database.connection.execute("DELETE FROM failures WHERE key = 'gone'")
    (path / "images" / orphan[:2] / f".{orphan}.png.4242").write_bytes(b"half")
    (path / "failures" / "go" / ".gone.txt.4242").write_bytes(b"half")
    return path, before


def test_garbage_is_removed_and_a_run_finds_all_that_it_had(
    littered: tuple[Path, dict[str, bytes]], sweep_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = littered
    full = files(path)
    capsys.readouterr()
    counts = "1 image, 1 traceback, 2 temporary files, 1 score, 1 row about images; 23 bytes\n"
    assert main.main(["gc", str(path), "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{path}: nothing refers to {counts}"
    assert files(path) == full
    assert main.main(["gc", str(path.parent / "x")]) == 0
    assert capsys.readouterr().out == f"{path}: removed {counts}"
    assert files(path) == before
    MockModel.drawn.clear()
    MockScorer.scored.clear()
    text = SWEEP.replace("model: mock", "model: {name: mock, fails: [thing 3]}")
    draw_and_score(sweep_file(text), path.parent / "x")
    assert (MockModel.drawn, MockScorer.scored) == ([], [])
    assert main.main(["gc", str(path)]) == 0
    assert "removed 0 images, 0 tracebacks, 0 temporary files, 0 scores" in capsys.readouterr().out


def test_a_store_that_a_run_writes_is_refused(
    littered: tuple[Path, dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = littered
    with Store(path):
        full = files(path)
        for words in ([], ["--dry-run"]):
            assert main.main(["gc", str(path), *words]) == 2
            assert f"{path} is being written by another process (pid " in capsys.readouterr().err
    assert files(path) == full


def test_files_of_other_names_and_replies_stay(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.replies.put("k", ("question", "judge", "image", "rubric", 0), Reply("paid for"))
    stay = [
        tmp_path / "images" / "notes.txt",
        tmp_path / "images" / "ab" / "mine.png",
        tmp_path / "images" / "ab" / ".x",
    ]
    for file in stay:
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    garbage, size = remove_garbage(tmp_path)
    assert (garbage.files, size) == ((), 0)
    assert all(file.is_file() for file in stay)
    with Store(tmp_path, write=False) as store:
        assert [reply.text for reply in store.replies.get("k")] == ["paid for"]


@pytest.mark.parametrize("name", ["none", "x"])
def test_what_is_neither_store_nor_report_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "x").mkdir()
    assert main.main(["gc", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.endswith(
        "neither a store nor a report: it has no store.sqlite and no results.json\n"
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


IMAGES = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=3)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(trajectories=st.lists(IMAGES, max_size=3), others=IMAGES)
def test_what_a_trajectory_has_is_never_garbage(
    tmp_path_factory: pytest.TempPathFactory, trajectories: list[list[bytes]], others: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("store")
    about = {"model": "m", "variant": "{}", "prompt": "p", "seed": 7, "cap": None}
    with Store(path) as store, store.batch():
        for number, images in enumerate(trajectories):
            steps = tuple(Step("draw", 1, "", image, 7) for image in images)
            store.trajectories.add(str(number), Trajectory(steps, True), **about)
        for image in others:
            store.images.add(image)
    drawn = {image for images in trajectories for image in images}
    assert len(find_garbage(path).images) == len(set(others) - drawn)
    remove_garbage(path)
    left = {file.stem for file in (path / "images").rglob("*.png")}
    assert left == {hashlib.sha256(image).hexdigest() for image in drawn}

"""Whatever comes out of a store is checked: a row that is not what a store writes is one line, or is read as it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_sweeps import SINGLE, run_without_report

import evalharness as eh
from evalharness.cli import main
from evalharness.errors import EvalHarnessError, StoreError
from evalharness.execution.rates import measured_seconds
from evalharness.store.database import FILE
from evalharness.store.garbage import find_garbage
from evalharness.store.merge import merge_stores
from evalharness.store.states import sample_states
from evalharness.store.store import Store
from evalharness.types.reply import Reply
from evalharness.types.score import Score

VALUES = [None, -1, 0, 7, 2**63 - 1, -(2**63), 1e308, -0.5, "abc", "", "7", b"\xff\xff", b"", "../../x", "\x1b[2J"]
TEXTS = [
    "null",
    "3",
    "[]",
    "{}",
    "[[]]",
    "[3]",
    '[{"image": "../../../etc/passwd"}]',
    '{"a": NaN}',
    "1e999",
    "[" * 9000,
]
TEXTS += [
    '{"text": 3}',
    '{"versions": {"torch": []}}',
    '{"hardware": 3}',
    '"\\ud800"',
    "[[1, 2]]",
    '[["a", null, null]]',
]
CELLS = st.sampled_from([*VALUES, *TEXTS])
COLUMNS = {
    "scores": "key image value reason environment made scorer seconds details",
    "trajectories": "model variant prompt seed cap finished environment made iterations seconds dollars steps earlier",
    "environments": "digest info",
    "images": "digest bytes mtime_ns",
    "runs": "name info",
    "failures": "reason kind exception attempt worker host device cap traceback",
    "replies": "attempt question judge image rubric repeat reply",
}
PLACES = [(table, column) for table, columns in COLUMNS.items() for column in columns.split()]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a row in each table, beside its sweep file."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "tiny.yaml").write_text(SINGLE.replace("limit: 6", "limit: 3, prompts: [a, b, unscorable c]"))
    run_without_report(folder / "tiny.yaml", folder / "r" / "tiny").close()
    with Store(folder / "r" / "store") as store:
        image = next(iter(store.scores.images()))
        store.replies.put("k", ("q" * 64, "j" * 64, image, "r" * 64, 0), Reply("Score: 1", cost=0.5))
    return folder


def read_all(plan: eh.Plan, path: Path, folder: Path) -> None:
    """Read a store as the commands do."""
    with Store(path, write=False) as store:
        with eh.Results(plan, path) as results:
            for key in results.samples["trajectory"].dropna():
                results.trajectory(key)
            for key in results.samples["score_key"].dropna():
                results.data.details(key)
            assert results.samples["score"].dropna().between(0, 1).all()
        for state in sample_states(plan, store):
            if state.steps:
                stored = store.trajectories.get([state.sample.job])[state.sample.job]
                store.trajectories.with_images(stored.steps)
        measured_seconds(plan, store)
        store.replies.known(store.scores.images())
        list(store.failures.all())
        store.trajectories.spent_by_part(next(iter(plan.models)))
    find_garbage(path)
    merge_stores([path], folder / "merged")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), cell=CELLS)
def test_a_hostile_cell_is_one_line_or_read(stored: Path, place: tuple[str, str], cell: Any) -> None:
    check(stored, place, cell)


@pytest.mark.slow
@settings(max_examples=3000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), cell=CELLS)
def test_many_hostile_cells_are_one_line_or_read(stored: Path, place: tuple[str, str], cell: Any) -> None:
    check(stored, place, cell)


def check(stored: Path, place: tuple[str, str], cell: Any) -> None:
    table, column = place
    folder = stored / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(stored / "r" / "store", folder / "store", copy_function=os.link)
    shutil.copy(stored / "r" / "store" / FILE, folder / "copied")
    (folder / "copied").replace(folder / "store" / FILE)
    with (
        contextlib.closing(sqlite3.connect(folder / "store" / FILE)) as connection,
        contextlib.suppress(
            sqlite3.IntegrityError  # a column that takes no NULL, or a key that is there already
        ),
    ):
        connection.execute(f"UPDATE {table} SET {column} = ?", (cell,))
        connection.commit()
    plan = eh.plan(stored / "tiny.yaml")
    try:
        read_all(plan, folder / "store", folder)
    except EvalHarnessError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000


def test_the_store_that_is_changed_is_read_as_it_is(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored / "r" / "store", tmp_path / "store")
    read_all(eh.plan(stored / "tiny.yaml"), tmp_path / "store", tmp_path)


def test_a_score_that_no_scorer_makes_is_not_reported(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored / "r" / "store", tmp_path / "store")
    with Store(tmp_path / "store") as store, store.batch():
        key, image, score = next(iter(store.scores.all()))
        store.scores.add(key, image, Score(7.0, score.reason))
    results = eh.Results(eh.plan(stored / "tiny.yaml"), tmp_path / "store")
    with pytest.raises(StoreError, match=r"is damaged: a score of mock is 7, which is not in 0\.\.1"), results:
        assert len(results.samples)


def test_a_text_in_place_of_a_score_is_not_merged(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored / "r" / "store", tmp_path / "store")
    with Store(tmp_path / "store") as store, store.database.batch() as connection:
        connection.execute("UPDATE scores SET value = 'abc'")
    with pytest.raises(StoreError, match=r"store\.sqlite is damaged \(a score is 'abc' in place of a number\)"):
        merge_stores([tmp_path / "store"], tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("how", ["cut to nothing", "gone", "without tables"])
def test_a_database_that_was_lost_does_not_become_a_new_one(stored: Path, tmp_path: Path, how: str) -> None:
    """Judges would be asked and paid again, and the report would say that all is well."""
    shutil.copytree(stored / "r" / "store", tmp_path / "store")
    for file in (tmp_path / "store").glob(f"{FILE}*"):
        file.unlink()
    if how != "gone":
        (tmp_path / "store" / FILE).touch()
    if how == "without tables":
        with contextlib.closing(sqlite3.connect(tmp_path / "store" / FILE)) as connection:
            connection.execute("PRAGMA user_version = 3")
    for write in (True, False):
        with pytest.raises(StoreError, match="the database was lost; put it back from a copy"):
            Store(tmp_path / "store", write=write)
    assert how == "gone" or (tmp_path / "store" / FILE).stat().st_size < 5000, "nothing was written"


def test_bit_rot_that_keeps_size_and_time_is_found_by_who_reads_and_mended_by_the_next_run(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(stored / "r", tmp_path / "r")
    path = sorted((tmp_path / "r" / "store" / "images").glob("*/*.png"))[0]
    whole, times = path.read_bytes(), path.stat()
    words = ["gc", str(tmp_path / "r" / "store"), "--verify"]
    assert main.main(words) == 0
    assert "3 images, 0 damaged or missing" in capsys.readouterr().out

    def rot() -> None:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    rot()
    with Store(tmp_path / "r" / "store") as store:
        assert store.images.damaged([path.stem]) == set(), "a run does not read what has the size and time of before"
    with eh.Results(eh.plan(stored / "tiny.yaml"), tmp_path / "r" / "store") as results:
        assert not results.data.image_path(path.stem).exists(), "a report is given no damaged image"
    run_without_report(stored / "tiny.yaml", tmp_path / "r" / "tiny").close()
    assert path.read_bytes() == whole, "and the next run draws it again"
    rot()
    assert main.main(words) == 1
    assert f"damaged or missing: {path.stem}; the sweep that drew them" in capsys.readouterr().err

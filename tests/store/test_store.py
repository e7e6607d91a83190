from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from old_store import write_old_store

from evalharness.api.failure import Failure
from evalharness.api.judge import JudgePrompt
from evalharness.errors import StoreError
from evalharness.store.failures import StoredFailure
from evalharness.store.images import DamagedImageError, StoredImages
from evalharness.store.store import Store
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory


def trajectory(*images: bytes, finished: bool = True) -> Trajectory:
    steps = (Step("draw", i + 1, f"t{i}", image, 7, Cost(1, 2, 0.5)) for i, image in enumerate(images))
    return Trajectory(tuple(steps), finished)


def add(store: Store, key: str, made: Trajectory, cap: int | None = None) -> None:
    with store.batch():
        store.trajectories.add(key, made, model="m", variant="v", prompt="p", seed=2**63 - 1, cap=cap)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_round_trip(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        add(store, "k", trajectory(b"one", b"two", finished=False), cap=2)
        with store.batch():
            store.scores.add("s", sha(b"two"), Score(0.5, "why", {"boxes": [1, 2]}))
            store.failures.add("f", Failure("because"))
    with Store(tmp_path, write=False) as store:
        found = store.trajectories.get(["k", "other"])["k"]
        assert [(s.kind, s.iteration, s.text, s.image, s.seed) for s in found.steps] == [
            ("draw", 1, "t0", sha(b"one"), 7),
            ("draw", 2, "t1", sha(b"two"), 7),
        ]
        assert [(s.evaluations, s.tokens, s.seconds) for s in found.steps] == [(1, 2, 0.5)] * 2
        assert (found.finished, found.cap) == (False, 2)
        assert [found.covers(cap) for cap in (1, 2, 3, None)] == [True, True, False, False]
        assert store.images.read(sha(b"one")) == b"one"
        assert store.images.path(sha(b"one")) == tmp_path / "images" / sha(b"one")[:2] / f"{sha(b'one')}.png"
        assert store.scores.get(["s"]) == {"s": Score(0.5, "why")}
        assert store.scores.details("s") == {"boxes": [1, 2]}
        assert store.failures.get(["f", "k"]) == {"f": StoredFailure("because")}
        assert store.trajectories.totals("m") == {"v": (1, 2, 1.0, 0.0)}


def test_many_keys_at_once(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        keys = [f"k{number}" for number in range(1201)]
        with store.batch():
            for key in keys:
                store.failures.add(key, Failure(key))
        assert store.failures.get(keys) == {key: StoredFailure(key) for key in keys}
        with store.batch():
            for key in keys[:600]:
                store.scores.add(key, "image", Score(1.0))
        assert set(store.failures.get(keys)) == set(keys[600:])


def test_reading_a_store_that_is_not_there_leaves_no_trace(tmp_path: Path) -> None:
    with Store(tmp_path / "none", write=False) as store:
        assert store.trajectories.get(["k"]) == {}
    assert not (tmp_path / "none").exists()


def test_second_writer_is_told_the_pid_and_readers_are_welcome(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from evalharness.store.store import Store; Store(Path({str(tmp_path)!r}))"
    with Store(tmp_path) as store:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert f"another process (pid {os.getpid()})" in done.stderr
        add(store, "k", trajectory(b"one"))
        with Store(tmp_path, write=False) as reader:
            assert set(reader.trajectories.get(["k"])) == {"k"}
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("damage", ["truncated", "changed", "gone", "folder"])
def test_damaged_images_are_found(tmp_path: Path, damage: str) -> None:
    with Store(tmp_path) as store:
        add(store, "k", trajectory(b"one", b"two"))
        assert store.images.damaged([sha(b"one"), sha(b"two")]) == set()
    path = store.images.path(sha(b"one"))
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"on" if damage == "truncated" else b"eno")
    with Store(tmp_path) as store:
        if damage == "folder":
            with pytest.raises(StoreError, match="Is a directory"):
                store.images.damaged([sha(b"one")])
            return
        assert store.images.damaged([sha(b"one"), sha(b"two")]) == {sha(b"one")}
        with pytest.raises(DamagedImageError):
            store.images.read(sha(b"one"))
        add(store, "k", trajectory(b"one", b"two"))
        assert store.images.read(sha(b"one")) == b"one"


def test_unchanged_images_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        add(store, "k", trajectory(b"one"))
        monkeypatch.setattr(StoredImages, "read", lambda self, digest: pytest.fail("read"))
        assert store.images.damaged([sha(b"one")]) == set()


@pytest.mark.parametrize("where", ["header", "middle", "cut"])
def test_damaged_database_is_one_clear_line(tmp_path: Path, where: str) -> None:
    with Store(tmp_path) as store, store.batch():
        for number in range(2000):
            store.failures.add(f"k{number}", Failure("x" * 50))
    file = tmp_path / "store.sqlite"
    data = bytearray(file.read_bytes())
    if where == "cut":
        data = data[: len(data) // 2]
    else:
        start = 0 if where == "header" else len(data) // 2
        data[start : start + 4096] = b"\xff" * 4096
    file.write_bytes(data)
    for write in (True, False):
        with pytest.raises(
            StoreError, match=r"store.sqlite is damaged .*; move it away, or use another --store"
        ) as caught:
            Store(tmp_path, write=write)
        assert "\n" not in str(caught.value)


def test_a_row_that_is_not_json_is_one_clear_line(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        add(store, "k", trajectory(b"one"))
        store.database.connection.execute("UPDATE trajectories SET steps = '{nope'")
        with pytest.raises(StoreError, match=r"is damaged \(a row is not JSON"):
            store.trajectories.get(["k"])


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="another program"):
        Store(tmp_path)
    other = tmp_path / "newer"
    Store(other).close()
    with sqlite3.connect(other / "store.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema 99"):
        Store(other)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="store"):
        Store(tmp_path / "store")


def test_disk_full_keeps_what_was_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.fsync, [3]

    def fsync(handle: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with Store(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(StoreError, match="no space left on the disk"), store.batch():
            for key in ("a", "b", "c"):
                store.trajectories.add(
                    key, trajectory(key.encode()), model="m", variant="v", prompt="", seed=0, cap=None
                )
        monkeypatch.setattr(os, "fsync", real)
        assert set(store.trajectories.get("abc")) == {"a"}
        assert store.images.damaged([sha(b"a")]) == set()
        assert not list((tmp_path / "images").rglob(".*")), "no temporary file is left"


def test_of_a_batch_that_does_not_fit_on_the_disk_what_fits_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def limited(path: Path, data: bytes) -> int:
        if len([one for one in (tmp_path / "images").rglob("*") if one.is_file()]) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", limited)
    with Store(tmp_path) as store:
        with pytest.raises(StoreError, match="no space left on the disk"), store.batch():
            store.images.prepare([b"a", b"b", b"c"])
            for key in ("a", "b", "c"):
                store.trajectories.add(
                    key, trajectory(key.encode()), model="m", variant="v", prompt="", seed=0, cap=None
                )
        assert set(store.trajectories.get("abc")) == {"a", "b"}
        assert store.images.damaged([sha(b"a"), sha(b"b")]) == set()
    assert not list((tmp_path / "images").rglob(".*")), "no temporary file is left"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")
def test_images_that_come_together_are_synced_before_they_are_named_and_their_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    synced: list[tuple[str, bool]] = []
    images = [bytes([number]) for number in range(40)]

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append((str(path.relative_to(tmp_path)), any(store.images.path(sha(one)).exists() for one in images)))
        real(handle)

    with Store(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", fsync)
        store.images.prepare(images)
        files = [(name, named) for name, named in synced if ".png." in name]
        folders = [(name, named) for name, named in synced if ".png." not in name]
        assert len({name for name, _ in files}) == len(files) == len(images)
        assert not any(named for _, named in files), "none has its name before all are on the disk"
        assert {name for name, _ in folders} == {"images", *(f"images/{sha(one)[:2]}" for one in images)}
        assert all(named for _, named in folders)
        synced.clear()
        store.images.prepare(images)
        assert not synced, "what is there is not written again"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        kept = []
        with Store(disk / "store") as store, pytest.raises(StoreError, match="no space left on the disk"):
            for number in range(200):
                add(store, f"k{number}", trajectory(os.urandom(4000)))
                kept.append(f"k{number}")
        assert kept
        with Store(disk / "store", write=False) as store:
            found = store.trajectories.get(kept)
            assert set(found) == set(kept)
            assert store.images.damaged([step.image or "" for one in found.values() for step in one.steps]) == set()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_replies_are_kept_in_the_order_of_their_tries(tmp_path: Path) -> None:
    question = JudgePrompt([{"role": "user", "content": "?"}], image="i", rubric="r", max_tokens=5)
    with Store(tmp_path) as store:
        store.replies.add("k", question, "j", Reply("first", cost=0.5))
        store.replies.add("other", question, "j", Reply("else"))
        store.replies.add("k", question, "j", Reply("second"))
    with Store(tmp_path, write=False) as store:
        assert store.replies.get("k") == [Reply("first", cost=0.5), Reply("second")]
        assert store.replies.get("none") == []


def test_a_store_of_the_first_schema_is_brought_up(tmp_path: Path) -> None:
    write_old_store(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        db.executescript("INSERT INTO runs VALUES ('run', '{\"kept\": true}')")
        db.executescript("DROP TABLE replies; PRAGMA user_version = 1;")
    with Store(tmp_path, write=False) as store:
        assert store.runs.get("run") == {"kept": True}
    with Store(tmp_path) as store:
        assert store.replies.get("k") == []
        assert store.runs.get("run") == {"kept": True}


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (np.float32(0.25), 0.25),
        (np.float32(1), 1.0),
        (np.float16(0.5), 0.5),
        (np.int64(1), 1.0),
        (np.int32(0), 0.0),
        (np.bool_(True), 1.0),
    ],
)
def test_a_value_that_was_stored_as_it_lay_in_memory_is_read(tmp_path: Path, number: Any, value: float) -> None:
    """Scores of NumPy's types, as versions that did not convert them left them."""
    with Store(tmp_path) as store, store.database.batch() as connection:
        store.scores.add("k", "0" * 64, Score(0.5, "why", {"a": 1}))
        connection.execute("UPDATE scores SET value = ?", (number,))
        assert store.scores.get(["k"])["k"] == Score(value, "why")
        assert [row[:3] for row in store.scores.values(["k"])] == [("k", value, "why")]
        assert [score for _, _, score in store.scores.all()] == [Score(value, "why", {"a": 1})]


@pytest.mark.parametrize("junk", [b"some words", b"\xff\xff\xff\xff", b"\xff" * 8])
def test_a_value_that_is_no_number_is_one_clear_line(tmp_path: Path, junk: bytes) -> None:
    with Store(tmp_path) as store, store.database.batch() as connection:
        store.scores.add("k", "0" * 64, Score(0.5))
        connection.execute("UPDATE scores SET value = ?", (junk,))
    with Store(tmp_path, write=False) as store:
        for read in (
            store.scores.get,
            lambda keys: list(store.scores.values(keys)),
            lambda _: list(store.scores.all()),
        ):
            with pytest.raises(StoreError, match=r"is damaged \(a score is b.* in place of a number\)"):
                read(["k"])

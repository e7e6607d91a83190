"""What was drawn and scored: rows in SQLite, images as files named by their SHA-256. One process writes at a time.

store/
    store.sqlite      rows; write-ahead log, every commit is synced
    lock              held by the writer, with its pid
    images/ab/….png   an image is on the disk, whole, before a row mentions it
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from evalharness._util.chunking import chunks
from evalharness._util.files import write_durably
from evalharness.api.judge import JudgePrompt, reply_key
from evalharness.errors import StoreError
from evalharness.store.database import as_store_error, connect, lock_store
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Cost, Step, Trajectory

if TYPE_CHECKING:
    from evalharness.store.trajectory_columns import TrajectoryColumns


class DamagedImageError(StoreError):
    """An image file is not (any more) what its name says."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"image {digest[:12]}… is damaged or gone; run again to redraw it")
        self.digest = digest


@dataclass(frozen=True, slots=True)
class StoredStep:
    """A :class:`Step` whose image is a digest."""

    kind: str
    iteration: int
    text: str
    image: str | None
    seed: int | None
    evaluations: int
    tokens: int
    seconds: float
    dollars: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StoredTrajectory:
    """A :class:`Trajectory` whose images are digests. ``cap`` is the iteration cap that it was drawn under."""

    steps: tuple[StoredStep, ...]
    finished: bool
    cap: int | None

    def covers(self, cap: int | None) -> bool:
        """Whether a run capped at ``cap`` is a prefix of this one."""
        return self.finished or self.cap is None or (cap is not None and cap <= self.cap)

    def prefix(self, cap: int | None) -> tuple[StoredStep, ...]:
        """The steps of a run capped at ``cap``."""
        return tuple(step for step in self.steps if cap is None or step.iteration <= cap)


def final_image(steps: Sequence[StoredStep]) -> str | None:
    """The digest of the last image that was drawn."""
    return next((step.image for step in reversed(steps) if step.image is not None), None)


class Store:
    """A folder of results. Use as a context manager; ``write=False`` reads only, beside a writer if there is one.

    Raises:
        StoreError: another process writes, the database is damaged or of another version, the disk is full.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self.lock = threading.Condition()
        """Held by whichever thread of the writer is at work."""
        self._lock: FileLock | None = None
        with as_store_error(path):
            if write:
                (path / "images").mkdir(parents=True, exist_ok=True)
                self._lock = lock_store(path)
            try:
                self._db = connect(path / "store.sqlite", write)
            except BaseException:
                self._release()
                raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        with self.lock, contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # --- reading ---

    def trajectories(self, keys: Iterable[str]) -> dict[str, StoredTrajectory]:
        """Those that are there."""
        with self._guarded():
            return {
                row["key"]: StoredTrajectory(_steps(row["steps"]), bool(row["finished"]), row["cap"])
                for row in self._rows("SELECT key, steps, finished, cap FROM trajectories", keys)
            }

    def courses(
        self, keys: Sequence[str], size: int = 4000
    ) -> Iterator[tuple[list[tuple[str, StoredTrajectory]], TrajectoryColumns]]:
        """As :meth:`trajectories`, so many at a time: their keys, and what they are without their steps; their steps as
        columns. Best with keys in rising order: they are then read as they lie in the file."""
        from evalharness.store.trajectory_columns import TrajectoryColumns

        select = "SELECT key, steps, finished, cap FROM trajectories"
        for start in range(0, len(keys), size):
            rows = list(self._tuples(select, keys[start : start + size]))
            with self._guarded():
                steps = TrajectoryColumns([row[1] for row in rows])
            yield [(row[0], StoredTrajectory((), bool(row[2]), row[3])) for row in rows], steps

    def all_trajectories(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every trajectory by its key, as JSON: ``model`` (digest), ``variant``, ``prompt``, ``seed``, ``cap``,
        ``finished``, ``steps`` (images are digests).
        """
        with as_store_error(self.path):
            for row in self._db.execute("SELECT * FROM trajectories ORDER BY key"):
                parsed = {"variant": _json(row["variant"]), "finished": bool(row["finished"])}
                steps = [step.as_dict() for step in _steps(row["steps"])]
                kept = {name: row[name] for name in ("model", "prompt", "seed", "cap")}
                yield row["key"], {**kept, **parsed, "steps": steps}

    def all_scores(self) -> Iterator[tuple[str, str, Score]]:
        """Every score: its key, the digest of its image, and itself with its details."""
        with as_store_error(self.path):
            for row in self._db.execute("SELECT * FROM scores ORDER BY key"):
                yield row["key"], row["image"], Score(row["value"], row["reason"], _json(row["details"]))

    def scores(self, keys: Iterable[str]) -> dict[str, Score]:
        """Those that are there, without their details."""
        found = self._rows("SELECT key, value, reason FROM scores", keys)
        return {row["key"]: Score(row["value"], row["reason"]) for row in found}

    def verdicts(self, keys: Iterable[str]) -> Iterator[tuple[str, float, str]]:
        """As :meth:`scores`: key, value and reason, without an object each."""
        return self._tuples("SELECT key, value, reason FROM scores", keys)

    def details(self, key: str) -> dict[str, Any]:
        """The evidence of one score; empty if there is no such score."""
        with self._guarded():
            for row in self._rows("SELECT details FROM scores", [key]):
                return dict(_json(row["details"]))
        return {}

    def failures(self, keys: Iterable[str]) -> dict[str, str]:
        """Key of a trajectory or of a score → why it failed."""
        return {row["key"]: row["reason"] for row in self._rows("SELECT key, reason FROM failures", keys)}

    def all_failures(self) -> Iterator[tuple[str, str]]:
        """As :meth:`failures`, of all keys."""
        with as_store_error(self.path):
            yield from map(tuple, self._db.execute("SELECT key, reason FROM failures ORDER BY key"))

    def took(self, model: str) -> dict[str, tuple[int, int, float, float]]:
        """Variant key (JSON) → trajectories, their iterations, seconds and dollars, of all stored ones of a model
        (digest)."""
        totals: dict[str, tuple[int, int, float, float]] = {}
        with self._guarded():
            for row in self._db.execute("SELECT variant, steps FROM trajectories WHERE model = ?", (model,)):
                steps = _steps(row["steps"])
                count, rounds, seconds, dollars = totals.get(row["variant"], (0, 0, 0.0, 0.0))
                rounds += max(1, max((step.iteration for step in steps), default=0))
                seconds += sum(step.seconds for step in steps)
                dollars += sum(step.dollars for step in steps)
                totals[row["variant"]] = (count + 1, rounds, seconds, dollars)
        return totals

    def spent(self, model: str) -> Spent:
        """What all stored trajectories of a model (digest of its identity) come to."""
        with self._guarded():
            rows = self._db.execute("SELECT steps FROM trajectories WHERE model = ?", (model,))
            costs = [math.fsum(step.dollars for step in _steps(row["steps"])) for row in rows]
        return Spent(len(costs), math.fsum(costs))

    def loaded(self, steps: Iterable[StoredStep]) -> tuple[Step, ...]:
        """Steps with their images.

        Raises:
            DamagedImageError: one of them is damaged or gone.
        """
        found = []
        for step in steps:
            image = None if step.image is None else self.image(step.image)
            cost = Cost(step.evaluations, step.tokens, step.seconds, step.dollars)
            found.append(Step(step.kind, step.iteration, step.text, image, step.seed, cost))
        return tuple(found)

    def image_path(self, digest: str) -> Path:
        return self.path / "images" / digest[:2] / f"{digest}.png"

    def image(self, digest: str) -> bytes:
        """The bytes of an image.

        Raises:
            DamagedImageError: they do not have this digest.
        """
        try:
            data = self.image_path(digest).read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise StoreError(f"{self.image_path(digest)}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise DamagedImageError(digest)
        return data

    def run_info(self, name: str) -> dict[str, Any]:
        """What :meth:`set_run_info` kept."""
        with self._guarded():
            row = self._db.execute("SELECT info FROM runs WHERE name = ?", (name,)).fetchone()
            return dict(_json(row["info"])) if row else {}

    def run_infos(self) -> dict[str, dict[str, Any]]:
        """Those of all runs."""
        with self._guarded():
            rows = self._db.execute("SELECT name, info FROM runs ORDER BY name")
            return {row["name"]: dict(_json(row["info"])) for row in rows}

    # --- writing ---

    def add_images(self, images: Iterable[bytes]) -> None:
        """Write together what trajectories are about to bring: so many syncs at once take little longer than one.

        Inside :meth:`batch`, before :meth:`add_trajectory`, which writes what this could not, or says why.
        """
        paths = {self.image_path(hashlib.sha256(data).hexdigest()): data for data in images}
        with self.lock, contextlib.suppress(OSError):
            write_durably({path: data for path, data in paths.items() if not path.exists()})

    def add_trajectory(
        self, key: str, trajectory: Trajectory, *, model: str, variant: str, prompt: str, seed: int, cap: int | None
    ) -> None:
        """Images first, then the row. Inside :meth:`batch`."""
        with self._guarded():
            steps = [self._store_step(step) for step in trajectory.steps]
            self._db.execute(
                "INSERT OR REPLACE INTO trajectories VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (key, model, variant, _text(prompt), seed, cap, trajectory.finished, json.dumps(steps)),
            )
            self._db.execute("DELETE FROM failures WHERE key = ?", (key,))

    def add_score(self, key: str, image: str, score: Score) -> None:
        """Inside :meth:`batch`."""
        with self._guarded():
            self._db.execute(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)",
                (key, image, score.value, _text(score.reason), json.dumps(dict(score.details))),
            )
            self._db.execute("DELETE FROM failures WHERE key = ?", (key,))

    def add_failure(self, key: str, reason: str) -> None:
        """It stays until a trajectory or score of that key is added. Inside :meth:`batch`."""
        with self._guarded():
            self._db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (key, _text(reason)))

    def forget_trajectories(self, keys: Iterable[str]) -> None:
        with self.batch():
            self._db.executemany("DELETE FROM trajectories WHERE key = ?", [(key,) for key in keys])

    def set_run_info(self, name: str, info: Mapping[str, Any]) -> None:
        """Keep JSON about a run."""
        with self._guarded(), self.batch():
            self._db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (name, json.dumps(dict(info))))

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Several additions, one commit. An addition is whole or absent: those before an error are kept."""
        with self._guarded():
            try:
                yield
            finally:
                self._db.commit()

    def images_of(self, keys: Iterable[str]) -> Iterator[str]:
        """The digests of all images of trajectories; some more than once."""
        for row in self._rows("SELECT steps FROM trajectories", keys):
            with self._guarded():
                steps = _steps(row["steps"])
            yield from (step.image for step in steps if step.image is not None)

    def check_images(self, digests: Iterable[str]) -> set[str]:
        """Those whose file is damaged or gone. A file is read only if its size or time is not what it was when good."""
        damaged: set[str] = set()
        for chunk in chunks(digests):
            with self._guarded():
                damaged |= self._check_some(chunk)
        return damaged

    def _check_some(self, digests: list[str]) -> set[str]:
        damaged: set[str] = set()
        fresh: list[tuple[str, int, int]] = []
        select = f"SELECT * FROM images WHERE digest IN ({','.join('?' * len(digests))})"
        known = {row["digest"]: (row["bytes"], row["mtime_ns"]) for row in self._db.execute(select, digests)}
        for digest in set(digests):
            try:
                stat = self.image_path(digest).stat()
                if known.get(digest) != (stat.st_size, stat.st_mtime_ns):
                    self.image(digest)
                    fresh.append((digest, stat.st_size, stat.st_mtime_ns))
            except (DamagedImageError, FileNotFoundError):
                damaged.add(digest)
        if self._lock is not None and fresh:
            with self.batch():
                self._db.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", fresh)
        return damaged

    @property
    def replies(self) -> StoredReplies:
        """What judges said of the images."""
        return StoredReplies(self)

    # --- inside ---

    def _rows(self, select: str, keys: Iterable[str]) -> Iterator[sqlite3.Row]:
        for chunk in chunks(dict.fromkeys(keys)):
            with self._guarded():
                found = self._db.execute(f"{select} WHERE key IN ({','.join('?' * len(chunk))})", chunk).fetchall()
            yield from found

    def _tuples(self, select: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Of distinct keys, best in rising order."""
        for chunk in chunks(keys):
            with self._guarded():
                cursor = self._db.cursor()
                cursor.row_factory = None
                found = cursor.execute(f"{select} WHERE key IN ({','.join('?' * len(chunk))})", chunk).fetchall()
            yield from found

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with self.lock, as_store_error(self.path):
            yield

    def _store_step(self, step: Step) -> dict[str, Any]:
        image = None if step.image is None else self._store_image(step.image)
        cost: Cost = step.cost
        took = (cost.evaluations, cost.tokens, cost.seconds, cost.dollars)
        return StoredStep(step.kind, step.iteration, _text(step.text), image, step.seed, *took).as_dict()

    def _store_image(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self.image_path(digest)
        if not (path.is_file() and path.read_bytes() == data):
            write_durably({path: data})
        stat = path.stat()
        self._db.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", (digest, stat.st_size, stat.st_mtime_ns))
        return digest


@dataclass(frozen=True, slots=True)
class StoredReplies:
    """The :class:`~evalharness.api.judge.Replies` of a store; each is committed at once."""

    store: Store

    def get(self, key: str) -> list[Reply]:
        select = "SELECT reply FROM replies WHERE key = ? ORDER BY attempt"
        with self.store._guarded():
            return [Reply(**_json(row["reply"])) for row in self.store._db.execute(select, (key,))]

    def usage(self, judge: str, rubric: str, images: Collection[str]) -> dict[str, float]:
        """What a judge's replies about some images add up to: how many, tokens, dollars."""
        select = "SELECT image, reply FROM replies WHERE judge = ? AND rubric = ?"
        total = {"replies": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0}
        with self.store._guarded():
            for row in self.store._db.execute(select, (judge, rubric)):
                if row["image"] in images:
                    reply = _json(row["reply"])
                    total["replies"] += 1
                    for name in ("prompt_tokens", "completion_tokens", "cost"):
                        total[name] += reply[name]
        return total

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        self.put(key, (prompt.key(), judge, prompt.image, prompt.rubric, prompt.repeat), reply)

    def put(self, key: str, about: tuple[str, str, str, str, int], reply: Reply) -> None:
        """As :meth:`add`, of digests: question, judge, image, rubric, and the number of the repeat."""
        insert = f"INSERT INTO replies VALUES (?, (SELECT count(*) FROM replies WHERE key = ?){', ?' * 6})"
        with self.store.batch():
            self.store._db.execute(insert, (key, key, *about, json.dumps(asdict(reply))))

    def spent(self, judge: str) -> Spent:
        with self.store._guarded():
            rows = self.store._db.execute("SELECT reply FROM replies WHERE judge = ?", (judge,))
            costs = [float(_json(row["reply"])["cost"]) for row in rows]
        return Spent(len(costs), math.fsum(costs))

    def known(self, images: Iterable[str]) -> dict[str, list[Reply]]:
        """All replies about images, by the keys of :meth:`get`."""
        found: dict[str, list[Reply]] = {}
        for one in self.about(images):
            found.setdefault(reply_key(one.judge, one.question), []).append(one.reply)
        return found

    def all(self) -> Iterator[tuple[str, tuple[str, str, str, str, int], Reply]]:
        """Every reply as :meth:`put` takes it, the tries of a key in their order."""
        with as_store_error(self.store.path):
            for row in self.store._db.execute("SELECT * FROM replies ORDER BY key, attempt"):
                about = (row["question"], row["judge"], row["image"], row["rubric"], row["repeat"])
                yield row["key"], about, Reply(**_json(row["reply"]))

    def about(self, images: Iterable[str]) -> Iterator[StoredReply]:
        """All replies about images (digests), whoever gave them, by question and try."""
        columns = "question, attempt, judge, image, rubric, repeat, reply"
        for chunk in chunks(dict.fromkeys(images)):
            select = f"SELECT {columns} FROM replies WHERE image IN ({','.join('?' * len(chunk))})"
            with self.store._guarded():
                rows = self.store._db.execute(f"{select} ORDER BY question, judge, attempt", chunk).fetchall()
            for row in rows:
                yield StoredReply(**{**dict(row), "reply": Reply(**_json(row["reply"]))})


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply with what it is a reply to; ``judge`` is the digest of the judge's identity."""

    question: str
    attempt: int
    judge: str
    image: str
    rubric: str
    repeat: int
    reply: Reply


def _text(text: str) -> str:
    """Without lone surrogates, which a model's text can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _steps(text: str) -> tuple[StoredStep, ...]:
    return tuple(StoredStep(**step) for step in _json(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a row is not JSON: {error}") from error

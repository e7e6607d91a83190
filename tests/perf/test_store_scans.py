"""Looks into a store of many results against reading all of its rows, which they must not do.

EVALHARNESS_PERF_SAMPLES sets another number of samples than 100,000.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from evalharness.api.judge import reply_key
from evalharness.store.store import Store
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory

SAMPLES = int(os.environ.get("EVALHARNESS_PERF_SAMPLES", "100000"))
TEXT = "a line of words about the picture, as long as those of a plan are " * 3
BLOCK = 10_000

pytestmark = pytest.mark.perf


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


MODEL, JUDGE = digest("model"), digest("judge")


def add_sample(store: Store, number: int) -> None:
    """The rows of three iterations, without images, and of their score and a judge's reply."""
    image, question = digest(f"image {number}"), digest(f"question {number}")
    cost = Cost(12, 40, 0.25)
    steps = tuple(Step(kind, iteration, TEXT, cost=cost) for iteration in (1, 2, 3) for kind in ("plan", "inspect"))
    key = digest(f"trajectory {number}")
    store.trajectories.add(key, Trajectory(steps), model=MODEL, variant="{}", prompt=TEXT, seed=number, cap=3)
    store.scores.add(digest(f"score {number}"), image, Score(1.0, details={"answers": [TEXT]}))
    store.replies.put(reply_key(JUDGE, question), (question, JUDGE, image, digest("rubric"), 0), Reply(TEXT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    start = time.perf_counter()
    with Store(folder) as store:
        for first in range(0, SAMPLES, BLOCK):
            with store.batch():
                for number in range(first, min(first + BLOCK, SAMPLES)):
                    add_sample(store, number)
    megabytes = (folder / "store.sqlite").stat().st_size / 1e6
    sys.stdout.write(
        f"\n{SAMPLES:,} samples: written in {time.perf_counter() - start:.0f} s, {megabytes:.0f} MB, "
        f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB\n"
    )
    return folder


def seconds(function: Callable[[], object]) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(what: str, look: Callable[[], object], scan: Callable[[], object], *, factor: float) -> None:
    ours, reference = seconds(look), seconds(scan)
    sys.stdout.write(
        f"\n{what}: {1000 * ours:.2f} ms, {reference / ours:.0f} times as fast as {1000 * reference:.0f} ms\n"
    )
    assert reference > factor * ours


def test_a_store_opens_without_reading_all_of_it(folder: Path) -> None:
    def check_all() -> None:
        with closing(sqlite3.connect(folder / "store.sqlite")) as db:
            assert db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)

    compare("opening", lambda: Store(folder, write=False).close(), check_all, factor=20)


def test_the_replies_about_an_image_are_found_by_an_index(folder: Path) -> None:
    image = digest(f"image {SAMPLES // 2}")
    with Store(folder, write=False) as store:
        scan = "SELECT reply FROM replies WHERE +image = ?"  # the sign keeps the index from being used
        compare(
            "replies about an image",
            lambda: store.replies.known([image]),
            lambda: store.database.connection.execute(scan, (image,)).fetchall(),
            factor=20,
        )


def test_totals_of_a_model_are_not_read_out_of_its_steps(folder: Path) -> None:
    with Store(folder, write=False) as store:
        read_all = lambda: sum(len(row["steps"]) for _, row in store.trajectories.all())  # noqa: E731
        compare("totals of a model", lambda: store.trajectories.totals(MODEL), read_all, factor=5)
        compare("dollars of a model", lambda: store.trajectories.spent(MODEL), read_all, factor=5)

"""Killed with -9 before and after everything that a run writes, one point after the other; then continued."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - once, not in each fork
import pytest
from failpoints import Points
from mock_sweeps import draw_and_score

from evalharness._util import environment
from evalharness.api.model import Drawn
from evalharness.testing import MockModel

TABLES = {
    "trajectories": "key, model, variant, prompt, seed, cap, finished, steps",
    "scores": "key, image, value, reason, details",
    "failures": "key, reason, kind, exception, cap",
}
"""Columns but for those that say when, by which process and how long, which belong to one run."""
SWEEP = """\
name: tiny
seed: 3
model: {name: mock, batch_size: 2, refuses: [unspeakable]}
benchmarks:
  - {name: mock, limit: 4, samples: 1, prompts: [a, b, unscorable c, unspeakable d]}
arms:
  - {name: single, variant: single_pass}
"""


@pytest.fixture(autouse=True)
def no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "git_commit", lambda: None)


def forked(folder: Path, points: Points, note: Path) -> int:
    """Run the sweep in a process of its own; the seeds that it drew go to ``note``. Returns how that ended."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        paint = MockModel.paint

        def noted(self: Any, prompts: Any, seeds: Any) -> list[Drawn]:
            with note.open("a") as file:
                file.writelines(f"{prompt}/{seed}\n" for prompt, seed in zip(prompts, seeds, strict=True))
            return paint(self, prompts, seeds)

        MockModel.paint = noted  # type: ignore[method-assign]
        points.install()
        draw_and_score(folder / "tiny.yaml", folder / "r" / "x")
        code = 0
        (folder / "points").write_text("\n".join(points.passed))
    finally:
        os._exit(code)


def stored(folder: Path) -> dict[str, Any]:
    """Rows and images of the store, as they would be read."""
    path = folder / "r" / "store" / "store.sqlite"
    files = [file for file in (folder / "r" / "store").rglob("*.png") if not file.name.startswith(".")]
    images = {file.name: file.read_bytes() for file in files}
    if not path.is_file():
        return {"rows": {}, "images": images}
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        rows = {
            name: sorted(map(_timeless, db.execute(f"SELECT {columns} FROM {name}")))
            for name, columns in TABLES.items()
            if name in tables
        }
    return {"rows": rows, "images": images}


def _timeless(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without the seconds that a step took."""
    return tuple(re.sub(r'"seconds": [^}]+', "", cell) if isinstance(cell, str) else cell for cell in row)


def begin(folder: Path) -> Path:
    folder.mkdir()
    (folder / "tiny.yaml").write_text(SWEEP)
    return folder


@pytest.mark.slow
def test_nothing_is_lost_done_twice_or_invented_wherever_it_is_killed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uninterrupted = begin(tmp_path / "uninterrupted")
    assert forked(uninterrupted, Points(), uninterrupted / "drawn") == 0
    names = (uninterrupted / "points").read_text().split("\n")
    end = stored(uninterrupted)
    counts = {name: len(rows) for name, rows in end["rows"].items()}
    assert counts == {"trajectories": 3, "scores": 2, "failures": 2}, "one is refused, one cannot be scored"
    assert Counter(name.partition(" ")[2] for name in names)["commit"] >= 10

    for number, name in enumerate(names, 1):
        folder = begin(tmp_path / str(number))
        ended = forked(folder, Points(number), folder / "drawn")
        assert os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL, f"{number}, {name}"
        before = stored(folder)
        for kind, rows in before["rows"].items():
            assert set(rows) <= set(end["rows"][kind]), f"{number}, {name}: invented {kind}"
        for image, data in before["images"].items():
            assert end["images"][image] == data, f"{number}, {name}: a torn image"
        assert forked(folder, Points(), folder / "again") == 0, f"{number}, {name}"
        after = stored(folder)
        assert after == end, f"{number}, {name}: something else than without a kill"
        again = (folder / "again").read_text().splitlines() if (folder / "again").exists() else []
        reported = {f"{row[3]}/{row[4]}" for row in before["rows"].get("trajectories", ())}
        assert not reported & set(again), f"{number}, {name}: done twice"
    with capfd.disabled():
        kinds = Counter(name.partition(" ")[2] for name in names)
        print(f"\nkilled at {len(names)} points: {dict(kinds)}")  # noqa: T201 - for docs/reliability.md

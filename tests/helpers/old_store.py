"""A store as the harness wrote it before keys had the words of formats and all fields of items."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parents[1] / "store" / "old_store.json"
SWEEP = """\
name: old
seed: 3
model: mock
benchmarks:
  - {name: mock, limit: 2, samples: 1}
arms:
  - {name: single, variant: single_pass}
  - {name: thought, variant: text_cot}
  - {name: chosen, variant: best_of_n, n: 2}
  - {name: process, variant: process, max_iterations: 2}
"""
"""The sweep whose results it has."""


def write_old_store(path: Path) -> None:
    """Write the recorded rows and images into a new store."""
    recorded: dict[str, Any] = json.loads(ROWS.read_bytes())
    for digest, data in recorded["images"].items():
        image = path / "images" / digest[:2] / f"{digest}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(bytes.fromhex(data))
    with closing(sqlite3.connect(path / "store.sqlite")) as database, database:
        database.executescript(";\n".join(recorded["schema"]))
        for pragma in ("application_id", "user_version"):
            database.execute(f"PRAGMA {pragma} = {recorded[pragma]}")
        for table, rows in recorded["tables"].items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO {table} VALUES ({marks})", list(row.values()))

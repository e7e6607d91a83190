"""A sheet of the first trajectories for a person to look at."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from evalharness.training_data.records import Record, read_shard

ROWS, SIDE, GAP = 12, 96, 4
"""Rows of the sheet; pixels per side of a picture and between pictures."""


def write_preview(folder: Path) -> Path | None:
    """Write the pictures of the first trajectories, a row each, and their texts beside it.

    Returns:
        The path of ``preview.png``; ``preview.txt`` is beside it. ``None`` if the data set is empty.
    """
    records = [record for record in islice(_read(folder), 4 * ROWS) if record.kind == "process"][:ROWS]
    if not records:
        records = list(islice(_read(folder), ROWS))
    if not records:
        return None
    rows = [[step.image for step in record.trajectory.steps if step.image is not None] for record in records]
    cell = SIDE + GAP
    sheet = Image.new("RGB", (cell * max(map(len, rows)), cell * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, data in enumerate(row):
            picture = (
                Image.open(io.BytesIO(data), formats=["PNG"])
                .convert("RGB")
                .resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            )
            sheet.paste(picture, (x * cell, y * cell))
    sheet.save(folder / "preview.png")
    (folder / "preview.txt").write_text("\n".join(_text(record) for record in records))
    return folder / "preview.png"


def _text(record: Record) -> str:
    lines = [f"{record.id}  {record.prompt}\n"]
    for step in record.trajectory.steps:
        lines.append(f"  {step.iteration} {step.kind:<8}{step.text or '(picture)'}\n")
    return "".join(lines)


def _read(folder: Path) -> Iterator[Record]:
    """The records in order, also of an incomplete data set."""
    for shard in sorted(folder.glob("shard-*.parquet")):
        yield from read_shard(shard)

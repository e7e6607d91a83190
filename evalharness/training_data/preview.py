"""A sheet of the first trajectories, so that a person sees what the data are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from evalharness.training_data.records import Record, from_row

ROWS, SIDE, GAP = 12, 96, 4


def write_preview(folder: Path) -> Path | None:
    """``preview.png``: a row for each of the first trajectories with its pictures in order; their words beside it in
    ``preview.txt``. ``None`` if there are none.
    """
    records = [one for one in islice(_first(folder), 4 * ROWS) if one.kind == "process"][:ROWS]
    records = records or list(islice(_first(folder), ROWS))
    if not records:
        return None
    rows = [[step.image for step in one.trajectory.steps if step.image is not None] for one in records]
    cell = SIDE + GAP
    sheet = Image.new("RGB", (cell * max(map(len, rows)), cell * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, data in enumerate(row):
            picture = Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x * cell, y * cell))
    sheet.save(folder / "preview.png")
    words = [f"{one.id}  {one.prompt}\n" + "".join(_lines(one)) for one in records]
    (folder / "preview.txt").write_text("\n".join(words))
    return folder / "preview.png"


def _lines(record: Record) -> Iterator[str]:
    for step in record.trajectory.steps:
        yield f"  {step.iteration} {step.kind:<8}{step.text or '(picture)'}\n"


def _first(folder: Path) -> Iterator[Record]:
    import pyarrow.parquet as pq

    for shard in sorted(folder.glob("shard-*.parquet")):
        for batch in pq.ParquetFile(shard).iter_batches(batch_size=16):
            yield from map(from_row, batch.to_pylist())

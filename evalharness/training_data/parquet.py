"""The rows of Parquet files, also of those that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness._util.foreign_files import foreign
from evalharness._util.regular_files import open_regular

ROWS = 64
"""Rows that are in the memory at a time, with their images."""


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Each row of a file.

    Raises:
        ConfigError: It is no Parquet file, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with foreign(path, "a Parquet file", pa.ArrowException), open_regular(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=ROWS):
            yield from batch.to_pylist()

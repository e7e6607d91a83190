"""Records as Parquet files: a trajectory with its prompt, its graph and its provenance.

An ``image`` is a struct of ``bytes`` (a PNG file) and ``path`` (its SHA-256 and ``.png``), as libraries that read image
data sets from Parquet expect it. A shard appears complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._util.files import atomic_path
from evalharness._util.foreign_files import foreign
from evalharness.errors import ConfigError
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.parquet import parquet_rows
from evalharness.types.trajectory import Cost, Step, Trajectory

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "strokes"
"""The trajectory format that training data are written in."""


@dataclass(frozen=True, slots=True)
class Record:
    """A trajectory with its prompt.

    Attributes:
        id: Unique in its data set.
        kind: ``think`` (text, then the picture) or ``process``.
        prompt: The prompt.
        category: Its category.
        metadata: Its line in GenEval's format.
        graph: What the prompt asks for.
        trajectory: The steps.
        knowledge: Whether the prompt describes things instead of naming them.
        provenance: Where the record comes from, as JSON (docs/trajectories.md).
        format: The trajectory format of its texts.
    """

    id: str
    kind: str
    prompt: str
    category: str
    metadata: Mapping[str, Any]
    graph: SceneGraph
    trajectory: Trajectory
    knowledge: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
    format: str = FORMAT


def schema() -> pa.Schema:
    """The columns of a shard. ``metadata``, ``graph`` and ``provenance`` are JSON texts."""
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    step = pa.struct(
        [
            ("kind", pa.string()), ("iteration", pa.int32()), ("text", pa.string()), ("image", image),
            ("seed", pa.int64()), ("evaluations", pa.int32()), ("tokens", pa.int32()), ("seconds", pa.float64()),
        ]
    )  # fmt: skip
    texts = [(name, pa.string()) for name in ("id", "kind", "format", "prompt", "category", "metadata", "graph")]
    rest = [("knowledge", pa.bool_()), ("finished", pa.bool_()), ("steps", pa.list_(step)), ("provenance", pa.string())]
    return pa.schema([*texts, *rest])


def to_row(record: Record) -> dict[str, Any]:
    """A record as a row of :func:`schema`."""
    return {
        "id": record.id,
        "kind": record.kind,
        "format": record.format,
        "prompt": record.prompt,
        "category": record.category,
        "metadata": json.dumps(dict(record.metadata)),
        "graph": json.dumps(record.graph.to_json()),
        "knowledge": record.knowledge,
        "finished": record.trajectory.finished,
        "steps": [_step(step) for step in record.trajectory.steps],
        "provenance": json.dumps(dict(record.provenance)),
    }


def _step(step: Step) -> dict[str, Any]:
    image = None
    if step.image is not None:
        image = {"bytes": step.image, "path": f"{hashlib.sha256(step.image).hexdigest()}.png"}
    cost = step.cost
    return {
        "kind": step.kind, "iteration": step.iteration, "text": step.text, "image": image, "seed": step.seed,
        "evaluations": cost.evaluations, "tokens": cost.tokens, "seconds": cost.seconds,
    }  # fmt: skip


def from_row(row: Mapping[str, Any]) -> Record:
    """The inverse of :func:`to_row`.

    Raises:
        KeyError, TypeError, ValueError: the row is no record.
    """
    _require_types(row)
    steps = tuple(
        Step(
            step["kind"],
            step["iteration"],
            step["text"],
            None if step["image"] is None else step["image"]["bytes"],
            step["seed"],
            Cost(step["evaluations"], step["tokens"], step["seconds"]),
        )
        for step in row["steps"]
    )
    return Record(
        id=row["id"],
        kind=row["kind"],
        prompt=row["prompt"],
        category=row["category"],
        metadata=_object(row, "metadata"),
        graph=SceneGraph.from_json(json.loads(row["graph"])),
        trajectory=Trajectory(steps, row["finished"]),
        knowledge=row["knowledge"],
        provenance=_object(row, "provenance"),
        format=row["format"],
    )


def _require_types(row: Mapping[str, Any]) -> None:
    for name in ("id", "kind", "format", "prompt", "category"):
        if not isinstance(row[name], str):
            raise TypeError(f"{name} is no text")
    for step in row["steps"]:
        image = step["image"]
        if not isinstance(step["text"], str) or not isinstance(step["iteration"], int):
            raise TypeError("a step has no text or no number of its iteration")
        if image is not None and not isinstance(image["bytes"], bytes):
            raise TypeError("the image of a step is no file")


def _object(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = json.loads(row[name])
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no JSON object")
    return value


def write_shard(path: Path, batches: Iterable[Iterable[Record]]) -> None:
    """Stream batches of records into one file, a row group each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema()
    # PNG files do not shrink any further; the texts hardly matter.
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,  # Arrow opens no path that is not UTF-8
        pq.ParquetWriter(file, columns, compression="zstd", use_dictionary=False) as writer,
    ):
        for batch in batches:
            rows = [to_row(record) for record in batch]
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema=columns))


def shards(folder: Path) -> list[Path]:
    """The files of a data set in order.

    Raises:
        ConfigError: there are none, or the data set is not complete.
    """
    paths = sorted(folder.glob("shard-*.parquet"))
    if not paths:
        raise ConfigError(
            f"{folder} holds no shard-*.parquet; make them with python -m evalharness.miniature.training.data"
        )
    if not (folder / "card.json").is_file():
        raise ConfigError(
            f"{folder} has no card.json: its data are not complete; run the command that makes them again"
        )
    return paths


def read(folder: Path) -> Iterator[Record]:
    """All records of a data set, some rows at a time.

    Raises:
        ConfigError: It is not complete, or a shard is damaged.
    """
    for shard in shards(folder):
        yield from read_shard(shard)


def read_shard(path: Path) -> Iterator[Record]:
    """All records of a file.

    Raises:
        ConfigError: It is no shard of a data set, or is damaged.
    """
    for row in parquet_rows(path):
        with foreign(path, "a shard of a data set"):
            record = from_row(row)
        yield record

"""Trajectories in the interleaved layout that trainers of BAGEL's family read.

A row has a ``conversation``, JSON in the form of IRG's reader (Osilly/Interleaving-Reasoning-Generation,
multi_think_interleave_t2i_dataset.py): the user's texts are read; each text and image of the assistant says whether it
is learned (``need_loss``), and whether an image is context for what follows, as seen by the autoencoder (``need_vae``)
and by the vision transformer (``need_vit``). Sequence by sequence these are the tokens of inference.

The losses are those of "Think in Strokes, Not Pixels" (arXiv 2604.04746): texts, drawings, and the change between them.
What an inspection finds wrong is read and not learned. ``special_token_loss`` and ``special_token_label`` have the
names of BAGEL's own sequence plans: the last token of the part is to be followed by this one. IRG's reader leaves them
out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from evalharness._util.files import atomic_path
from evalharness.errors import ConfigError
from evalharness.generation.formats.strokes import Strokes
from evalharness.training_data.records import FORMAT, Record
from evalharness.types.trajectory import Step

IMAGE_START, TEXT_START = "<|vision_start|>", "<|im_start|>"
ROWS = 64
"""Rows per row group."""
ConflictOf = Callable[[str, str, str], str | None]
"""The kind of conflict that plan, inspection and correction are about; ``None`` if it cannot be told."""
Part = dict[str, Any]


def conversation(record: Record, conflict_of: ConflictOf) -> list[dict[str, Any]]:
    """The conversation of a record.

    Args:
        record: A trajectory of the kinds ``process``, ``think`` or ``draw``.
        conflict_of: Used where the record's provenance does not tell.

    Raises:
        ConfigError: Its texts are in another format, or its contexts were not one that grows.
    """
    variant = record.provenance.get("variant") or {}
    if record.format != FORMAT:
        raise ConfigError(f"{record.id}: the layout is for the format {FORMAT!r}, not for {record.format!r}")
    if variant.get("context") in ("latest", "thought"):
        raise ConfigError(f"{record.id}: with context: {variant['context']} the trajectory is no single sequence")
    steps = record.trajectory.steps
    parts = [part for number in range(len(steps)) for part in _parts(record, steps, number, conflict_of)]
    for part, following in pairwise(parts):
        if following["need_loss"] and part["type"] != following["type"]:
            label = IMAGE_START if following["type"] == "image" else TEXT_START
            part |= {"special_token_loss": 1, "special_token_label": label}
    prompt = {"role": "user", "content": Strokes({}).prompt(record.prompt), "need_loss": False}
    return [prompt, {"role": "assistant", "content": parts}]


def write(path: Path, records: Iterable[Record], conflict_of: ConflictOf) -> int:
    """Stream records into a Parquet file; returns their number.

    Raises:
        ConfigError: see :func:`conversation`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = pa.schema([("id", pa.string()), ("conversation", pa.string()), ("score", pa.float64())])
    count = 0
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,  # Arrow opens no path that is not UTF-8
        pq.ParquetWriter(file, columns, compression="zstd") as writer,
    ):
        rows: list[dict[str, Any]] = []
        for record in records:
            text = json.dumps(conversation(record, conflict_of), ensure_ascii=False)
            rows.append({"id": record.id, "conversation": text, "score": record.provenance.get("score")})
            count += 1
            if len(rows) == ROWS:
                writer.write_table(pa.Table.from_pylist(rows, schema=columns))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema=columns))
    return count


def _parts(record: Record, steps: Sequence[Step], number: int, conflict_of: ConflictOf) -> list[Part]:
    """The text of a step, its image, or both in this order."""
    step, parts = steps[number], list[Part]()
    if step.text and step.kind not in ("sketch", "draw"):  # what an endpoint made of the prompt is in no context
        learned = step.kind != "plan" or _plan_is_right(record, steps, number, conflict_of)
        parts.append({"type": "text", "content": _as_written(steps, number), "need_loss": learned})
    if step.image is not None:
        seen, learned = number < len(steps) - 1, not _is_corrected(steps, number)
        if seen or learned:
            content = base64.b64encode(step.image).decode("ascii")
            parts.append(
                {"type": "image", "content": content, "need_loss": learned, "need_vae": seen, "need_vit": seen}
            )
    return parts


def _as_written(steps: Sequence[Step], number: int) -> str:
    """The text as it stands in the context: behind the opening words, without a space, where the harness gave these."""
    step, opening = steps[number], Strokes.refine.open
    inspected = any(other.kind == "inspect" and other.iteration == step.iteration for other in steps)
    if step.kind == "refine" and not inspected:
        return opening + step.text.removeprefix(f"{opening} ")
    return step.text


def _is_corrected(steps: Sequence[Step], number: int) -> bool:
    """Whether the next step finds fault with a drawing, or corrects it."""
    following = steps[number + 1] if number + 1 < len(steps) else None
    if following is None or following.iteration != steps[number].iteration:
        return False
    return following.kind == "refine" or (following.kind == "inspect" and Strokes({}).conflict(following.text))


def _plan_is_right(record: Record, steps: Sequence[Step], number: int, conflict_of: ConflictOf) -> bool:
    """Whether nothing was wrong after a plan, or the drawing alone."""
    plan = steps[number]
    critique = record.provenance.get("critiques", {}).get(str(plan.iteration))
    if critique is not None:
        return bool(critique["conflict"] in ("none", "instruction-state"))
    later = [step for step in steps[number + 1 :] if step.iteration == plan.iteration]
    inspection = next((step.text for step in later if step.kind == "inspect"), "")
    correction = next((step.text for step in later if step.kind == "refine"), "")
    if not correction and not Strokes({}).conflict(inspection):
        return True
    return conflict_of(plan.text, inspection, correction) == "instruction-state"

"""Trajectories as columns: what the prefixes of thousands of them come to, without a Python object a step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
COUNTS = ("evaluations", "tokens")
AMOUNTS = ("seconds", "dollars")
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Ends:
    """For each prefix that was asked for: its last image (``None`` without one), its iterations and what it cost."""

    images: list[str | None]
    iterations: Ints
    costs: dict[str, npt.NDArray[Any]]


class TrajectoryColumns:
    """Some trajectories; ``texts`` are their steps as the store has them, JSON lists.

    The sums are those of adding step by step. A trajectory's iterations never fall, so that a prefix is its beginning.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import pyarrow as pa

        lists = _parsed(texts)
        steps: pa.StructArray = lists.flatten()
        self.images = steps.field("image")
        self.offsets: Ints = np.asarray(lists.offsets, dtype=np.int64) - lists.offsets[0].as_py()
        self.lengths = np.diff(self.offsets)
        self.owners = np.repeat(np.arange(len(texts)), self.lengths)
        self.places = np.arange(len(steps)) - self.offsets[self.owners]
        self.iterations = self._table(_filled(steps.field("iteration")).astype(np.int64), NEVER)
        self.sums = {name: self._table(_filled(steps.field(name)), 0).cumsum(axis=1) for name in (*COUNTS, *AMOUNTS)}
        there = np.asarray(self.images.is_valid())
        self.last = np.maximum.accumulate(self._table(np.where(there, self.places + 1, 0), 0), axis=1)

    def ends(self, rows: Ints, caps: Ints) -> Ends:
        """Of prefixes: of trajectory ``rows[i]`` the steps of at most ``caps[i]`` iterations (``NEVER``: all)."""
        inside = self.iterations[rows, 1:] <= caps[:, None]
        inside &= np.arange(inside.shape[1]) < self.lengths[rows][:, None]
        taken = inside.sum(axis=1)
        last = self.last[rows, taken]
        shown = self.images.take(_places(self.offsets[rows] + last - 1, last > 0)).to_pylist()
        reached = np.where(inside, self.iterations[rows, 1:], 0).max(axis=1, initial=0)
        return Ends(shown, reached, {name: table[rows, taken] for name, table in self.sums.items()})

    def _table(self, values: npt.NDArray[Any], filler: int) -> npt.NDArray[Any]:
        """(trajectories, 1 + steps): column k belongs to the k-th step, column 0 to none."""
        table = np.full((len(self.lengths), int(self.lengths.max(initial=0)) + 1), filler, dtype=values.dtype)
        table[:, 0] = 0
        table[self.owners, self.places + 1] = values
        return table


def _parsed(texts: Sequence[str]) -> Any:
    """A list array of structs. Arrow reads lines of JSON; what it does not need it skips."""
    import pyarrow as pa
    from pyarrow import json

    whole, real = pa.int64(), pa.float64()
    numbers = {"iteration": whole, **dict.fromkeys(COUNTS, whole), **dict.fromkeys(AMOUNTS, real)}
    step = pa.struct([("image", pa.string()), *numbers.items()])
    data = "".join(_lines(texts)).encode()
    if not data:
        return pa.array([], type=pa.list_(step))
    options = json.ParseOptions(pa.schema([("steps", pa.list_(step))]), unexpected_field_behavior="ignore")
    try:
        table = json.read_json(
            pa.BufferReader(data), json.ReadOptions(use_threads=False, block_size=len(data) + 1), options
        )
    except pa.ArrowInvalid as error:
        raise sqlite3.DatabaseError(f"the steps of a trajectory cannot be read: {error}") from error
    column = table.column("steps").combine_chunks()
    if len(column) != len(texts) or column.null_count:
        raise sqlite3.DatabaseError("the steps of a trajectory are not a list")
    return column


def _lines(texts: Sequence[str]) -> Iterable[str]:
    for text in texts:
        yield '{"steps":'
        yield text.replace("\n", " ")
        yield "}\n"


def _filled(column: Any) -> npt.NDArray[Any]:
    return np.asarray(column.fill_null(0))


def _places(places: Ints, there: npt.NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(places, mask=~there)

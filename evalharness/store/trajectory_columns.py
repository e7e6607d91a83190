"""Trajectories as columns: sums over the prefixes of thousands of them, without a Python object for each step.

The results are those of ``prefix`` in :mod:`evalharness.types.trajectory` and of adding up its steps.
"""

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
FLAGS = ("continued", "cut")
NO_CAP = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Prefixes:
    """For each requested prefix: its number of steps, last image (``None`` without one), iterations and costs.

    ``continued`` says whether a step follows on stored ones, ``cut`` whether a text ended at its limit of tokens,
    ``transparent`` whether the last image came transparent; ``refinements`` counts the refinements that drew.
    """

    lengths: Ints
    images: list[str | None]
    iterations: Ints
    costs: dict[str, npt.NDArray[Any]]
    continued: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]
    transparent: npt.NDArray[np.bool_]
    refinements: Ints


class TrajectoryColumns:
    """The steps of some trajectories.

    A trajectory's iterations never fall, so that a prefix is its beginning. Sums are those of adding step by step.

    Args:
        texts: the steps of each trajectory as the store has them, a JSON list.

    Raises:
        sqlite3.DatabaseError: a text is damaged.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        lists = _parse(texts)
        steps: pa.StructArray = lists.flatten()
        self._images = steps.field("image")
        self._offsets: Ints = np.asarray(lists.offsets, dtype=np.int64) - lists.offsets[0].as_py()
        self._lengths = np.diff(self._offsets)
        self._trajectories = np.repeat(np.arange(len(texts)), self._lengths)
        self._positions = np.arange(len(steps)) - self._offsets[self._trajectories]
        self._iterations = self._table(_filled(steps.field("iteration")).astype(np.int64), NO_CAP)
        self._sums = {name: self._table(_filled(steps.field(name)), 0).cumsum(axis=1) for name in (*COUNTS, *AMOUNTS)}
        self._so_far = {
            name: np.maximum.accumulate(self._table(_flags(steps.field(name)), 0), axis=1) for name in FLAGS
        }
        self._transparent = self._table(_flags(steps.field("transparent")), 0)
        has_image = np.asarray(self._images.is_valid())
        refined = _flags(pc.equal(steps.field("kind"), "refine")) & has_image
        self._refinements = self._table(refined.astype(np.int64), 0).cumsum(axis=1)
        image_ends = self._table(np.where(has_image, self._positions + 1, 0), 0)
        self._last_image_ends = np.maximum.accumulate(image_ends, axis=1)

    def prefixes(self, rows: Ints, caps: Ints) -> Prefixes:
        """Sum up the steps of trajectory ``rows[i]`` in at most ``caps[i]`` iterations (``NO_CAP``: all)."""
        inside = self._iterations[rows, 1:] <= caps[:, None]
        inside &= np.arange(inside.shape[1]) < self._lengths[rows][:, None]
        lengths = inside.sum(axis=1)
        image_ends = self._last_image_ends[rows, lengths]
        images = self._images.take(_indices(self._offsets[rows] + image_ends - 1, image_ends > 0)).to_pylist()
        iterations = np.where(inside, self._iterations[rows, 1:], 0).max(axis=1, initial=0)
        costs = {name: sums[rows, lengths] for name, sums in self._sums.items()}
        flags = {name: so_far[rows, lengths] for name, so_far in self._so_far.items()}
        transparent, refinements = self._transparent[rows, image_ends], self._refinements[rows, lengths]
        return Prefixes(lengths, images, iterations, costs, **flags, transparent=transparent, refinements=refinements)

    def _table(self, values: npt.NDArray[Any], filler: int) -> npt.NDArray[Any]:
        """Arrange a value of each step as (trajectories, 1 + steps): column k is the k-th step, column 0 is zero."""
        table = np.full((len(self._lengths), int(self._lengths.max(initial=0)) + 1), filler, dtype=values.dtype)
        table[:, 0] = 0
        table[self._trajectories, self._positions + 1] = values
        return table


def _parse(texts: Sequence[str]) -> Any:
    """Read a list array of structs. Arrow reads lines of JSON and skips fields that are not in the schema."""
    import pyarrow as pa
    from pyarrow import json

    integer, real = pa.int64(), pa.float64()
    numbers = {"iteration": integer, **dict.fromkeys(COUNTS, integer), **dict.fromkeys(AMOUNTS, real)}
    flags = dict.fromkeys((*FLAGS, "transparent"), pa.bool_())
    step = pa.struct([("kind", pa.string()), ("image", pa.string()), *flags.items(), *numbers.items()])
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
        if not isinstance(text, str):
            raise sqlite3.DatabaseError("the steps of a trajectory are not a text")
        yield '{"steps":'
        yield text.replace("\n", " ")
        yield "}\n"


def _filled(column: Any) -> npt.NDArray[Any]:
    return np.asarray(column.fill_null(0))


def _flags(column: Any) -> npt.NDArray[np.bool_]:
    return _filled(column.cast("int8")).astype(bool)


def _indices(indices: Ints, valid: npt.NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(indices, mask=~valid)

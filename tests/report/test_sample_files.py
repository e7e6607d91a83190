"""The per-sample lines against ``json``, whatever stands in them."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from evalharness.report import sample_files
from evalharness.store.failures import StoredFailure
from evalharness.store.results import SAMPLE_COLUMNS

TEXT = st.text(st.characters(codec=None), max_size=8)
DIGEST = st.none() | st.text("0123456789abcdef", min_size=8, max_size=8)
COUNT = st.integers(0, 2**62)
AMOUNT = st.floats(allow_nan=False, allow_infinity=False, min_value=0)
STATES = st.sampled_from(["pending", "generated", "failed", "scored"])
OWN: dict[str, st.SearchStrategy[Any]] = {
    "arm": TEXT, "seed_index": COUNT, "seed": COUNT, "state": STATES, "score": AMOUNT | st.just(math.nan),
    "reason": TEXT, "image": DIGEST, "trajectory": DIGEST, "score_key": DIGEST, "iterations": COUNT,
    "evaluations": COUNT, "tokens": COUNT, "seconds": AMOUNT, "dollars": AMOUNT,
    "transparent": st.booleans(), "refinements": COUNT,
}  # fmt: skip
ROW: dict[str, Any] = {
    "arm": "a", "seed_index": 0, "seed": 0, "state": "pending", "score": math.nan, "reason": "", "image": None,
    "trajectory": None, "score_key": None, "iterations": 0, "evaluations": 0, "tokens": 0, "seconds": 0.0,
    "dollars": 0.0, "transparent": False, "refinements": 0,
}  # fmt: skip
ABOUT = {"benchmark": "b", "item": "0", "category": "c", "prompt": 'a "red" thing'}


@example([ROW | {"reason": "\ud800", "arm": 'a "b"\n'}, ROW | {"seconds": 1e20, "score": 5e-324, "state": "scored"}])
@given(st.lists(st.fixed_dictionaries(OWN), min_size=1, max_size=5))
def test_a_line_says_what_its_row_does(rows: list[dict[str, Any]]) -> None:
    words = {*ABOUT, "arm", "state", "reason", "image", "trajectory", "score_key"}
    # As objects: a pandas that keeps strings in Arrow has no place for half a surrogate pair.
    samples = [ABOUT | row for row in rows]
    frame = pd.DataFrame(
        {name: pd.Series([row[name] for row in samples], dtype=object if name in words else None)
         for name in SAMPLE_COLUMNS}
    )  # fmt: skip
    parsed = [json.loads(line) for line in sample_files.sample_lines(frame, "b")]
    assert list(sample_files.sample_lines(frame, "other")) == []
    for line, row in zip(parsed, rows, strict=True):
        sanitized = {key: _encodable(value) for key, value in row.items()}
        scored = row["state"] == "scored" and not math.isnan(row["score"])
        expected = sanitized | {"score": row["score"] if scored else None}
        assert {key: line[key] for key in expected} == expected
        assert {key: type(line[key]) for key in expected} == {key: type(value) for key, value in expected.items()}
        shown = row["image"] or ""
        assert (line["resps"], line["filtered_resps"]) == ([[shown]], [shown])
        assert line["doc"] == ABOUT


def test_rows_are_written_some_at_a_time(monkeypatch: Any) -> None:
    row = dict.fromkeys(SAMPLE_COLUMNS, 0) | ABOUT | {"arm": "a", "state": "scored", "reason": "", "score": 1.0}
    frame = pd.DataFrame([row | {"item": str(n // 2), "seed_index": n} for n in range(7)])
    expected = list(sample_files.sample_lines(frame, "b"))
    monkeypatch.setattr(sample_files, "LINES", 3)
    assert list(sample_files.sample_lines(frame, "b")) == expected
    assert [json.loads(line)["doc_id"] for line in expected] == [0, 0, 1, 1, 2, 2, 3]


def test_failed_samples_say_whose_fault_it_was() -> None:
    row = dict.fromkeys(SAMPLE_COLUMNS, 0) | ABOUT | {"arm": "a", "state": "failed", "reason": "r"}
    frame = pd.DataFrame([row | {"seed_index": n} for n in range(2)])
    failure = StoredFailure("r", "worker", "CudaError", 3, "pid 1", "node", "GPU 2")
    first, second = map(json.loads, sample_files.sample_lines(frame, "b", {1: failure}))
    assert first["failure"] is None
    assert second["failure"] == {
        "kind": "worker", "exception": "CudaError", "attempt": 3, "host": "node", "device": "GPU 2"
    }  # fmt: skip


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

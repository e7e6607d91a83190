"""``samples/samples_BENCHMARK_DATE.jsonl``: a line for every sample, as the LM Evaluation Harness writes it.

A run may have a million samples, so the lines are put together a column at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.report.formatting import slug
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.store.failures import StoredFailure

METRIC = "score"
COSTS = ("evaluations", "tokens", "seconds", "dollars")
COUNTS = ("transparent", "refinements")
LINES = 50_000
"""Rows that are held as text at a time."""
ESCAPED = r'[\x00-\x1f"\\]'
"""Characters that JSON strings escape."""


def write_sample_files(results: Results, folder: Path) -> dict[str, str]:
    """Write the samples of each benchmark; returns the files by benchmark, relative to the report's folder."""
    (folder / "samples").mkdir(exist_ok=True)
    date = start(results.info).isoformat().replace(":", "-")
    names = {}
    for benchmark in map(str, results.samples["benchmark"].unique()):
        names[benchmark] = f"samples/samples_{slug(benchmark)}_{date}.jsonl"
        with (folder / names[benchmark]).open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(sample_lines(results.samples, benchmark, results.failures))
    return names


def start(info: Mapping[str, Any]) -> datetime:
    """When the run was started; the epoch if that was not recorded."""
    try:
        return datetime.fromisoformat(str(info.get("started")))
    except ValueError:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def sample_lines(
    samples: pd.DataFrame, benchmark: str, failures: Mapping[int, StoredFailure] | None = None
) -> Iterator[str]:
    """A line of JSON for each sample of a benchmark, in any state; ``score`` is ``null`` for a sample without one.

    If any sample failed, each line has ``failure``, which is ``null`` or has kind, exception, attempt, host, device.
    """
    rows = samples[samples["benchmark"] == benchmark]
    beginnings: dict[str, str] = {}
    for start in range(0, len(rows), LINES):
        chunk = rows.iloc[start : start + LINES]
        documents = zip(*(chunk[name].tolist() for name in ("item", "category", "prompt")), strict=True)
        for (item, category, prompt), line_end in zip(documents, _line_ends(chunk, failures or {}), strict=True):
            if item not in beginnings:
                document = {"benchmark": benchmark, "item": item, "category": category, "prompt": prompt}
                beginnings[item] = _document(len(beginnings), document)
            yield beginnings[item] + line_end


def _hash(text: str) -> str:
    """The hash that lm-eval takes of a document, a prompt or a target."""
    return hashlib.sha256(text.encode()).hexdigest()


def _document(number: int, doc: Mapping[str, str]) -> str:
    """The keys that all samples of a prompt share, as the beginning of a JSON object."""
    shared = {
        "doc_id": number,
        "doc": doc,
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": doc["prompt"]}},
        "filter": "none",
        "metrics": [METRIC],
        "doc_hash": _hash(json.dumps(doc, ensure_ascii=False, indent=2)),
        "prompt_hash": _hash(str(doc["prompt"])),
        "target_hash": _hash(""),
    }
    return json.dumps(shared, ensure_ascii=False)[:-1] + ", "


def _line_ends(samples: pd.DataFrame, failures: Mapping[int, StoredFailure]) -> list[str]:
    """The keys of each sample itself, as the end of a JSON object and its line."""
    import pyarrow as pa
    import pyarrow.compute as pc

    image = _texts(samples["image"])
    response = image.fill_null('""')
    columns = {
        "arm": _texts(samples["arm"]),
        **{name: _numbers(samples[name]) for name in ("seed_index", "seed")},
        "resps": pc.binary_join_element_wise("[[", response, "]]", ""),
        "filtered_resps": pc.binary_join_element_wise("[", response, "]", ""),
        METRIC: _numbers(samples["score"].where(samples["state"] == "scored")),
        "state": _texts(samples["state"]),
        "reason": _texts(samples["reason"]).fill_null('""'),
        "image": image,
        **{name: _texts(samples[name]) for name in ("trajectory", "score_key")},
        **{name: _numbers(samples[name]) for name in ("iterations", *COSTS, *COUNTS)},
    }
    if failures:
        columns["failure"] = pa.array([_failure_json(failures.get(row)) for row in samples.index], pa.string())
    pieces: list[Any] = []
    for name, column in columns.items():
        separator = ", " if pieces else ""
        pieces += [f'{separator}"{name}": ', column.fill_null("null")]
    lines: list[str] = pc.binary_join_element_wise(*pieces, "}\n", "").to_pylist()
    return lines


def _failure_json(failure: StoredFailure | None) -> str | None:
    names = ("kind", "exception", "attempt", "host", "device")
    return None if failure is None else json.dumps({name: getattr(failure, name) for name in names})


def _texts(values: pd.Series) -> Any:
    """JSON strings as an Arrow array; null for a value that is not text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [value if isinstance(value, str) else None for value in values.tolist()]
    try:
        column = pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half a surrogate pair, which has no UTF-8
        column = pa.array([text and text.encode("utf-8", "replace").decode() for text in texts], pa.string())
    if pc.any(pc.match_substring_regex(column, pattern=ESCAPED)).as_py():
        return pa.array([None if text is None else encode_basestring(text) for text in column.to_pylist()], pa.string())
    return pc.binary_join_element_wise('"', column, '"', "")


def _numbers(values: pd.Series) -> Any:
    """JSON numbers as an Arrow array of texts that read back exactly; null for a number that is not finite.

    A float keeps its decimal point: readers of JSON lines take a column's type from its first value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array(values, from_pandas=True)
    texts = column.cast(pa.string())
    if not pa.types.is_floating(column.type):
        return texts
    integral = pc.match_substring_regex(texts, pattern=r"^-?\d+$")
    texts = pc.if_else(integral, pc.binary_join_element_wise(texts, ".0", ""), texts)
    return pc.if_else(pc.is_finite(column), texts, None)

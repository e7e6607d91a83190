"""The lines of ``samples_BENCHMARK_DATE.jsonl``, put together a column at a time: a run may have a million of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

METRIC = "score"
COSTS = ("evaluations", "tokens", "seconds", "dollars")
LINES = 50_000
"""Rows that are text at once."""
ESCAPED = r'[\x00-\x1f"\\]'
"""What stands in a JSON string as something else."""


def sample_lines(samples: pd.DataFrame, benchmark: str) -> Iterator[str]:
    """A line of JSON for each sample of a benchmark, whatever its state; ``score`` is ``null`` where it has none."""
    own = samples[samples["benchmark"] == benchmark]
    documents: dict[str, str] = {}
    for start in range(0, len(own), LINES):
        part = own.iloc[start : start + LINES]
        about = zip(*(part[name].tolist() for name in ("item", "category", "prompt")), strict=True)
        for (item, category, prompt), rest in zip(about, _rests(part), strict=True):
            if item not in documents:
                doc = {"benchmark": benchmark, "item": item, "category": category, "prompt": prompt}
                documents[item] = _document(len(documents), doc)
            yield documents[item] + rest


def _hash(text: str) -> str:
    """As lm-eval takes it of a document, a prompt or a target."""
    return hashlib.sha256(text.encode()).hexdigest()


def _document(number: int, doc: Mapping[str, str]) -> str:
    """What all samples of a prompt have in common, as the beginning of a JSON object."""
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


def _rests(part: pd.DataFrame) -> list[str]:
    """The rest of each line, what is the sample's own."""
    import pyarrow.compute as pc

    image = _texts(part["image"].tolist())
    shown = image.fill_null('""')
    score = part["score"].where(part["state"] == "scored")
    columns = {
        "arm": _texts(part["arm"].tolist()),
        **{name: _numbers(part[name]) for name in ("seed_index", "seed")},
        "resps": pc.binary_join_element_wise("[[", shown, "]]", ""),
        "filtered_resps": pc.binary_join_element_wise("[", shown, "]", ""),
        METRIC: _numbers(score),
        "state": _texts(part["state"].tolist()),
        "reason": _texts(part["reason"].tolist()).fill_null('""'),
        "image": image,
        **{name: _texts(part[name].tolist()) for name in ("trajectory", "score_key")},
        **{name: _numbers(part[name]) for name in ("iterations", *COSTS)},
    }
    pieces: list[Any] = []
    for name, column in columns.items():
        pieces += [f'{", " if pieces else ""}"{name}": ', column.fill_null("null")]
    lines: list[str] = pc.binary_join_element_wise(*pieces, "}\n", "").to_pylist()
    return lines


def _texts(values: Sequence[Any]) -> Any:
    """JSON strings as an Arrow array; null for what is no text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [value if isinstance(value, str) else None for value in values]
    try:
        column = pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half a surrogate pair, which UTF-8 has no bytes for
        column = pa.array([text and text.encode("utf-8", "replace").decode() for text in texts], pa.string())
    if pc.any(pc.match_substring_regex(column, pattern=ESCAPED)).as_py():
        return pa.array([None if text is None else encode_basestring(text) for text in column.to_pylist()], pa.string())
    return pc.binary_join_element_wise('"', column, '"', "")


def _numbers(values: pd.Series) -> Any:
    """JSON numbers as an Arrow array of texts that read back exactly; null for what is not finite.

    A float keeps its point: who reads line by line takes a column's type from its first value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array(values, from_pandas=True)
    texts = column.cast(pa.string())
    if not pa.types.is_floating(column.type):
        return texts
    whole = pc.match_substring_regex(texts, pattern=r"^-?\d+$")
    texts = pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    return pc.if_else(pc.is_finite(column), texts, None)

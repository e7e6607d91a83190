"""The files in ``tables/``: numbers as CSV and Parquet, tables for people as Markdown and LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalharness._util.text import printable
from evalharness.analysis import Contrast
from evalharness.analysis.arms import records
from evalharness.report import analysis_frames, paper_tables, replicates
from evalharness.report.formatting import p_text, percent_text, points_text, score_text, slug
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "@", "\t", "\r", "-")
"""Beginnings of texts that programs for tables compute."""


def write_tables(summaries: Sequence[Summary], folder: Path, *, parquet: bool = True) -> None:
    """Write ``BENCHMARK-wide``, ``-long``, ``-contrasts`` … of every benchmark.

    Args:
        summaries: the tables of the benchmarks.
        folder: where the files go.
        parquet: whether to write the numbers as Parquet as well as CSV.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for summary in summaries:
        stem = folder / slug(summary.benchmark)
        _write_frames(stem, summary, parquet=parquet)
        _write_scores(stem, summary)
        if summary.analysis.replicate_contrasts:
            frame = replicates.contrasts_frame(summary.analysis)
            _write(f"{stem}-recipe-contrasts.md", markdown_table(frame) + "\n")
            _write(f"{stem}-recipe-contrasts.tex", paper_tables.recipe_contrasts(summary, frame))
        if summary.analysis.contrasts:
            _write(f"{stem}-contrasts.md", markdown_table(_contrasts_frame(summary.analysis.contrasts)) + "\n")
            _write(f"{stem}-contrasts.tex", paper_tables.contrasts(summary))


def _write_frames(stem: Path, summary: Summary, *, parquet: bool) -> None:
    frames = {"wide": summary.wide, "long": summary.long} | analysis_frames.frames(summary.analysis)
    for form, frame in (frames | {"quoted": summary.quoted}).items():
        if frame.empty:
            continue
        write_csv(frame, f"{stem}-{form}.csv")
        if parquet:
            write_parquet(frame, Path(f"{stem}-{form}.parquet"))


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; Arrow opens no path that is not UTF-8, so the file is opened here."""
    with path.open("wb") as file:
        frame.to_parquet(file, index=False)


def _write_scores(stem: Path, summary: Summary) -> None:
    categories = list(summary.analysis.weights)
    quoted, sources = _quoted_frame(summary.quoted, categories)
    parts = [markdown_table(summary.shown)]
    if len(quoted):
        bullets = "\n".join(f"- {_markdown_cell(source)}" for source in sources)
        parts += ["Quoted, not measured here:", markdown_table(quoted), bullets]
    _write(f"{stem}-wide.md", "\n\n".join(parts) + "\n")
    _write(f"{stem}.tex", paper_tables.scores(summary, sources))
    if len(categories) > 1:
        _write(f"{stem}-categories.tex", paper_tables.categories(summary))


def _contrasts_frame(contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """The contrasts as text for people: a row for each, in points."""
    import pandas as pd

    rows = []
    for contrast in contrasts:
        difference, flips = contrast.difference, contrast.flips
        late = "declared after the run, " if contrast.declared else ""
        correction = "confirmatory, Holm" if contrast.preregistered else f"{late}Benjamini–Hochberg"
        rows.append(
            {
                "arm": contrast.arm,
                "against": contrast.baseline,
                "difference, points": points_text(difference.value, difference.low, difference.high),
                "p": p_text(contrast.p),
                "p adjusted": p_text(contrast.p_adjusted),
                "correction": f"{correction} over {contrast.family}",
                "fixed": str(flips.fixed),
                "broken": str(flips.broken),
                "both right": str(flips.both_right),
                "both wrong": str(flips.both_wrong),
                "could have shown": percent_text(contrast.detectable),
            }
        )
    return pd.DataFrame(rows)


def _quoted_frame(quoted: pd.DataFrame, categories: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The quoted rows with those columns of the measured ones that they have, and their sources."""
    import pandas as pd

    rows, sources = [], []
    for row in records(quoted):
        overall = score_text(row["overall"], number_or_nan(row["low"]), number_or_nan(row["high"]))
        scores = {name: score_text(number_or_nan(row.get(f"category.{name}"))) for name in categories}
        rows.append({"arm": f"{row['name']} (quoted)", "overall": overall} | scores)
        sources.append(f"{row['name']}: {row['source']}" + (f"; {row['note']}" if row["note"] else ""))
    return pd.DataFrame(rows, columns=["arm", "overall", *categories]), sources


def number_or_nan(value: Any) -> float:
    """A number of a quoted row, which has ``None`` where nothing was published."""
    return math.nan if value is None else float(value)


def markdown_table(frame: pd.DataFrame) -> str:
    """A table of texts in Markdown; whatever a text contains stays text."""
    return str(frame.map(_markdown_cell).to_markdown(index=False, disable_numparse=True))


def _markdown_cell(value: Any) -> str:
    text = "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
    return markdown_text(text.replace("<NA>", ""))


def markdown_text(text: str) -> str:
    r"""A text that Markdown shows as it is, on one line.

    >>> markdown_text("a|b <i> [x](javascript:y) *z* snake_case _w_")
    'a\\|b &lt;i> [x]\\(javascript:y) \\*z\\* snake_case \\_w\\_'
    """
    text = re.sub(r"([\\`*|])", r"\\\1", printable(" ".join(text.split())))
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text.replace("](", "]\\("))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("~~", "\\~~")


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a CSV file, in which no text is a formula: programs for tables compute one that begins with ``=``."""
    frame.map(_no_formula).to_csv(path, index=False)


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")

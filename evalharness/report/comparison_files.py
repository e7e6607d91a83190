"""The folder of a comparison: its page and pictures, and its table in the formats of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.analysis.comparison import Comparison
from evalharness.report import analysis_frames, table_files
from evalharness.report.comparison_page import MEGABYTES, write_comparison
from evalharness.report.json_values import pretty_json
from evalharness.report.latex_floats import TexCell, TexTable, floats
from evalharness.report.publish import INDEX, staged
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd


def write_comparison_files(
    runs: Sequence[Results],
    comparison: Comparison,
    out: Path,
    table: pd.DataFrame,
    heads: Sequence[str],
    *,
    megabytes: float | None = None,
) -> Path:
    """Write the page, ``compare.json``, ``.md`` and ``.tex``, and contrasts with categories as ``.csv``, ``.parquet``.

    Args:
        runs: the runs, in the order of ``comparison``.
        comparison: what was compared.
        out: the folder, which is replaced as a whole.
        table: the comparison as text, a row for each pair of arms.
        heads: a line for each run.
        megabytes: limit on the page's pictures.

    Returns:
        The page, ``out / "index.html"``.

    Raises:
        EvalHarnessError: the folder cannot be written.
    """
    contrasts = analysis_frames.contrasts([pair.contrast for pair in comparison.compared if pair.contrast])
    notes = [f"note: {line}" for line in comparison.notes]
    texts = [table_files.markdown_text(line) for line in (*heads, *notes)]
    markdown = "\n\n".join([*texts[: len(heads)], table_files.markdown_table(table), *texts[len(heads) :]])
    data = pretty_json(_numbers(comparison) | {"runs": list(heads)})
    with staged(out) as folder:
        write_comparison(runs, comparison, folder, out, megabytes=MEGABYTES if megabytes is None else megabytes)
        (folder / "compare.json").write_text(data + "\n", encoding="utf-8")
        (folder / "compare.md").write_text(markdown + "\n", encoding="utf-8")
        (folder / "compare.tex").write_text(_latex(table, [*heads, *comparison.notes]), encoding="utf-8")
        table_files.write_csv(contrasts, folder / "compare.csv")
        table_files.write_parquet(contrasts, folder / "compare.parquet")
    return out / INDEX


def _numbers(comparison: Comparison) -> dict[str, Any]:
    """All numbers; a score of an arm that lacks samples is null."""
    numbers = asdict(comparison)
    for entry, pair in zip(numbers["compared"], comparison.compared, strict=True):
        entry["scores"] = [score.as_dict() for score in pair.scores]
    return numbers


def _latex(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """The table with benchmark and arm as one name, since a wide table is divided and each part needs the names."""
    several = table["benchmark"].nunique() > 1
    columns = [name for name in table.columns if name not in ("benchmark", "arm")]
    rows = []
    for row in table.to_dict("records"):
        name = f"{row['benchmark']}: {row['arm']}" if several else row["arm"]
        rows.append([TexCell(name), *(TexCell(row[column]) for column in columns)])
    caption = "Comparison of runs: scores of each arm in per cent, and differences paired as the table says."
    heads = [column.replace(" − ", "−") for column in columns]
    return floats(TexTable(["Arm", *heads], rows, caption, "tab:comparison", notes=notes))

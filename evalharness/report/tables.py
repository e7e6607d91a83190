"""The numbers of a run: for each benchmark a table of arms, never two benchmarks in one."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalharness.analysis import Analysis, Contrast, analyse, stats
from evalharness.analysis import category_weights as category_weights
from evalharness.analysis.arms import records
from evalharness.analysis.coverage import coverage
from evalharness.errors import EvalHarnessError
from evalharness.report import frames, latex
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

MISSING = "–"
SHORT = ("arm", "overall", "difference to baseline", "p", "scored")
"""Columns of a table for a paper, with the categories."""


@dataclass(frozen=True)
class Table:
    """One benchmark's summary, three times; ``title`` is its name for people.

    ``wide``: a row an arm, numbers (``NaN`` where the data do not say), a category's columns are ``category.NAME``,
    ``category.NAME.low``, ``category.NAME.high``, ``category.NAME.scored``, ``category.NAME.expected``. ``long``: a row
    an arm and quantity (``overall``, ``difference``, ``category.NAME``) with value, low, high. ``shown``: a row an arm,
    text for people. ``quoted``: published scores, if they were asked for; they are never mixed with measured ones.
    """

    benchmark: str
    title: str
    wide: pd.DataFrame
    long: pd.DataFrame
    shown: pd.DataFrame
    quoted: pd.DataFrame
    analysis: Analysis


def build_tables(results: Results) -> list[Table]:
    """A table for each benchmark, in the order of the sweep file."""
    tables = [_table(results, analysis) for analysis in analyse(results).values()]
    if not tables:
        raise EvalHarnessError("nothing to report: the run has no samples; check the benchmarks and arms of the sweep")
    return tables


def write_tables(tables: list[Table], folder: Path) -> None:
    """``BENCHMARK-wide``, ``-long``, ``-contrasts`` … as CSV and Parquet; what people read as Markdown and LaTeX."""
    from evalharness.report import recipes  # which imports this module

    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        stem = slug(table.benchmark)
        found = {"wide": table.wide, "long": table.long} | frames.frames(table.analysis) | {"quoted": table.quoted}
        for form, frame in found.items():
            if len(frame):
                frame.to_csv(folder / f"{stem}-{form}.csv", index=False)
                frame.to_parquet(folder / f"{stem}-{form}.parquet", index=False)
        said, notes = _quoted_text(table.quoted, list(table.analysis.weights))
        _markdown(folder / f"{stem}-wide.md", table.shown, said, notes)
        _markdown(folder / f"{stem}-long.md", table.long.round(4))
        columns = [name for name in table.shown.columns if name in (*SHORT, *table.analysis.weights)]
        short = table.shown[columns]
        tex = latex.booktabs(short, said.reindex(columns=columns, fill_value=MISSING), notes)
        (folder / f"{stem}.tex").write_text(tex, encoding="utf-8")
        if table.analysis.recipe_contrasts:
            trained = recipes.text_table(table.analysis)
            _markdown(folder / f"{stem}-recipe-contrasts.md", trained)
            (folder / f"{stem}-recipe-contrasts.tex").write_text(latex.booktabs(trained), encoding="utf-8")
        if table.analysis.contrasts:
            contrasts = contrasts_text(table)
            _markdown(folder / f"{stem}-contrasts.md", contrasts)
            (folder / f"{stem}-contrasts.tex").write_text(latex.booktabs(contrasts), encoding="utf-8")


def contrasts_text(table: Table) -> pd.DataFrame:
    """The contrasts for people: a row each, in points."""
    import pandas as pd

    rows = []
    for one in table.analysis.contrasts:
        difference, flips = one.difference, one.flips
        test = ("confirmatory, Holm" if one.confirmatory else "Benjamini–Hochberg") + f" over {one.family}"
        rows.append(
            {
                "arm": one.arm,
                "against": one.baseline,
                "difference, points": points_text(difference.value, difference.low, difference.high),
                "p": p_text(one.p),
                "p adjusted": p_text(one.p_adjusted),
                "correction": test,
                "fixed": str(flips.fixed),
                "broken": str(flips.broken),
                "both right": str(flips.both_right),
                "both wrong": str(flips.both_wrong),
                "could have shown": MISSING if math.isnan(one.detectable) else number_text(100 * one.detectable),
            }
        )
    return pd.DataFrame(rows)


def p_text(value: float) -> str:
    """
    >>> p_text(0.00009999), p_text(0.0312)
    ('0.0001', '0.031')
    """
    if math.isnan(value):
        return MISSING
    return f"{value:.3f}" if value >= 0.001 else f"{value:.4f}"


def slug(name: str) -> str:
    """A file name for a benchmark's name.

    >>> slug("geneval (long)")
    'geneval-long'
    """
    return "-".join("".join(c if c.isalnum() or c == "_" else " " for c in name).split()) or "benchmark"


def score_text(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """
    >>> score_text(0.83, 0.79, 0.87)
    '0.83 [0.79, 0.87]'
    """
    if math.isnan(value):
        return MISSING
    return f"{value:.2f}" + ("" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")


def points_text(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of scores in points (hundredths).

    >>> points_text(0.041, -0.002, 0.059)
    '+4.1 [−0.2, 5.9]'
    """
    if math.isnan(value):
        return MISSING
    interval = "" if math.isnan(low) else f" [{number_text(100 * low)}, {number_text(100 * high)}]"
    return ("+" if round(100 * value, 1) > 0 else "") + number_text(100 * value) + interval


def number_text(value: float) -> str:
    """One decimal and a true minus sign; no negative zero."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "−")


def overall_text(row: Mapping[str, Any]) -> str:
    """The headline number, or what it could still become."""
    if math.isnan(row["overall"]):
        return f"incomplete: {row['bound_low']:.2f} to {row['bound_high']:.2f}"
    return score_text(row["overall"], row["overall_low"], row["overall_high"])


def short_scorer(identity: Any) -> str:
    """A scorer's name, as far as its identity tells one, and a digest of all of it."""
    text = identity if isinstance(identity, str) else json.dumps(identity, sort_keys=True, default=str)
    names = [identity] if isinstance(identity, str) else list(_names(identity))
    return " ".join([*dict.fromkeys(names), hashlib.sha256(text.encode()).hexdigest()[:8]])


def short_digest(digest: Any) -> str:
    """The first eight digits of a digest."""
    return str(digest or "").removeprefix("sha256:")[:8]


def title(results: Results, benchmark: str) -> str:
    """A benchmark's name for people; it may say what the name does not, such as whose rubric a judge went by."""
    return str(results.info["benchmarks"][benchmark].get("title", benchmark))


def _names(identity: Any) -> list[str]:
    found: list[str] = []
    for key in ("name", "detector", "judge", "rubric", "model"):
        value = identity.get(key) if isinstance(identity, Mapping) else None
        found += [value] if isinstance(value, str) else _names(value) if isinstance(value, Mapping) else []
    return found


def _table(results: Results, analysis: Analysis) -> Table:
    import pandas as pd

    benchmark, weights = analysis.benchmark, analysis.weights
    samples = results.samples[results.samples["benchmark"] == benchmark]
    about = results.info["benchmarks"][benchmark]
    own = dict(list(samples.groupby("arm", sort=False)))
    rows = [
        _row(arm, own[arm["arm"]], analysis, about) | _provenance(results, benchmark)
        for arm in records(results.arms)
        if arm["arm"] in own
    ]
    wide = pd.DataFrame(rows).astype({"max_iterations": "Int64"})
    named = title(results, benchmark)
    said = frames.quoted([row for row in results.info.get("literature", ()) if row["benchmark"] == benchmark])
    names = list(weights)
    return Table(benchmark, named, wide, _long(wide, names), _shown(wide, names), said, analysis)


def _row(arm: Mapping[str, Any], own: pd.DataFrame, analysis: Analysis, about: Mapping[str, Any]) -> dict[str, Any]:
    scores = analysis.scores[arm["arm"]]
    covered = coverage(own, about)
    low, high = stats.bounds(covered.values, covered.categories, analysis.weights)
    overall = scores.overall if covered.complete else stats.Estimate(math.nan)
    row: dict[str, Any] = {name: arm[name] for name in ("arm", "model", "variant", "max_iterations", "baseline")}
    row |= _numbers("overall", overall) | {"overall_se": overall.se, "bound_low": low, "bound_high": high}
    row |= _difference(None if arm["baseline"] else analysis.contrast(arm["arm"]))
    for category, estimate in scores.categories.items():
        row |= _numbers(f"category.{category}", estimate, dot=".")
        counted, expected = covered.by_category[category]
        row |= {f"category.{category}.scored": counted, f"category.{category}.expected": expected}
    row |= {"scored": covered.scored, "expected": covered.expected, "coverage": covered.text}
    row |= {"prompts": scores.prompts, "failed": int((own["state"] == "failed").sum())}
    drawn = own[own["state"].isin(["generated", "scored"])]
    return row | {name: float(drawn[name].astype(float).mean()) for name in ("evaluations", "tokens", "seconds")}


def _difference(found: Contrast | None) -> dict[str, Any]:
    """The paired difference to the baseline arm, over the samples that both have."""
    difference = found.difference if found else stats.Estimate(math.nan)
    flips = found.flips if found else None
    return _numbers("difference", difference) | {
        "difference_se": difference.se,
        "p": found.p if found else math.nan,
        "p_adjusted": found.p_adjusted if found else math.nan,
        "confirmatory": bool(found and found.confirmatory),
        "detectable": found.detectable if found else math.nan,
        "fixed": flips.fixed if flips else 0,
        "broken": flips.broken if flips else 0,
        "pairs": difference.samples,
        "paired_prompts": difference.prompts,
    }


def _numbers(name: str, estimate: stats.Estimate, dot: str = "_") -> dict[str, float]:
    return {name: estimate.value, f"{name}{dot}low": estimate.low, f"{name}{dot}high": estimate.high}


def _provenance(results: Results, benchmark: str) -> dict[str, str]:
    about = results.info["benchmarks"][benchmark]
    return {
        "benchmark": benchmark,
        "protocol": str(about["version"]),
        "prompt_set": f"{about['prompt_set']} {short_digest(about['prompt_digest'])}",
        "scorer": short_scorer(about["scorer"]),
    }


def _long(wide: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    import pandas as pd

    quantities = [("overall", "_"), ("difference", "_"), *((f"category.{name}", ".") for name in categories)]
    kept = ["benchmark", "arm", "model", "variant", "max_iterations", "baseline"]
    after = ["bound_low", "bound_high", "scored", "expected", "failed", "evaluations", "tokens", "seconds"]
    after += ["protocol", "prompt_set", "scorer"]
    parts = []
    for name, dot in quantities:
        part = wide[kept].assign(quantity=name, value=wide[name])
        part = part.assign(low=wide[f"{name}{dot}low"], high=wide[f"{name}{dot}high"])
        counted = wide[after]
        if dot == ".":
            counted = counted.assign(scored=wide[f"{name}.scored"], expected=wide[f"{name}.expected"])
        parts.append(part.join(counted))
    return pd.concat(parts, ignore_index=True)


def _shown(wide: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for row in records(wide):
        text = {"arm": row["arm"], "overall": overall_text(row), "difference to baseline": _difference_text(row)}
        text["p"] = "" if row["baseline"] else p_text(row["p_adjusted"])
        for name in categories:
            text[name] = score_text(*(row[f"category.{name}{end}"] for end in ("", ".low", ".high")))
            text[name] += f" ({lack})" if (lack := lacking_text(row, name)) else ""
        text |= {"scored": row["coverage"], "failed": str(row["failed"])}
        text |= {
            "evaluations": mean_text(row["evaluations"]),
            "tokens": mean_text(row["tokens"]),
            "seconds": mean_text(row["seconds"], 2),
        }
        rows.append(text | {name: row[name] for name in ("protocol", "prompt_set", "scorer")})
    return pd.DataFrame(rows)


def lacking_text(row: Mapping[str, Any], category: str) -> str:
    """``"93/120"`` where samples of a category are missing, else nothing."""
    scored, expected = (row[f"category.{category}.{end}"] for end in ("scored", "expected"))
    return f"{scored}/{expected}" if scored < expected else ""


def _difference_text(row: Mapping[str, Any]) -> str:
    if row["baseline"]:
        return "baseline"
    return points_text(row["difference"], row["difference_low"], row["difference_high"])


def mean_text(value: float, decimals: int = 1) -> str:
    """A mean cost, or a dash."""
    return MISSING if math.isnan(value) else f"{value:.{decimals}f}"


def _quoted_text(quoted: pd.DataFrame, categories: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The quoted rows with the columns of the shown ones, as far as they have them, and their sources."""
    import pandas as pd

    rows, notes = [], []
    for row in records(quoted):
        text = {"arm": f"{row['name']} (quoted)", "overall": score_text(row["overall"], *_ends(row))}
        rows.append(text | {name: score_text(_number(row.get(f"category.{name}"))) for name in categories})
        notes.append(f"{row['name']}: {row['source']}" + (f"; {row['note']}" if row["note"] else ""))
    return pd.DataFrame(rows, columns=["arm", "overall", *categories]), notes


def _ends(row: Mapping[str, Any]) -> tuple[float, float]:
    return _number(row["low"]), _number(row["high"])


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _markdown(path: Path, table: pd.DataFrame, quoted: pd.DataFrame | None = None, notes: Sequence[str] = ()) -> None:
    parts = [_markdown_table(table)]
    if quoted is not None and len(quoted):
        parts += [
            "Quoted, not measured here:",
            _markdown_table(quoted),
            "\n".join(f"- {_cell(note)}" for note in notes),
        ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _markdown_table(table: pd.DataFrame) -> str:
    return str(table.map(_cell).to_markdown(index=False, disable_numparse=True))


def _cell(value: Any) -> str:
    text = "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
    text = text.replace("<NA>", "").replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(text.split())

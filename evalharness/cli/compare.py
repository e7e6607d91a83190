"""``evalharness compare``: compares two runs from their stores."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._front import Results, compare, load_results
from evalharness._util import console
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.analysis.comparison import Compared, Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="RUN_A", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("second", metavar="RUN_B", help="the same; differences are RUN_B minus RUN_A")
    parser.add_argument("--arm", metavar="ARM", help="an arm of RUN_A (default: all arms of the same name in both)")
    parser.add_argument("--arm-b", metavar="ARM", help="the arm of RUN_B to compare it with (default: the same name)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store of RUN_A (default: beside the report)")
    parser.add_argument("--store-b", type=Path, metavar="DIR", help="the store of RUN_B (default: beside the report)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write the table there, as files")


def run(options: argparse.Namespace) -> int:
    """Compare two runs; returns the exit code."""
    with (
        load_results(options.first, store=options.store) as first,
        load_results(options.second, store=options.store_b) as second,
    ):
        _check_arms(first, second, options)
        comparison = compare(first, second, arm=options.arm, arm_b=options.arm_b)
        if not comparison.compared:
            raise ConfigError(
                "the runs share no arm on a benchmark of both; name two with --arm and --arm-b: "
                f"{', '.join(first.arms['arm'])}; {', '.join(second.arms['arm'])}"
            )
        heads = [_head(label, run.info) for label, run in (("A", first), ("B", second))]
    from evalharness.report import table_files

    table = _table(comparison.compared)
    text = table_files.markdown_table(table)
    notes = [f"note: {line}" for line in comparison.notes]
    console.write("\n".join([*heads, "", text, *([""] if notes else []), *notes]))
    if options.out is not None:
        _write(options.out, comparison, table, heads)
    return 0


def _check_arms(first: Results, second: Results, options: argparse.Namespace) -> None:
    """Check that the arms given as options exist.

    Raises:
        ConfigError: An arm is not in its run.
    """
    named = options.arm or options.arm_b
    if named is None:
        return
    for label, run, name in (("RUN_A", first, named), ("RUN_B", second, options.arm_b or named)):
        known = list(run.arms["arm"])
        if name not in known:
            raise ConfigError(f"{label} has no arm {name!r}{did_you_mean(name, known)}")


def _head(label: str, info: Mapping[str, Any]) -> str:
    parts = [info["name"], info.get("started"), f"seed {info.get('seed')}", ", ".join(info.get("models", {}))]
    return f"{label}: " + ", ".join(str(part) for part in parts if part)


def _table(compared: Sequence[Compared]) -> pd.DataFrame:
    import pandas as pd

    from evalharness.report.formatting import MISSING, p_text, points_text, score_text

    rows = []
    for pair in compared:
        test, gap = pair.contrast, pair.difference
        same = pair.arms[0] == pair.arms[1]
        rows.append(
            {
                "benchmark": pair.benchmark,
                "arm": pair.arms[0] if same else f"{pair.arms[0]} → {pair.arms[1]}",
                "A": score_text(pair.scores[0].value, pair.scores[0].low, pair.scores[0].high),
                "B": score_text(pair.scores[1].value, pair.scores[1].low, pair.scores[1].high),
                "B − A, points": points_text(gap.value, gap.low, gap.high),
                "p": p_text(test.p) if test else MISSING,
                "p adjusted": p_text(test.p_adjusted) if test else MISSING,
                "paired by": {"seeds": "prompt and seed", "prompts": "prompt", "none": "nothing"}[pair.pairing],
                "pairs": f"{gap.samples} of {gap.prompts} prompts" if test else MISSING,
                "fixed": str(test.flips.fixed) if test else MISSING,
                "broken": str(test.flips.broken) if test else MISSING,
            }
        )
    return pd.DataFrame(rows)


def _write(out: Path, comparison: Comparison, table: pd.DataFrame, heads: Sequence[str]) -> None:
    """Write ``compare.json``, ``.md`` and ``.tex``, and contrasts with categories as ``.csv`` and ``.parquet``."""
    from evalharness.report import analysis_frames, latex, table_files
    from evalharness.report.json_values import pretty_json

    contrasts = analysis_frames.contrasts([pair.contrast for pair in comparison.compared if pair.contrast])
    notes = [f"note: {line}" for line in comparison.notes]
    texts = [table_files.markdown_text(line) for line in (*heads, *notes)]
    markdown = "\n\n".join([*texts[: len(heads)], table_files.markdown_table(table), *texts[len(heads) :]])
    data = pretty_json(asdict(comparison) | {"runs": list(heads)})
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.json").write_text(data + "\n", encoding="utf-8")
        (out / "compare.md").write_text(markdown + "\n", encoding="utf-8")
        (out / "compare.tex").write_text(latex.booktabs(table, notes=[*heads, *comparison.notes]), encoding="utf-8")
        table_files.write_csv(contrasts, out / "compare.csv")
        contrasts.to_parquet(out / "compare.parquet", index=False)
    except OSError as error:
        raise EvalHarnessError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    console.write(f"files: {out}")

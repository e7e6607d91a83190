"""``evalharness compare``: what differs between two runs, from their stores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.cli.find_run import stored_results
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.analysis.comparison import Compared, Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="RUN_A", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("second", metavar="RUN_B", help="the same; differences are RUN_B minus RUN_A")
    parser.add_argument("--arm", metavar="ARM", help="an arm of RUN_A (default: all arms of the same name in both)")
    parser.add_argument("--arm-b", metavar="ARM", help="the arm of RUN_B beside it (default: that of its name)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="of RUN_A (default: beside the report)")
    parser.add_argument("--store-b", type=Path, metavar="DIR", help="of RUN_B (default: beside the report)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write the table there, as files")


def run(options: argparse.Namespace) -> int:
    """Compare two runs; returns the exit code."""
    from evalharness.analysis import comparison

    first_run = stored_results(options.first, options.store)
    second_run = stored_results(options.second, options.store_b)
    with first_run as first, second_run as second:
        found = comparison.compare(first, second, _arms(first, second, options))
        if not found.compared:
            raise ConfigError(
                "the runs share no arm on a benchmark of both; name two with --arm and --arm-b: "
                f"{', '.join(first.arms['arm'])}; {', '.join(second.arms['arm'])}"
            )
        heads = [_head(label, run) for label, run in (("A", first), ("B", second))]
    table = _table(found.compared)
    text = str(table.to_markdown(index=False, disable_numparse=True))
    notes = [f"note: {line}" for line in found.notes]
    sys.stdout.write("\n".join([*heads, "", text, *([""] if notes else []), *notes]) + "\n")
    if options.out is not None:
        _write(options.out, found, table, heads)
    return 0


def _arms(first: Results, second: Results, options: argparse.Namespace) -> list[tuple[str, str]]:
    if options.arm is None and options.arm_b is None:
        return []
    one = options.arm or options.arm_b
    pair = (one, options.arm_b or one)
    for name, run, label in zip(pair, (first, second), ("RUN_A", "RUN_B"), strict=True):
        known = list(run.arms["arm"])
        if name not in known:
            raise ConfigError(f"{label} has no arm {name!r}{did_you_mean(name, known)}")
    return [pair]


def _head(label: str, run: Results) -> str:
    info = run.info
    parts = [info["name"], info.get("started"), f"seed {info.get('seed')}", ", ".join(info.get("models", {}))]
    return f"{label}: " + ", ".join(str(part) for part in parts if part)


def _table(found: Sequence[Compared]) -> pd.DataFrame:
    import pandas as pd

    from evalharness.report.formatting import MISSING, p_text, points_text, score_text

    rows = []
    for one in found:
        test, gap = one.contrast, one.difference
        same = one.arms[0] == one.arms[1]
        rows.append(
            {
                "benchmark": one.benchmark,
                "arm": one.arms[0] if same else f"{one.arms[0]} → {one.arms[1]}",
                "A": score_text(one.scores[0].value, one.scores[0].low, one.scores[0].high),
                "B": score_text(one.scores[1].value, one.scores[1].low, one.scores[1].high),
                "B − A, points": points_text(gap.value, gap.low, gap.high),
                "p": p_text(test.p) if test else MISSING,
                "p adjusted": p_text(test.p_adjusted) if test else MISSING,
                "paired by": {"seeds": "prompt and seed", "prompts": "prompt", "none": "nothing"}[one.pairing],
                "pairs": f"{gap.samples} of {gap.prompts} prompts" if test else MISSING,
                "fixed": str(test.flips.fixed) if test else MISSING,
                "broken": str(test.flips.broken) if test else MISSING,
            }
        )
    return pd.DataFrame(rows)


def _write(out: Path, found: Comparison, table: pd.DataFrame, heads: Sequence[str]) -> None:
    """``compare.json``, ``.md``, ``.tex`` and, of the contrasts with their categories, ``.csv`` and ``.parquet``."""
    from evalharness.report import analysis_frames, latex
    from evalharness.report.json_values import pretty_json

    contrasts = analysis_frames.contrasts([one.contrast for one in found.compared if one.contrast])
    notes = [f"note: {line}" for line in found.notes]
    markdown = "\n\n".join([*heads, str(table.to_markdown(index=False, disable_numparse=True)), *notes])
    data = pretty_json(asdict(found) | {"runs": list(heads)})
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.json").write_text(data + "\n", encoding="utf-8")
        (out / "compare.md").write_text(markdown + "\n", encoding="utf-8")
        (out / "compare.tex").write_text(latex.booktabs(table, notes=[*heads, *found.notes]), encoding="utf-8")
        contrasts.to_csv(out / "compare.csv", index=False)
        contrasts.to_parquet(out / "compare.parquet", index=False)
    except OSError as error:
        raise EvalHarnessError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    sys.stdout.write(f"files: {out}\n")

"""``evalharness compare``: compares runs from their stores, as a table, and as a page with their pictures."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._front import Results, compare, load_results
from evalharness._util import console
from evalharness._util.text import counted
from evalharness.analysis.letters import letter
from evalharness.cli.options import add_gallery_argument
from evalharness.errors import ConfigError, did_you_mean
from evalharness.store.find_run import require_no_run

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.analysis.comparison import Compared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="RUN_A", help="the folder of a report, or a sweep file that was run")
    help_text = "the same, one or more; differences are RUN_B minus RUN_A"
    parser.add_argument("others", metavar="RUN_B", nargs="+", help=help_text)
    parser.add_argument("--arm", metavar="ARM", help="an arm of RUN_A (default: all arms of the same name in both)")
    parser.add_argument("--arm-b", metavar="ARM", help="the arm of the other runs (default: the same name)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store of RUN_A (default: beside the report)")
    store_help = "the store of RUN_B (default: beside the report); may be repeated for further runs"
    parser.add_argument("--store-b", type=Path, metavar="DIR", action="append", default=[], help=store_help)
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write a page and the tables to this folder")
    add_gallery_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Compare runs; returns the exit code."""
    names = [options.first, *options.others]
    stores = [options.store, *options.store_b]
    if len(stores) > len(names):
        more = counted(len(options.others), "run")
        raise ConfigError(f"--store-b is given {len(options.store_b)} times for {more} after RUN_A")
    if options.out is not None:
        require_no_run(options.out)
    with ExitStack() as stack:
        runs = [stack.enter_context(load_results(name, store=store)) for name, store in zip_longest(names, stores)]
        _check_arms(runs, options)
        comparison = compare(*runs, arm=options.arm, arm_b=options.arm_b)
        if not comparison.compared:
            raise ConfigError(
                "the runs share no arm on a benchmark of both; name two with --arm and --arm-b: "
                f"{'; '.join(', '.join(run.arms['arm']) for run in runs)}"
            )
        heads = [_head(letter(number), run.info) for number, run in enumerate(runs)]
        from evalharness.report import table_files

        table = _table(comparison.compared, len(runs))
        notes = [f"note: {line}" for line in comparison.notes]
        console.write("\n".join([*heads, "", table_files.markdown_table(table), *([""] if notes else []), *notes]))
        if options.out is not None:
            from evalharness.report.comparison_files import write_comparison_files

            page = write_comparison_files(
                [run.data for run in runs], comparison, options.out, table, heads, megabytes=options.gallery_mb
            )
            console.write(f"page: {page}")
    return 0


def _check_arms(runs: Sequence[Results], options: argparse.Namespace) -> None:
    """Check that the arms given as options exist.

    Raises:
        ConfigError: An arm is not in its run.
    """
    named = options.arm or options.arm_b
    if named is None:
        return
    for number, run in enumerate(runs):
        name = (options.arm_b or named) if number else named
        known = list(run.arms["arm"])
        if name not in known:
            raise ConfigError(f"RUN_{letter(number)} has no arm {name!r}{did_you_mean(name, known)}")


def _head(label: str, info: Mapping[str, Any]) -> str:
    parts = [info["name"], info.get("started"), f"seed {info.get('seed')}", ", ".join(info.get("models", {}))]
    return f"{label}: " + ", ".join(str(part) for part in parts if part)


def _table(compared: Sequence[Compared], runs: int) -> pd.DataFrame:
    import pandas as pd

    from evalharness.report.cells import arm_score_text
    from evalharness.report.comparison_tables import PAIRING
    from evalharness.report.formatting import MISSING, p_text, points_text

    rows, other = [], "B" if runs == 2 else "other"
    for pair in compared:
        test, gap = pair.contrast, pair.difference
        same = pair.arms[0] == pair.arms[1]
        rows.append(
            {
                "benchmark": pair.benchmark,
                **({"run": letter(pair.runs[1])} if runs > 2 else {}),
                "arm": pair.arms[0] if same else f"{pair.arms[0]} → {pair.arms[1]}",
                "A": arm_score_text(pair.scores[0]),
                other: arm_score_text(pair.scores[1]),
                f"{other} − A, points": points_text(gap.value, gap.low, gap.high),
                "p": p_text(test.p) if test else MISSING,
                "p adjusted": p_text(test.p_adjusted) if test else MISSING,
                "paired by": PAIRING[pair.pairing],
                "pairs": f"{gap.samples} of {gap.prompts} prompts" if test else MISSING,
                "fixed": str(test.flips.fixed) if test else MISSING,
                "broken": str(test.flips.broken) if test else MISSING,
            }
        )
    return pd.DataFrame(rows)

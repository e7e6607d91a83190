"""Compare two runs arm by arm: python examples/compare_runs.py REPORT_A REPORT_B.

Each run is the folder of its report, or its sweep file. Differences are B minus A, paired by prompt and seed.
"""

from __future__ import annotations

import sys

import evalharness as eh


def main(first: str, second: str) -> None:
    comparison = eh.compare(first, second)
    for pair in comparison.compared:
        gap = pair.difference
        told_apart = "" if gap.low <= 0 <= gap.high else "  *"
        print(
            f"{pair.benchmark}  {' → '.join(dict.fromkeys(pair.arms))}: "
            f"{100 * gap.value:+.1f} points [{100 * gap.low:.1f}, {100 * gap.high:.1f}]{told_apart}"
        )
    for note in comparison.notes:
        print("note:", note)


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""What a run says on the terminal when it is done: a line an arm, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalharness.store.results import Results


def table(results: Results) -> list[str]:
    """Arm, overall score (the weighted mean of the categories) and coverage, for each benchmark."""
    from evalharness.analysis import coverage as completeness

    lines: list[str] = []
    for name, about in results.info["benchmarks"].items():
        rows, lacking = [("arm", "overall", "scored")], []
        for arm in results.arms["arm"]:
            own = results.samples[(results.samples["arm"] == arm) & (results.samples["benchmark"] == name)]
            coverage = completeness.coverage(own, about)
            rows.append((arm, overall(coverage, about["weights"]), coverage.text))
            lacking += [f"    {arm}: {coverage.by_category_text}"] if not coverage.complete else []
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines += ["", about.get("title", name)]
        lines += [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        lines += ["  scored of expected by category:", *lacking] if lacking else []
    return lines


def overall(coverage: Any, weights: dict[str, float]) -> str:
    """Only of complete runs: a missing sample is not a zero, nor is it nothing; nor is a category without a sample."""
    from evalharness.analysis import stats

    low, high = stats.bounds(coverage.values, coverage.categories, weights)
    return f"{low:.4f}" if coverage.complete and low == high else f"incomplete: {low:.2f} to {high:.2f}"


def failed(results: Results) -> list[str]:
    """How many samples, and why the first."""
    found = results.samples[results.samples["state"] == "failed"]
    lines = []
    if not found.empty:
        lines = ["", f"{len(found)} samples failed, the first: {found['reason'].iloc[0]}"]
    checks = results.checks[results.checks["state"] == "failed"] if results.checks is not None else found[:0]
    if not checks.empty:
        lines += ["", f"of the checks {len(checks)} failed, the first: {checks['reason'].iloc[0]}"]
    return [*lines, "--retry-failed tries them again"] if lines else []

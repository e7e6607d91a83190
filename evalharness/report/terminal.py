"""The lines that a run prints at its end: one for each arm, and what failed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from evalharness._util.text import one_line
from evalharness.store.failures import causes

if TYPE_CHECKING:
    from evalharness.store.results import Results


def table(results: Results) -> list[str]:
    """Arm, overall score (the weighted mean of the categories) and coverage, for each benchmark."""
    from evalharness.analysis.coverage import coverages

    lines: list[str] = []
    for name, info in results.info["benchmarks"].items():
        rows, incomplete = [("arm", "overall", "scored")], []
        for arm, covered in coverages(results, name).items():
            rows.append((arm, overall(covered, info["weights"]), covered.text))
            if not covered.complete:
                incomplete.append(f"    {arm}: {covered.by_category_text}")
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines += ["", info.get("title", name)]
        lines += [f"  {arm:<{widths[0]}}  {score:>{widths[1]}}  {count:>{widths[2]}}" for arm, score, count in rows]
        if incomplete:
            lines += ["  scored of expected by category:", *incomplete]
    return lines


def overall(covered: Any, weights: dict[str, float]) -> str:
    """The overall score of a complete arm; otherwise its range, since a missing sample is neither right nor wrong."""
    low, high = covered.bounds(weights)
    if covered.complete and low == high:
        return f"{100 * low:.1f} %"
    return f"incomplete: {100 * low:.1f} to {100 * high:.1f} %"


def suspect_images(results: Results) -> list[str]:
    """Warnings of images that a working model hardly draws."""
    lines = [f"warning: {line}" for line in results.image_warnings]
    return ["", *lines] if lines else []


def failed(results: Results) -> list[str]:
    """How many samples and checks failed, the first reason, and a line for each cause."""
    samples = results.samples[results.samples["state"] == "failed"]
    lines = []
    if not samples.empty:
        lines += ["", f"{len(samples)} samples failed, the first: {samples['reason'].iloc[0]}"]
        lines += [f"  {cause}" for cause in causes(results.failures.values())]
    if results.checks is not None:
        checks = results.checks[results.checks["state"] == "failed"]
        if not checks.empty:
            lines += ["", f"of the checks {len(checks)} failed, the first: {checks['reason'].iloc[0]}"]
    if not lines:
        return []
    if any(failure.kind != "sample" for failure in results.failures.values()):
        lines.append("the same command tries those again that are no sample's fault")
    return [*lines, "--retry-failed tries them again"]


def missing(results: Results) -> str | None:
    """One line on how many samples and checks have no score, and why; None if all have one."""
    parts, reasons = [], []
    for name, pending, rows in (("samples", "not drawn", results.samples), ("checks", "not scored", results.checks)):
        if rows is None or (rows["state"] == "scored").all():
            continue
        without = rows[rows["state"] != "scored"]
        counts = without["state"].replace({"generated": "not scored", "pending": pending}).value_counts()
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        parts.append(f"{len(without)} of {len(rows)} {name} have no score ({states})")
        reasons += without.loc[without["state"] == "failed", "reason"].tolist()
    if not parts:
        return None
    most = Counter(reasons).most_common(1)
    cause = f"; most often: {one_line(most[0][0], 200)}" if most else ""
    return f"incomplete: {' and '.join(parts)}{cause}"

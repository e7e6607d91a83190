"""The sentences at the top of a page, computed from the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness._util.text import counted
from evalharness.analysis import Contrast, Refinements, ReplicateContrast, Trend
from evalharness.analysis.arms import baseline, families
from evalharness.analysis.stats import Estimate
from evalharness.config.arm_families import CapFamily
from evalharness.report import replicates
from evalharness.report.formatting import (
    number_text,
    open_sign_text,
    p_statement,
    p_text,
    percent_text,
    points_text,
    possible_text,
)
from evalharness.report.summary import Summary
from evalharness.store.results import Results

WideRows = Mapping[str, Mapping[str, Any]]
"""Rows of the wide table by arm."""


LATE = "; declared after the run, so tested with the exploratory comparisons"
MOSTLY_SAME = 0.5
"""Up to this share of pairs with differing images, a claim says how many differ."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the form ``arm relation baseline, evidence``; a trend has no baseline.

    ``told_apart`` says whether the two differ significantly. ``brief`` is the difference with its interval alone, and
    what keeps it from being told apart if that is not the interval.
    """

    benchmark: str
    arm: str
    relation: str
    baseline: str
    evidence: str
    told_apart: bool
    brief: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.arm, self.relation, self.baseline) if part) + f", {self.evidence}"


def claims(results: Results, summary: Summary) -> list[Claim]:
    """The claims of a benchmark, in the order in which a page shows them.

    Claims about what the sweep file declares come first: recipes, then contrasts. Each family of arms follows with
    one claim about its member with the highest cap, so that no arm is picked for its score. An arm whose recipe has a
    claim gets none of its own. Trends come last. Where arms differ in ``refine`` alone, a claim says what it did.
    """
    analysis, samples = summary.analysis, int(results.info["benchmarks"][summary.benchmark]["samples"])
    contrasts = [contrast for contrast in analysis.contrasts if contrast.declared]
    covered = replicates.covered_arms(analysis)
    for arm in lead_arms(results, summary):
        contrast = analysis.contrast(arm)
        if arm not in covered and contrast is not None and contrast not in contrasts:
            contrasts.append(contrast)
    return [
        *_recipe_claims(summary),
        *(_contrast_claim(contrast, summary, samples) for contrast in contrasts),
        *(_trend_claim(trend, summary) for trend in analysis.trends),
        *_refinement_claims(results, summary, contrasts),
    ]


def lead_arms(results: Results, summary: Summary) -> list[str]:
    """The arm with the highest cap of each family, without the baseline."""
    measured, reference = set(summary.wide["arm"]), baseline(results.arms)
    leads = []
    for family in _families_with_caps_first(results):
        if arms := [arm for arm in family.arms if arm in measured and arm != reference]:
            leads.append(arms[-1])
    return leads


def lead_arm(results: Results) -> str | None:
    """The arm that the gallery shows first: that of the first claim."""
    names = [family.arms[-1] for family in _families_with_caps_first(results)]
    return next((name for name in names if name != baseline(results.arms)), names[0] if names else None)


def _families_with_caps_first(results: Results) -> list[CapFamily]:
    return sorted(families(results.arms), key=lambda family: not family.caps)


def _recipe_claims(summary: Summary) -> Iterator[Claim]:
    arms = {recipe.name: recipe.arms for recipe in summary.analysis.replicates}
    counts = {name: len(members) for name, members in arms.items()}
    for contrast in summary.analysis.replicate_contrasts:
        evidence = replicates.evidence(contrast, counts)
        evidence += "" if contrast.preregistered else LATE
        evidence += _incomplete_text([*arms[contrast.group], *arms[contrast.against]], summary.rows)
        yield Claim(
            benchmark=summary.benchmark,
            arm=contrast.group,
            relation=replicates.relation(contrast),
            baseline=contrast.against,
            evidence=evidence,
            told_apart=replicates.verdict(contrast) == "beyond",
            brief=_brief(contrast),
        )


def _contrast_claim(contrast: Contrast, summary: Summary, samples: int) -> Claim:
    relation, evidence = _contrast_words(contrast, samples)
    pair, refined = {contrast.arm, contrast.baseline}, summary.analysis.refinements
    refinement = "".join(f"; {_refinement_text(row)}" for row in refined if {row.arm, row.without} == pair)
    evidence += refinement or _flips_text(contrast)
    if contrast.declared and not contrast.preregistered:
        evidence += LATE
    if contrast.difference.state != "none":
        evidence += _incomplete_text([contrast.arm, contrast.baseline], summary.rows)
    brief = _brief(contrast)
    if brief and contrast.difference.state != "known":
        brief += ", too few prompts for an interval"
    brief += refinement
    return Claim(contrast.benchmark, contrast.arm, relation, contrast.baseline, evidence, contrast.significant, brief)


def _contrast_words(contrast: Contrast, samples: int) -> tuple[str, str]:
    """The relation of the two arms, and the numbers that it rests on."""
    difference = contrast.difference
    total = f"difference {percent_text(difference.value)} points, "
    if difference.state == "none":
        return "cannot yet be compared with", "too few pairs are scored"
    if difference.state != "known":
        return "cannot be told apart from", f"{total}too few prompts for an interval"
    interval = _interval_text(contrast, samples)
    if contrast.distinction == "apart":
        points = 100 * difference.value
        return f"is {number_text(abs(points))} points {'above' if points > 0 else 'below'}", interval
    if contrast.distinction == "open":
        return "cannot yet be told apart from", f"{total}{interval}{open_sign_text(contrast.possible)}"
    return "cannot be told apart from", f"{total}{interval}{_no_difference_text(contrast)}"


def _brief(tested: Contrast | ReplicateContrast | Trend) -> str:
    difference = tested.total if isinstance(tested, Trend) else tested.difference
    return brief_text(difference, tested.possible if tested.distinction == "open" else None)


def brief_text(difference: Estimate, possible: tuple[float, float] | None = None) -> str:
    """A difference with its interval, and the range that it could have if that leaves its sign open; empty for none."""
    if difference.state == "none":
        return ""
    open_sign = f"; with what is missing {possible_text(*possible)}" if possible else ""
    return f"{points_text(difference.value, difference.low, difference.high)} points{open_sign}"


def _interval_text(contrast: Contrast, samples: int) -> str:
    difference = contrast.difference
    pairs = f"{difference.samples} pairs that both have"
    if difference.samples == difference.prompts * samples:
        pairs = f"{difference.prompts} prompts × {counted(samples, 'image')}"
    low, high = number_text(100 * difference.low), number_text(100 * difference.high)
    return f"95 % interval {low} to {high}, paired over {pairs}"


def _flips_text(contrast: Contrast) -> str:
    """For arms that mostly draw the same images: how many differ, and how many verdicts."""
    pairs, images = contrast.difference.samples, contrast.differing_images
    if not pairs or images > pairs * MOSTLY_SAME:
        return ""
    changed = contrast.flips.better + contrast.flips.worse
    verdicts = "no score" if not changed else f"the score of {changed:,}"
    return f"; the images of {images:,} of {pairs:,} pairs differ, which changes {verdicts}"


def _no_difference_text(contrast: Contrast) -> str:
    """Why a contrast is not significant: because of the correction, or what the run could have shown."""
    if contrast.difference.excludes_zero:
        p, adjusted = p_statement(contrast.p), p_text(contrast.p_adjusted)
        return f"; p {p}, corrected for {counted(contrast.family, 'test')} {adjusted}"
    if math.isnan(contrast.detectable):
        return ""
    return f"; a true difference of {percent_text(contrast.detectable)} would be told apart four times in five"


def _incomplete_text(arms: Sequence[str], rows: WideRows) -> str:
    incomplete = [arm for arm in arms if rows[arm]["scored"] < rows[arm]["expected"]]
    if not incomplete:
        return ""
    return f"; {' and '.join(incomplete)} {'is' if len(incomplete) == 1 else 'are'} incomplete"


def _refinement_claims(results: Results, summary: Summary, stated: Sequence[Contrast]) -> Iterator[Claim]:
    """What refinement did in arms of which another differs in ``refine`` alone, if no stated contrast is of the two."""
    leads = {family.arms[-1] for family in families(results.arms)}
    pairs = [{contrast.arm, contrast.baseline} for contrast in stated]
    for row in summary.analysis.refinements:
        if row.arm in leads and row.without and {row.arm, row.without} not in pairs:
            text = _refinement_text(row)
            yield Claim(summary.benchmark, row.arm, "against", row.without, text, False, text)


def _refinement_text(row: Refinements) -> str:
    fired = f"refinement fired in {row.refined:,} of {counted(row.samples, 'sample')} of {row.arm}"
    if row.refined and not row.compared:
        return f"{fired}, which do not have scores in both arms yet"
    of = f" of the {row.compared:,} with scores in both arms" if row.compared < row.refined else ""
    if not row.changed:
        return f"{fired} and changed no verdict{of}"
    rest = row.changed - row.fixed - row.broken
    other = f", {rest:,} otherwise" if rest else ""
    return (
        f"{fired} and changed {counted(row.changed, 'verdict')}{of}: {row.fixed:,} fixed, {row.broken:,} broken{other}"
    )


def _trend_claim(trend: Trend, summary: Summary) -> Claim:
    """What a trend amounts to in total, its steps, and from where on it shows nothing more."""
    evidence = _trend_evidence(trend) + ("" if trend.preregistered else LATE)
    evidence += _incomplete_text(trend.arms, summary.rows)
    relation = f"{_course_text(trend)} as {trend.over} goes from {trend.values[0]:g} to {trend.values[-1]:g}"
    return Claim(trend.benchmark, "the overall score", relation, "", evidence, trend.significant, _brief(trend))


def _course_text(trend: Trend) -> str:
    if trend.state == "none":
        return "cannot yet be compared"
    if trend.distinction == "apart":
        points = number_text(abs(100 * trend.total.value))
        return f"{'rises' if trend.total.value > 0 else 'falls'} by {points} points in total"
    if trend.distinction == "alike":
        return "shows no trend"
    return f"cannot {'yet ' if trend.distinction == 'open' else ''}be said to rise or fall"


def _trend_evidence(trend: Trend) -> str:
    if trend.state == "none":
        return f"too few samples are scored in all {len(trend.arms)} arms"
    total = "" if trend.significant else f"total {points_text(trend.total.value)} points, "
    rest_on = f"over {len(trend.arms)} arms and {counted(trend.total.prompts, 'prompt')}"
    steps = f"step by step {_steps_text(trend)}"
    if trend.state != "known":
        return f"{total}too few prompts for an interval, {rest_on}; {steps}"
    ends = possible_text(trend.total.low, trend.total.high)
    p = f"corrected p of the slope {p_statement(trend.p_adjusted)}"
    conclusion = open_sign_text(trend.possible) if trend.distinction == "open" else _plateau_text(trend)
    return f"{total}95 % interval {ends}, {rest_on}; {p}; {steps}{conclusion}"


def _steps_text(trend: Trend) -> str:
    steps = (f"{step.end:g}: {points_text(step.difference.value)}" for step in trend.steps)
    return ", ".join(steps)


def _plateau_text(trend: Trend) -> str:
    if math.isnan(trend.plateau):
        return ""
    return f"; from {trend.over} = {trend.plateau:g} on no arm can be told apart from the last"

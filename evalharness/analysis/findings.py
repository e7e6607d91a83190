"""The results of an analysis, as plain values.

Scores are in 0..1, NaN if the data do not allow an estimate. A difference is the arm's score minus the baseline's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from evalharness.analysis.stats import (
    Components,
    Distinction,
    Estimate,
    Needed,
    Scores,
    Shares,
    State,
    distinction,
    significant,
)

Correction = Literal["holm", "benjamini-hochberg"]
Measure = Literal["evaluations", "tokens", "seconds", "dollars"]
Counts: TypeAlias = Mapping[str, tuple[int, int]]
"""Category → the numbers of scored and of expected samples."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Counts of pairs of images of the same prompt and seed. An image is right if its score is 1.

    ``fixed``: only the arm's image is right; ``broken``: only the baseline's.
    ``better`` and ``worse`` compare the scores themselves; where all are 0 or 1 they equal ``fixed`` and ``broken``.
    """

    fixed: int = 0
    broken: int = 0
    both_right: int = 0
    both_wrong: int = 0
    better: int = 0
    worse: int = 0


@dataclass(frozen=True, slots=True)
class Contrast:
    """An arm against another, over the pairs (prompt and seed) that both have scores for.

    ``p``: by sign flips of whole prompts.
    ``p_adjusted``: corrected for a family of ``family`` tests, by Holm if ``preregistered`` (declared before the run),
    else by Benjamini and Hochberg.
    ``declared``: whether the sweep file declares it, if only after the run.
    ``mcnemar``: exact p-value of the unweighted difference, NaN unless each prompt has one image and all scores are 0
    or 1.
    ``detectable``: the smallest true difference that a run like this tells apart with a probability of 0.8, by
    simulation of ``significant``; NaN if it cannot be simulated.
    ``needed``: the sizes of runs that would show other differences.
    ``possible``: the range of the difference over all that could be scored of what is missing.
    ``differing_images``: the number of pairs whose two images are not the same file.
    """

    benchmark: str
    arm: str
    baseline: str
    difference: Estimate
    categories: Mapping[str, Estimate]
    p: float
    p_adjusted: float
    preregistered: bool
    correction: Correction
    family: int
    mcnemar: float
    flips: Flips
    flips_by_category: Mapping[str, Flips]
    variance: Components
    detectable: float
    needed: tuple[Needed, ...]
    declared: bool = False
    possible: tuple[float, float] = (-1.0, 1.0)
    differing_images: int = 0

    @property
    def significant(self) -> bool:
        """Whether the arms are told apart.

        The interval of the difference excludes 0, the adjusted p-value is at most 0.05, and whatever is missing could
        not turn the difference.
        """
        return self.distinction == "apart"

    @property
    def distinction(self) -> Distinction:
        """Whether the arms are told apart, and if not, whether that is due to what is missing."""
        return distinction(self.difference, self.p_adjusted, self.possible)


@dataclass(frozen=True, slots=True)
class TrendStep:
    """The step from one value of a trend's setting to the next; ``p_adjusted`` is by Holm over the trend's steps."""

    start: float
    end: float
    difference: Estimate
    p: float
    p_adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference excludes 0 and the adjusted p-value is at most 0.05."""
        return significant(self.difference, self.p_adjusted)


@dataclass(frozen=True, slots=True)
class Trend:
    """The course of the score over arms of rising ``values`` of the setting ``over``, declared in the sweep file.

    Over the prompts and seeds that all of the arms have scores for.

    ``total``: the last arm's score minus the first's.
    ``slope``: of the least-squares line through the arms' scores, per unit of the setting.
    ``p``: of the slope, by sign flips of whole prompts; ``p_adjusted``: if ``preregistered`` by Holm, in one family
    with the preregistered contrasts, else by Benjamini and Hochberg with the others.
    ``steps``: from each value to the next.
    ``plateau``: the smallest value from which on no arm can be told apart from the last; NaN if that is the last alone,
    or if an arm's difference to the last has no interval.
    ``possible``: the range of ``total`` over all that could be scored of what is missing.
    """

    benchmark: str
    arms: tuple[str, ...]
    over: str
    values: tuple[float, ...]
    total: Estimate
    slope: Estimate
    p: float
    p_adjusted: float
    family: int
    steps: tuple[TrendStep, ...]
    plateau: float
    possible: tuple[float, float] = (-1.0, 1.0)
    preregistered: bool = True

    @property
    def significant(self) -> bool:
        """Whether a trend is told apart: slope and total exclude 0, the adjusted p-value is at most 0.05.

        And whatever is missing could not turn the total.
        """
        return self.distinction == "apart"

    @property
    def distinction(self) -> Distinction:
        """Whether a trend is told apart, and if not, whether that is due to what is missing."""
        if self.state != "known":
            return "unknown"
        if not significant(self.slope, self.p_adjusted):
            return "alike"
        return distinction(self.total, self.p_adjusted, self.possible)

    @property
    def state(self) -> State:
        """Whether total and slope are known, and if not, why."""
        return self.slope.state if self.total.state == "known" else self.total.state


@dataclass(frozen=True, slots=True)
class CostPoint:
    """An arm's score and its mean cost per sample.

    ``measure``: function evaluations (sampler steps), tokens, seconds, or dollars if there are any.
    """

    arm: str
    measure: Measure
    cost: Estimate
    score: Estimate


@dataclass(frozen=True, slots=True)
class BestOf:
    """The score if the scorer itself chose the best of ``k`` images of a prompt: an upper limit, not an arm."""

    arm: str
    k: int
    score: Estimate


@dataclass(frozen=True, slots=True)
class Refinements:
    """How often an arm of the variant ``process`` refined, counted in its trajectories.

    ``samples``: its samples that have a trajectory; ``refined``: those in which refinement fired; ``refinements``: how
    often in all of them.
    ``without``: the arm that differs from it in ``refine`` alone; empty if there is none.
    ``compared``: the refined samples that both arms have scores for. Of these, ``fixed`` are right only with
    refinement, ``broken`` only without, and ``changed`` have another score.
    """

    arm: str
    samples: int
    refined: int
    refinements: int
    without: str = ""
    compared: int = 0
    fixed: int = 0
    broken: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class ArmDiversity:
    """How much the images of a prompt differ in an arm, 0 for the same picture again.

    ``difference``: to the baseline, over the prompts that have it in both; NaN for the baseline.
    """

    value: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Diversity:
    """The diversity of arms whose prompts have several images; ``reason`` says why there is none.

    ``lacking``: how many images have no features, and are left out.
    """

    arms: Mapping[str, ArmDiversity] = field(default_factory=dict)
    lacking: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replicates:
    """Arms whose models come from trainings of one recipe with different seeds; preregistered.

    ``scores``: of each arm, over the samples that all of them have; NaN for an arm that lacks a category of the overall
    score, which is left out of the others' samples.
    ``mean`` and ``deviation``: over and between the arms, with intervals that count each training once. A single one
    has no deviation; neither is known if a score is not.
    ``shares``: the parts of the variance of the score of one training.
    """

    benchmark: str
    name: str
    arms: tuple[str, ...]
    scores: tuple[float, ...]
    mean: Estimate
    deviation: Estimate
    shares: Shares


@dataclass(frozen=True, slots=True)
class ReplicateContrast:
    """The mean of a group of replicates minus that of another group, over the samples that all of them have.

    ``difference``: with Welch's interval over the trainings, on these prompts; without one if a group is a single
    training, or if the trainings of neither differ.
    ``differing``: the settings, besides the model, in which the groups differ; with any, the difference is not that of
    the recipes alone.
    ``everywhere``: the difference with an interval that is widened by the choice of prompts.
    ``p`` is of ``difference``; ``p_adjusted`` by Holm over the ``family`` of all such contrasts in the run.
    ``shares``: the parts of the variance of the difference.
    """

    benchmark: str
    group: str
    against: str
    difference: Estimate
    degrees: float
    p: float
    p_adjusted: float
    family: int
    everywhere: Estimate
    differing: tuple[str, ...]
    shares: Shares
    possible: tuple[float, float] = (-1.0, 1.0)
    preregistered: bool = True

    @property
    def significant(self) -> bool:
        """Whether the interval over trainings excludes 0 and the adjusted p-value is at most 0.05.

        And whatever is missing could not turn the difference.
        """
        return self.distinction == "apart"

    @property
    def distinction(self) -> Distinction:
        """Whether the recipes are told apart, and if not, whether that is due to what is missing."""
        return distinction(self.difference, self.p_adjusted, self.possible)


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one benchmark. ``scores`` and ``variance`` are by arm.

    A category of weight 0 is no part of the overall score. ``scores`` are over the samples that exist;
    :meth:`known_scores` has those of them that may be shown as scores.
    ``coverage``: arm → category → the numbers of scored and of expected samples.
    ``aspects``: arm → the mean of each aspect that questions about its images are about.
    """

    benchmark: str
    baseline: str | None
    weights: Mapping[str, float]
    scores: Mapping[str, Scores]
    variance: Mapping[str, Components]
    contrasts: tuple[Contrast, ...]
    trends: tuple[Trend, ...]
    costs: tuple[CostPoint, ...]
    best_of: tuple[BestOf, ...]
    replicates: tuple[Replicates, ...] = ()
    replicate_contrasts: tuple[ReplicateContrast, ...] = ()
    aspects: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    refinements: tuple[Refinements, ...] = ()
    diversity: Diversity = field(default_factory=Diversity)
    coverage: Mapping[str, Counts] = field(default_factory=dict)

    def known_scores(self, arm: str) -> dict[str, Estimate]:
        """The scores of an arm by category, the overall one under "": see :func:`known_scores`."""
        return known_scores(self.scores[arm], self.coverage[arm])

    def counts(self, *arms: str) -> tuple[int, int]:
        """The numbers of scored and of expected samples of some arms."""
        pairs = [pair for arm in arms for pair in self.coverage[arm].values()]
        return sum(scored for scored, _ in pairs), sum(expected for _, expected in pairs)

    def contrast(self, arm: str, baseline: str | None = None) -> Contrast | None:
        """The contrast of an arm with the baseline, or with another arm."""
        pair = arm, baseline or self.baseline
        return next((contrast for contrast in self.contrasts if (contrast.arm, contrast.baseline) == pair), None)

    def as_dict(self) -> dict[str, Any]:
        """The analysis as JSON, under the keys of ``results.json``."""
        return asdict(self, dict_factory=_with_published_keys)


def known_scores(scores: Scores, coverage: Counts) -> dict[str, Estimate]:
    """The scores by category, the overall one under ""; each is NaN unless all of its samples are scored.

    A mean over what happens to be scored is no score: what fails may be what is hard.
    """
    unknown = Estimate(math.nan)
    incomplete = {name for name, (scored, expected) in coverage.items() if scored < expected}
    known = {name: unknown if name in incomplete else estimate for name, estimate in scores.categories.items()}
    return {"": unknown if incomplete else scores.overall, **known}


_PUBLISHED_KEYS = {
    "preregistered": "confirmatory",
    "replicates": "recipes",
    "replicate_contrasts": "recipe_contrasts",
    "group": "recipe",
}


def _with_published_keys(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_PUBLISHED_KEYS.get(name, name): value for name, value in fields}

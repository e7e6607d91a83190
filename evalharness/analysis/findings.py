"""What an analysis finds, as plain values.

Scores are in 0..1, NaN where the data do not say; a difference is the arm's score minus the baseline's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from evalharness.analysis.stats import Components, Estimate, Needed, Scores, Shares

Correction = Literal["holm", "benjamini-hochberg"]
Measure = Literal["evaluations", "tokens", "seconds", "dollars"]


@dataclass(frozen=True, slots=True)
class Flips:
    """Pairs of images, same prompt and seed; right is a score of 1.

    ``fixed``: only the arm's is right, ``broken``: only the baseline's.

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

    ``p`` by sign flips of whole prompts; ``p_adjusted`` for the ``family`` of so many contrasts, by Holm if it is
    ``confirmatory`` (declared before the run), else by Benjamini and Hochberg. ``mcnemar``: exact p-value of the
    unweighted difference, only where each prompt has one image and all scores are 0 or 1, else NaN. ``detectable``: the
    smallest true difference that this run would have shown four times in five. ``needed``: what others would take.
    """

    benchmark: str
    arm: str
    baseline: str
    difference: Estimate
    categories: Mapping[str, Estimate]
    p: float
    p_adjusted: float
    confirmatory: bool
    correction: Correction
    family: int
    mcnemar: float
    flips: Flips
    flips_by_category: Mapping[str, Flips]
    variance: Components
    detectable: float
    needed: tuple[Needed, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """Does the score rise along arms of rising ``values`` of the setting ``over``? Declared before the run.

    ``slope``: of the least-squares line through the arms' scores, per unit of the setting, over the prompts and seeds
    that all of the arms have scores for. ``p`` by sign flips of whole prompts; ``p_adjusted`` by Holm, in one family
    with the confirmatory contrasts.
    """

    benchmark: str
    arms: tuple[str, ...]
    over: str
    values: tuple[float, ...]
    slope: Estimate
    p: float
    p_adjusted: float
    family: int


@dataclass(frozen=True, slots=True)
class CostPoint:
    """An arm's score and what a sample costs: function evaluations (sampler steps), tokens, seconds; dollars if any."""

    arm: str
    measure: Measure
    cost: Estimate
    score: Estimate


@dataclass(frozen=True, slots=True)
class BestOf:
    """The score if the scorer itself chose the best of ``k`` images of a prompt: a limit, not an arm."""

    arm: str
    k: int
    score: Estimate


@dataclass(frozen=True, slots=True)
class Replicates:
    """Trainings of one recipe, declared before the run.

    ``scores``: of each arm, over the samples that all of them have. ``mean`` and ``deviation``: over and between the
    trainings, with intervals that count each of them once; NaN for a single one. ``shares``: where the variance of the
    score of one training is.
    """

    benchmark: str
    name: str
    arms: tuple[str, ...]
    scores: tuple[float, ...]
    mean: Estimate
    deviation: Estimate
    shares: Shares


@dataclass(frozen=True, slots=True)
class RecipeContrast:
    """A recipe against another: the mean of its trainings minus that of the other's, over the samples that all have.

    ``difference``: Welch's interval over the trainings, on these prompts. Where one of the two was trained once,
    ``assumed`` names the other, whose trainings' noise is taken for both; where both were, there is no interval.
    ``everywhere``: the same widened by the choice of prompts. ``p`` is of ``difference``; ``p_adjusted`` by Holm, over
    the ``family`` of all contrasts of recipes in the run. ``shares``: where the variance of the difference is.
    """

    benchmark: str
    recipe: str
    against: str
    difference: Estimate
    degrees: float
    p: float
    p_adjusted: float
    family: int
    everywhere: Estimate
    assumed: str
    shares: Shares


@dataclass(frozen=True, slots=True)
class Analysis:
    """All of one benchmark. ``scores`` and ``variance`` are by arm.

    A category of weight 0 is not part of the overall score. ``scores`` are over the samples that there
    are; whether an arm is complete, so that its overall score is one, is said in the tables (``scored``, ``expected``).
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
    recipes: tuple[Replicates, ...] = ()
    recipe_contrasts: tuple[RecipeContrast, ...] = ()

    def contrast(self, arm: str, baseline: str | None = None) -> Contrast | None:
        """That of an arm with the baseline, or with another arm."""
        other = baseline or self.baseline
        return next((one for one in self.contrasts if (one.arm, one.baseline) == (arm, other)), None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

"""What a finished (or unfinished) run holds, as the report sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_COLUMNS = (
    "benchmark",  # name of the benchmark
    "arm",  # name of the arm, as in the sweep file, an expanded setting added: "process max_iterations=3"
    "item",  # item id
    "category",  # GenEval's tag, WISE's category
    "prompt",
    "seed_index",  # 0 .. samples - 1
    "seed",
    "state",  # "pending" | "generated" | "scored" | "failed"
    "score",  # float, NaN unless scored
    "reason",  # why the score is not 1, or why the sample failed
    "image",  # SHA-256 of the final PNG, or None
    "trajectory",  # key of the trajectory, or None
    "score_key",  # key of the score, or None
    "iterations",  # iterations that the arm's prefix used
    "evaluations",  # cost of the arm's prefix: sampler steps,
    "tokens",  # tokens written,
    "seconds",  # seconds,
    "dollars",  # dollars, where a service draws
)
"""Columns of :attr:`Results.samples`, one row a sample that the plan expects."""

ARM_COLUMNS = (
    "arm",
    "model",
    "variant",
    "max_iterations",  # nullable integer
    "settings",  # JSON text of the variant's settings
    "baseline",  # bool: exactly one arm is the baseline
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the benchmark's scorer said of a picture; ``key`` leads to its evidence."""

    score: float
    reason: str = ""
    key: str | None = None

    @property
    def right(self) -> bool:
        return self.score >= 1


CHECK_COLUMNS = (
    "benchmark",
    "check",  # its name
    "kind",  # "repeat": the same scorer anew | "second": another scorer
    "arm",
    "item",
    "category",
    "seed_index",
    "image",  # SHA-256 of the final PNG
    "score",  # the sample's own
    "other",  # the check's, NaN unless it has one
    "state",  # "pending" | "scored" | "failed"
    "reason",  # why the check failed
)
"""Columns of :attr:`Results.checks`, one row a scored sample and check that takes it in."""


@dataclass(frozen=True)
class Results:
    """One run of a sweep.

    ``info`` is JSON: ``name``, ``seed``, ``sweep`` (the file as resolved), ``limit`` (``None`` or ``{"items", "of",
    "seed"}`` per benchmark), ``benchmarks`` ({name: {"version", "prompt_set", "prompt_digest", "scorer", "weights",
    "items", "samples"}}, and where it has them "title", "notes", "checks" ([{"name", "kind", "scorer", "items"}]),
    "whole" ({category: number of items}) if no overall score is defined over fewer, "spent" ({"replies",
    "prompt_tokens", "completion_tokens", "cost"}) if a judge was asked), ``models`` ({name: identity}), ``versions``,
    ``git_commit``, ``hardware``, ``started``, ``wall_seconds``, ``literature`` (quoted rows as of
    :mod:`evalharness.config.literature`, each with its ``benchmark``); of models whose images existed before,
    ``images`` ({name: {"files", "wanted", "digest"}}) and ``warnings`` (lines).

    ``steps(key)`` gives a trajectory's steps as dicts: kind, iteration, text, image (digest or None), seed,
    evaluations, tokens, seconds, dollars. ``details(score_key)`` gives a score's evidence. ``image_path(digest)`` the
    PNG file. ``judged(benchmark, item, images)``: what is known of any pictures, by their digests, as images for that
    item; ``None`` where only that of final images is.
    """

    info: Mapping[str, Any]
    arms: pd.DataFrame
    samples: pd.DataFrame
    steps: Callable[[str], list[dict[str, Any]]]
    details: Callable[[str], dict[str, Any]]
    image_path: Callable[[str], Path]
    checks: pd.DataFrame | None = None
    judged: Callable[[str, str, Sequence[str]], Mapping[str, Judged]] | None = None

    @cached_property
    def drawing(self) -> pd.DataFrame:
        """What drawing took: a row a trajectory, however many arms share it, at its full length; ``evaluations``,
        ``tokens``, ``seconds``.
        """
        samples = self.samples[self.samples["trajectory"].notna()]
        return samples.groupby("trajectory")[["evaluations", "tokens", "seconds"]].max().astype(float)

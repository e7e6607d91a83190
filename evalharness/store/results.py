"""The results of a run, finished or not, as analysis and report read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.types.score import is_right

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.planning.plan import Plan
    from evalharness.store.annotations import Annotation
    from evalharness.store.failures import StoredFailure
    from evalharness.store.features import Vector
    from evalharness.store.suspect_images import SuspectImages

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
    "transparent",  # whether the final image came with transparent pixels; ``image`` has no transparency
    "refinements",  # how often the arm's prefix drew a state again
)
"""Columns of :attr:`Results.samples`, with a row for each sample that the plan expects."""

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
    """The score of an image, final or intermediate; ``key`` is that of its details."""

    score: float
    reason: str = ""
    key: str | None = None

    @property
    def right(self) -> bool:
        """Whether the score counts as right."""
        return is_right(self.score)


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
"""Columns of :attr:`Results.checks`, with a row for each check of a scored sample."""


def no_features(benchmark: str, images: Iterable[str]) -> None:
    """Stands for a run without an encoder."""


@dataclass(frozen=True)
class Results:
    """One run of a sweep.

    Attributes:
        info: JSON: ``name``, ``seed``, ``sweep`` (the file as resolved), ``limit`` (``None`` or ``{"items", "of",
            "seed"}`` per benchmark), ``benchmarks``, ``models`` ({name: identity}), ``environments``
            (see :mod:`evalharness.store.provenance`), ``versions``, ``git_commit`` and ``hardware`` of all of these,
            ``started``, ``wall_seconds``, ``literature`` (rows of :mod:`evalharness.config.literature`, each with its
            ``benchmark``); for models whose images existed before, ``images`` ({name: {"files",
            "wanted", "digest"}}) and ``warnings`` (lines). An entry of ``benchmarks`` has "version", "prompt_set",
            "prompt_digest", "scorer", "weights", "items", "samples", "score_range" (lowest, highest), and where they
            apply "title", "notes", "checks" ([{"name", "kind", "scorer", "items"}]), "whole" ({category: number of
            items}, if no overall score is defined over fewer), and if a judge was asked "spent" ({"replies",
            "prompt_tokens", "completion_tokens", "cost"}) and "judges" ([{"asked", "replies", "answered_by": {model:
            replies}, "outcomes": {outcome: replies}}]).
        arms: Columns :data:`ARM_COLUMNS`, with a row for each arm.
        samples: Columns :data:`SAMPLE_COLUMNS`, with a row for each sample.
        steps: Trajectory key → its steps as dicts: kind, iteration, text, image (digest or None), seed, evaluations,
            tokens, seconds, dollars; ``parts``, the same costs by part, if the model is made of several.
        details: Score key → the score's details.
        image_path: Digest → the PNG file.
        checks: Columns :data:`CHECK_COLUMNS`, with a row for each rescored sample.
        judged: Benchmark, item id and image digests → the known scores of these images for that item; ``None`` where
            only final images have scores.
        failures: Row of ``samples`` → why that sample failed.
        features: Benchmark and image digests → the features of these images, of length 1, without those that have
            none; ``None`` for a benchmark without an encoder.
        annotations: What people say of the scorer's verdicts.
        plan: What was planned; ``None`` if that is not known.
    """

    info: Mapping[str, Any]
    arms: pd.DataFrame
    samples: pd.DataFrame
    steps: Callable[[str], list[dict[str, Any]]]
    details: Callable[[str], dict[str, Any]]
    image_path: Callable[[str], Path]
    checks: pd.DataFrame | None = None
    judged: Callable[[str, str, Sequence[str]], Mapping[str, Judged]] | None = None
    failures: Mapping[int, StoredFailure] = field(default_factory=dict)
    features: Callable[[str, Iterable[str]], Mapping[str, Vector] | None] = no_features
    annotations: Sequence[Annotation] = ()
    plan: Plan | None = None

    @cached_property
    def suspect_images(self) -> list[SuspectImages]:
        """For each arm the number of images that are blank or the same file again."""
        from evalharness.store.suspect_images import count_suspect_images  # loads Pillow

        return count_suspect_images(self.arms, self.samples, self.image_path)

    @property
    def image_warnings(self) -> list[str]:
        """Lines that warn of suspect images; :attr:`info` names transparent files of a folder already."""
        surveyed = self.arms.loc[self.arms["model"].isin(list(self.info.get("images", {}))), "arm"].tolist()
        counted = [
            replace(counts, transparent=0) if counts.arm in surveyed else counts for counts in self.suspect_images
        ]
        return [line for counts in counted for line in counts.warnings()]

    @cached_property
    def drawing(self) -> pd.DataFrame:
        """The cost of drawing, ``evaluations``, ``tokens`` and ``seconds``, with a row for each complete trajectory."""
        samples = self.samples[self.samples["trajectory"].notna()]
        return samples.groupby("trajectory")[["evaluations", "tokens", "seconds"]].max().astype(float)

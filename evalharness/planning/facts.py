"""What a plan knows of its plugins. It is recorded with a run, which can then be read without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from evalharness.api.benchmark import Benchmark, JudgeScorer, Scorer
from evalharness.api.image_features import HasImageFeatures
from evalharness.errors import WeightsError
from evalharness.types.item import PromptSet

T = TypeVar("T")


@dataclass(frozen=True)
class BenchmarkFacts:
    """What a report says of a benchmark, as its plugin told when the plan was made.

    Attributes:
        plugin: Name of the plugin.
        judged: Whether a judge scores.
        whole: The number of all items by category, if no overall score is defined over fewer.
        features: What decides the features of images that its scorer computes; ``None`` if it computes none.
    """

    plugin: str
    version: str
    prompts: PromptSet
    weights: Mapping[str, float]
    judged: bool
    title: str | None = None
    notes: Sequence[str] | None = None
    whole: Mapping[str, int] | None = None
    features: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, benchmark: Benchmark) -> BenchmarkFacts:
        """Ask a plugin."""
        scorer = benchmark.scorer()
        return cls(
            plugin=benchmark.name,
            version=benchmark.version,
            prompts=benchmark.prompt_set(),
            weights=dict(benchmark.weights),
            judged=isinstance(scorer, JudgeScorer),
            title=_unless_absent(benchmark.title),
            notes=_unless_absent(benchmark.notes),
            whole=dict(Counter(item.category for item in benchmark.items())) if benchmark.needs_all_items else None,
            features=_unless_absent(partial(_features, scorer)),
        )


def _features(scorer: Scorer | JudgeScorer) -> Mapping[str, Any] | None:
    return dict(scorer.features_identity()) if isinstance(scorer, HasImageFeatures) else None


def _unless_absent(fact: Callable[[], T | None]) -> T | None:
    """A fact; ``None`` where weights are missing, which a plan that is only drawn or forecast does without."""
    try:
        return fact()
    except WeightsError:
        return None


@dataclass(frozen=True, slots=True)
class FamilyFacts:
    """What decides the trajectories of a family of arms beside prompt and seed.

    Attributes:
        head: The beginning of their keys, see :func:`~evalharness.planning.trajectory_keys.key_head`.
        pictures: Whether the variant changes the picture of an item.
        format: The name of the format that the model speaks, also where the arms name none; ``None`` if it speaks none.
    """

    head: Sequence[Any]
    pictures: bool
    format: str | None = None

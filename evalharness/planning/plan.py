"""The plan of a sweep: its samples, and the trajectories that they share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evalharness._util.hashing import canonical, digest
from evalharness.api.benchmark import Benchmark
from evalharness.api.model import ImageSource, SourceFile
from evalharness.api.variant import Variant
from evalharness.config.arm_families import FamilyKey, family_key
from evalharness.config.recorded import NO_PLUGINS
from evalharness.config.schema import Arm, Sweep
from evalharness.errors import ConfigError, StoreError
from evalharness.planning.facts import BenchmarkFacts, FamilyFacts
from evalharness.planning.subsets import select
from evalharness.types.item import ITEM_FIELDS, Item, ItemField, PromptImage
from evalharness.types.origin import Stretch
from evalharness.types.trajectory import Step


@dataclass(frozen=True, slots=True)
class Job:
    """One trajectory to draw, for all arms that differ only in their iteration cap.

    Attributes:
        key: Key of the trajectory; the cap is no part of it.
        model: Alias of the model.
        variant: Settings of the arms' variant, with the largest of their caps.
        source: The file that has the image already, if the model is an :class:`~evalharness.api.model.ImageSource`.
        picture: The picture that an edit changes.
        stored: The steps of the trajectory that the store has already.
        stretches: Where these steps were made.
    """

    key: str
    model: str
    variant: Variant
    prompt: str
    seed: int
    source: SourceFile | None = None
    picture: PromptImage | None = None
    stored: tuple[Step, ...] = ()
    stretches: tuple[Stretch, ...] = ()

    @property
    def cap(self) -> int | None:
        """The iteration cap; ``None`` for a variant that does not iterate."""
        return self.variant.cap

    @property
    def may_be_partial(self) -> bool:
        """Whether the store may have a part of the trajectory: one that iterates, or has several drawings."""
        return self.cap is not None or self.variant.drawings > 1

    @property
    def family(self) -> FamilyKey:
        """The family of the arms that the job is for."""
        return family_key(self.model, self.variant.key())


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the results: an arm, an item and a seed index.

    Attributes:
        benchmark: Name of the benchmark.
        job: Key of the sample's trajectory.
    """

    benchmark: str
    arm: Arm
    item: Item
    seed_index: int
    seed: int
    job: str


@dataclass(frozen=True)
class PlannedRescoring:
    """A second scoring of some of a benchmark's images.

    Attributes:
        kind: ``"repeat"`` for the same scorer again, ``"second"`` for another.
        items: Ids of the items whose images are scored again.
        scorer: Identity of the scorer that does it.
        item_fields: The fields of an item that this scorer is given.
    """

    name: str
    kind: str
    items: frozenset[str]
    scorer: Mapping[str, Any]
    scorer_digest: str
    item_fields: Sequence[ItemField] = ITEM_FIELDS


@dataclass(frozen=True)
class PlannedBenchmark:
    """A benchmark, with the items that the sweep takes of it.

    Attributes:
        source: The plugin; for a plan that was read from a report, what is recorded of it.
        items: The items taken.
        of: Number of items of the benchmark.
        samples: Images for each prompt.
        scorer: Identity of the benchmark's scorer.
        item_fields: The fields of an item that the scorer is given.
        score_range: The lowest and the highest value of a score.
    """

    source: Benchmark | BenchmarkFacts
    items: tuple[Item, ...]
    of: int
    samples: int
    scorer: Mapping[str, Any]
    scorer_digest: str
    rescorings: tuple[PlannedRescoring, ...] = ()
    item_fields: Sequence[ItemField] = ITEM_FIELDS
    score_range: tuple[float, float] = (0.0, 1.0)

    @property
    def benchmark(self) -> Benchmark:
        """The plugin.

        Raises:
            ConfigError: The plan was read from a report.
        """
        if isinstance(self.source, Benchmark):
            return self.source
        raise ConfigError(f"benchmark {self.source.plugin!r}: {NO_PLUGINS}")

    @cached_property
    def facts(self) -> BenchmarkFacts:
        """What a report says of the benchmark."""
        return BenchmarkFacts.of(self.source) if isinstance(self.source, Benchmark) else self.source

    def score_key(self, image: str, item: Item, rescoring: PlannedRescoring | None = None) -> str:
        """The key of a score: the digest of ``["score", image, scorer, digest of the item]``.

        A score therefore belongs to an image, a scorer and what the scorer is given of the item, not to an arm. The
        digest of the item is that of its metadata if the scorer is given nothing else, and then the key is that of
        stores of before.

        Args:
            image: Digest of the image.
        """
        scoring = rescoring or self
        scorer, visible = scoring.scorer_digest, scoring.item_fields
        cached = self._key_ends.get((id(item), scorer))
        end = cached[1] if cached else self._key_end(item, scorer, visible)
        return hashlib.sha256(b'["score",' + canonical(image).encode() + end).hexdigest()

    def require_possible(self, value: float, where: object) -> None:
        """Check that a score is one that the scorer could have made.

        Args:
            where: The store that it is in, for the message.

        Raises:
            StoreError: It is not.
        """
        low, high = self.score_range
        if not low <= value <= high:
            raise StoreError(
                f"{where} is damaged: a score of {self.facts.plugin} is {value:g}, which is not in {low:g}..{high:g}; "
                "move it away, or use another --store"
            )

    def scorer_of(self, rescoring: str | None) -> Mapping[str, Any]:
        """The identity of the benchmark's scorer, or of that of a rescoring."""
        if rescoring is None:
            return self.scorer
        return next(planned.scorer for planned in self.rescorings if planned.name == rescoring)

    def _key_end(self, item: Item, scorer: str, visible: Sequence[ItemField]) -> bytes:
        """The common end of the keys of all images of an item, cached because an item has many images."""
        metadata_alone = tuple(visible) == ("metadata",)
        of_item = digest(dict(item.metadata) if metadata_alone else ["item", item.as_json(visible)])
        end = f",{canonical([scorer, of_item])[1:]}".encode()
        self._key_ends[id(item), scorer] = item, end  # keeps the item alive, so that its id is not reused
        return end

    @cached_property
    def _key_ends(self) -> dict[tuple[int, str], tuple[Item, bytes]]:
        return {}


@dataclass(frozen=True)
class Plan:
    """All samples of a sweep, in the order of its arms, and the jobs that they need.

    Attributes:
        benchmarks: By name.
        models: Identities of the models, by alias.
        jobs: By key.
        families: What the plugins say of each family of arms.
        image_sources: The models whose images existed before; for a plan that was read from a report, the warnings
            about their files.
        literature: Published scores to quote, the rows of :mod:`evalharness.config.literature`.
    """

    sweep: Sweep
    benchmarks: Mapping[str, PlannedBenchmark]
    models: Mapping[str, Mapping[str, Any]]
    samples: tuple[Sample, ...]
    jobs: Mapping[str, Job]
    families: Mapping[FamilyKey, FamilyFacts]
    image_sources: Mapping[str, ImageSource | Sequence[str]]
    literature: Sequence[Mapping[str, Any]] = ()

    def key(self) -> str:
        """A key that is the same for the same samples scored the same way."""
        scorers = {name: planned.scorer_digest for name, planned in self.benchmarks.items()}
        arms = [(sample.arm.name, sample.job) for sample in self.samples]
        return digest(["plan", self.sweep.name, scorers, arms])

    def only(self, names: Collection[str]) -> Plan:
        """The part of the plan for some of its arms; all of it without names.

        Raises:
            ConfigError: No arm has one of the names.
        """
        if not names:
            return self
        sweep = select(self.sweep, list(names))
        arms = {arm.name for arm in sweep.arms}
        samples = tuple(sample for sample in self.samples if sample.arm.name in arms)
        jobs = {sample.job: self.jobs[sample.job] for sample in samples}
        models = {alias: self.models[alias] for alias in sweep.models}
        return replace(self, sweep=sweep, samples=samples, jobs=jobs, models=models)

    def encoder(self, benchmark: str) -> str | None:
        """The name of the benchmark whose scorer tells how alike a benchmark's images are.

        Itself if its scorer computes features, else the first that does; ``None`` if there is none.
        """
        names = [name for name, planned in self.benchmarks.items() if planned.facts.features is not None]
        return benchmark if benchmark in names else next(iter(names), None)

    @cached_property
    def surveys(self) -> dict[str, list[str]]:
        """Warnings about the files of each model whose images existed before."""
        return {
            alias: self._survey(alias, source) if isinstance(source, ImageSource) else list(source)
            for alias, source in self.image_sources.items()
            if alias in self.models
        }

    def _survey(self, alias: str, model: ImageSource) -> list[str]:
        wanted = {
            (sample.benchmark, sample.item.id, sample.seed_index): (sample.item, sample.seed_index)
            for sample in self.samples
            if sample.arm.model == alias
        }
        known = [
            (item, seed_index)
            for planned in self.benchmarks.values()
            for item in planned.benchmark.items()  # those that a subset leaves out as well
            for seed_index in range(planned.samples)
        ]
        return model.survey(list(wanted.values()), known)

"""The plan of a sweep: its samples, and the trajectories that they share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalharness._util.hashing import canonical, digest
from evalharness.api.benchmark import Benchmark
from evalharness.api.model import SourceFile
from evalharness.api.variant import Variant
from evalharness.config.arm_families import FamilyKey, family_key
from evalharness.config.schema import Arm, Sweep
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
        items: The items taken.
        of: Number of items of the benchmark.
        samples: Images for each prompt.
        scorer: Identity of the benchmark's scorer.
        item_fields: The fields of an item that the scorer is given.
    """

    benchmark: Benchmark
    items: tuple[Item, ...]
    of: int
    samples: int
    scorer: Mapping[str, Any]
    scorer_digest: str
    rescorings: tuple[PlannedRescoring, ...] = ()
    item_fields: Sequence[ItemField] = ITEM_FIELDS

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
    """

    sweep: Sweep
    benchmarks: Mapping[str, PlannedBenchmark]
    models: Mapping[str, Mapping[str, Any]]
    samples: tuple[Sample, ...]
    jobs: Mapping[str, Job]

    def key(self) -> str:
        """A key that is the same for the same samples scored the same way."""
        scorers = {name: planned.scorer_digest for name, planned in self.benchmarks.items()}
        arms = [(sample.arm.name, sample.job) for sample in self.samples]
        return digest(["plan", self.sweep.name, scorers, arms])

"""From a sweep to what must be drawn and scored: samples, and the jobs that they share.

A sample is arm × item × seed index. A job makes one trajectory; arms that differ only in their iteration cap share it,
and it runs to the largest cap among them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from evalharness._util.gc_paused import gc_paused
from evalharness._util.hashing import Digests, canonical, digest, seed_of
from evalharness.api.benchmark import Benchmark, HasRescoring
from evalharness.api.model import ImageSource, Interleaver, SourceFile
from evalharness.config.arm_families import CAP, FamilyKey, base_name, family_key
from evalharness.config.schema import Arm, BenchmarkSpec, Sweep
from evalharness.errors import ConfigError, WeightsError, did_you_mean
from evalharness.generation.variants import Edit, SinglePass, VariantSettings, require_editor, speech
from evalharness.types.item import Item, PromptImage


@dataclass(frozen=True, slots=True)
class Job:
    """One trajectory to make. ``variant`` carries the largest cap that any arm asks for.

    ``source`` is the file with its image if the model has that already (:class:`ImageSource`), ``picture`` what an edit
    changes.
    """

    key: str
    model: str
    variant: VariantSettings
    prompt: str
    seed: int
    source: SourceFile | None = None
    picture: PromptImage | None = None

    @property
    def cap(self) -> int | None:
        return getattr(self.variant, CAP, None)

    @property
    def family(self) -> FamilyKey:
        """That of the arms that the job is for."""
        return family_key(self.model, self.variant.key())


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the results. ``job`` is the key of its trajectory."""

    benchmark: str
    arm: Arm
    item: Item
    seed_index: int
    seed: int
    job: str


_Slot = tuple[Item, int, int, str, SourceFile | None]


@dataclass(frozen=True)
class PlannedRescoring:
    """A rescoring of the images of these items (their ids); ``scorer`` is the identity of the scorer that does it."""

    name: str
    kind: str
    items: frozenset[str]
    scorer: Mapping[str, Any]
    scorer_digest: str


@dataclass(frozen=True)
class PlannedBenchmark:
    """A benchmark and what this sweep takes of it: ``items`` out of ``of``, ``samples`` images for each prompt."""

    benchmark: Benchmark
    items: tuple[Item, ...]
    of: int
    samples: int
    scorer: Mapping[str, Any]
    scorer_digest: str
    rescorings: tuple[PlannedRescoring, ...] = ()

    def score_key(self, image: str, item: Item, rescoring: PlannedRescoring | None = None) -> str:
        """A score belongs to an image, a scorer and what the scorer is told of the item; not to an arm."""
        scorer = self.scorer_digest if rescoring is None else rescoring.scorer_digest
        known = self._rests.get((id(item), scorer))
        rest = known[1] if known else self._rest(item, scorer)
        return hashlib.sha256(b'["score",' + canonical(image).encode() + rest).hexdigest()

    def _rest(self, item: Item, scorer: str) -> bytes:
        """The end of what a key is the digest of, ``["score", image, scorer, told]``: an item has many samples."""
        rest = f",{canonical([scorer, digest(dict(item.metadata))])[1:]}".encode()
        self._rests[id(item), scorer] = item, rest  # with the item, so that no other gets its id
        return rest

    @cached_property
    def _rests(self) -> dict[tuple[int, str], tuple[Item, bytes]]:
        return {}


@dataclass(frozen=True)
class Plan:
    """All samples of a sweep, in the order of its arms, and the jobs they need. ``models`` are identities by alias."""

    sweep: Sweep
    benchmarks: Mapping[str, PlannedBenchmark]
    models: Mapping[str, Mapping[str, Any]]
    samples: tuple[Sample, ...]
    jobs: Mapping[str, Job]

    def key(self) -> str:
        """The same for the same samples to be scored the same way."""
        scorers = {name: planned.scorer_digest for name, planned in self.benchmarks.items()}
        arms = [(sample.arm.name, sample.job) for sample in self.samples]
        return digest(["plan", self.sweep.name, scorers, arms])


@gc_paused()
def make_plan(sweep: Sweep, absent: dict[str, str] | None = None) -> Plan:
    """Ask the benchmarks for their items and the models for their identities; nothing heavy is loaded.

    ``absent`` is for a plan that will not be run: of what is not on this machine, it takes what and why. The plan then
    holds for it an identity that nothing else has.

    Raises:
        ConfigError: a model cannot do what an arm asks of it.
        WeightsError: weights are missing, and there is no ``absent``.
    """
    benchmarks = {spec.plugin.name: _planned_benchmark(spec, sweep.seed, absent) for spec in sweep.benchmarks}
    built = {alias: spec.build() for alias, spec in sweep.models.items()}
    identities = {alias: partial(_identity, sweep, alias, model, benchmarks) for alias, model in built.items()}
    models = {alias: _here(f"model {alias}", identity, absent) for alias, identity in identities.items()}
    digests = {alias: digest(dict(identity)) for alias, identity in models.items()}
    _require_trainings(sweep, digests)
    samples: list[Sample] = []
    jobs: dict[str, Job] = {}
    slots: dict[tuple[str, FamilyKey], list[_Slot]] = {}
    seeds = {name: list(_seeds(sweep.seed, name, planned)) for name, planned in benchmarks.items()}
    for arm in sweep.arms:
        for name in benchmarks:
            shared = name, arm.family
            if shared not in slots:
                slots[shared] = list(_slots(seeds[name], arm, built[arm.model], digests[arm.model]))
            for item, index, own, key, source in slots[shared]:
                samples.append(Sample(name, arm, item, index, own, key))
                before = jobs.get(key)
                if before is None or (arm.cap or 0) > (before.cap or 0):
                    picture = item.picture if isinstance(arm.variant, Edit) else None
                    jobs[key] = Job(key, arm.model, arm.variant, item.prompt, own, source, picture)
    return Plan(sweep, benchmarks, models, tuple(samples), jobs)


def _require_trainings(sweep: Sweep, digests: Mapping[str, str]) -> None:
    """Replicates are trainings: the same checkpoint twice would look like a training without any noise."""
    models = {arm.name: arm.model for arm in sweep.arms}
    for group in sweep.analysis.replicates:
        seen: dict[str, str] = {}
        for arm in group.arms:
            before = seen.setdefault(digests[models[arm]], arm)
            if before != arm:
                raise ConfigError(f"replicates {group.name!r}: {before!r} and {arm!r} have the same weights")


def _here(what: str, identity: Callable[[], Mapping[str, Any]], absent: dict[str, str] | None) -> Mapping[str, Any]:
    """An identity; where its weights are missing and that is allowed, a placeholder."""
    try:
        return identity()
    except WeightsError as error:
        if absent is None:
            raise
        absent[what] = str(error)
        return {"absent": what}


def _planned_benchmark(spec: BenchmarkSpec, seed: int, absent: dict[str, str] | None) -> PlannedBenchmark:
    benchmark: Benchmark = spec.plugin.build()
    items = benchmark.items()
    twice = [item for item, count in Counter(item.id for item in items).items() if count > 1]
    if twice:
        raise ConfigError(f"benchmark {spec.plugin.name!r}: item {twice[0]!r} stands twice")
    scorer = dict(_here(f"scorer of {spec.plugin.name}", benchmark.scorer().identity, absent))
    taken = tuple(subset(items, spec.limit, spec.plugin.name, seed))
    return PlannedBenchmark(
        benchmark=benchmark,
        items=taken,
        of=len(items),
        samples=spec.samples or benchmark.images_per_prompt,
        scorer=scorer,
        scorer_digest=digest(scorer),
        rescorings=tuple(_rescorings(benchmark, taken, spec.plugin.name, seed, absent)),
    )


def _rescorings(
    benchmark: Benchmark, items: Sequence[Item], name: str, seed: int, absent: dict[str, str] | None
) -> Iterable[PlannedRescoring]:
    for rescoring in benchmark.rescorings() if isinstance(benchmark, HasRescoring) else ():
        scorer = dict(_here(f"check {rescoring.name} of {name}", rescoring.scorer.identity, absent))
        chosen = frozenset(item.id for item in subset(items, rescoring.items, name, seed))
        yield PlannedRescoring(rescoring.name, rescoring.kind, chosen, scorer, digest(scorer))


def _identity(sweep: Sweep, alias: str, model: Any, benchmarks: Mapping[str, PlannedBenchmark]) -> Mapping[str, Any]:
    for arm in sweep.arms:
        if arm.model != alias or isinstance(arm.variant, SinglePass):
            continue
        if isinstance(arm.variant, Edit):
            _require_pictures(arm, model, benchmarks)
            continue
        if not isinstance(model, Interleaver):
            here = f"arm {arm.name!r}: model {alias!r}"
            raise ConfigError(f"{here} can only draw, variant {arm.variant.variant!r} needs more")
        try:
            speech(arm.variant, model)
        except ConfigError as error:
            raise ConfigError(f"arm {arm.name!r}: {error}") from None
    identity: Mapping[str, Any] = model.identity()
    return identity


def _require_pictures(arm: Arm, model: Any, benchmarks: Mapping[str, PlannedBenchmark]) -> None:
    try:
        require_editor(model)
    except ConfigError as error:
        raise ConfigError(f"arm {arm.name!r}: {error}") from None
    for name, planned in benchmarks.items():
        if any(item.picture is None for item in planned.items):
            raise ConfigError(
                f"arm {arm.name!r}: variant 'edit' changes a picture, and the items of benchmark {name!r} have none; "
                "those of benchmark 'edits' have"
            )


def _seeds(seed: int, name: str, planned: PlannedBenchmark) -> Iterable[tuple[Item, int, int]]:
    """Each item and number with its seed, which no arm changes."""
    digests = Digests("seed", seed, name)
    for item in planned.items:
        for index in range(planned.samples):
            yield item, index, seed_of(digests(item.id, index))


def _slots(seeds: Iterable[tuple[Item, int, int]], arm: Arm, model: Any, identity: str) -> Iterable[_Slot]:
    """What all arms share that differ in their cap alone: each item and number with its seed and trajectory's key."""
    digests = Digests("trajectory", identity, arm.variant.key())
    image_source = model if isinstance(model, ImageSource) else None
    for item, index, own in seeds:
        source = image_source.locate(item, index) if image_source else None
        parts: list[str | int] = [item.prompt, own, *([source.digest] if source else [])]
        if isinstance(arm.variant, Edit) and item.picture is not None:
            parts.append(item.picture.digest)
        yield item, index, own, digests(*parts), source


def subset(items: Sequence[Item], limit: int | None, benchmark: str, seed: int) -> list[Item]:
    """``limit`` items, in the benchmark's order, as many of each category as its share (to within one).

    The j-th item of a category of size n, in a seeded order, has rank (j + ½) / n, the first of each category rank 0: a
    divisor method (Webster's), chosen because it is nested. A smaller limit gives a subset of a larger one's items.
    """
    if limit is None or limit >= len(items):
        return list(items)
    categories: dict[str, list[tuple[str, Item]]] = defaultdict(list)
    for item in items:
        categories[item.category].append((digest(["subset", seed, benchmark, item.id]), item))
    ranked: list[tuple[float, str, Item]] = []
    for members in categories.values():
        members.sort(key=lambda pair: pair[0])
        ranked += [((j + 0.5) / len(members) if j else 0.0, order, item) for j, (order, item) in enumerate(members)]
    chosen = {item.id for _, _, item in sorted(ranked, key=lambda entry: entry[:2])[:limit]}
    return [item for item in items if item.id in chosen]


def select(sweep: Sweep, names: Sequence[str]) -> Sweep:
    """Only these arms: by their name, or by the name in the file for all arms that it expands to.

    Raises:
        ConfigError: no arm has this name.
    """
    if not names:
        return sweep
    known = {arm.name for arm in sweep.arms} | {base_name(arm.name) for arm in sweep.arms}
    for name in names:
        if name not in known:
            raise ConfigError(f"no arm is called {name!r}{did_you_mean(name, known)}")
    arms = tuple(arm for arm in sweep.arms if arm.name in names or base_name(arm.name) in names)
    kept = {arm.name for arm in arms}
    analysis = sweep.analysis.within(kept)
    models = {alias: spec for alias, spec in sweep.models.items() if any(arm.model == alias for arm in arms)}
    baseline = sweep.baseline if sweep.baseline in kept else arms[0].name
    return replace(sweep, arms=arms, models=models, baseline=baseline, analysis=analysis)


def resize(sweep: Sweep, *, full: bool = False, limit: int | None = None, samples: int | None = None) -> Sweep:
    """The sweep with other numbers of items and of images per prompt; ``full`` means all and the benchmark's own."""

    def resized(spec: BenchmarkSpec) -> BenchmarkSpec:
        own = replace(spec, limit=None, samples=None) if full else spec
        return replace(own, limit=limit or own.limit, samples=samples or own.samples)

    return replace(sweep, benchmarks=tuple(resized(spec) for spec in sweep.benchmarks))

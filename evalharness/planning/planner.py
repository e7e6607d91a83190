"""Makes the plan of a sweep.

A sample is arm × item × seed index. A job draws one trajectory. Arms that differ only in their iteration cap share it,
and it runs to the largest cap among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from evalharness._util.gc_paused import gc_paused
from evalharness._util.hashing import Digests, digest, seed_of
from evalharness.api.benchmark import Benchmark
from evalharness.api.model import ImageSource, SourceFile
from evalharness.api.plugin import versioned_identity
from evalharness.config import literature
from evalharness.config.arm_families import FamilyKey
from evalharness.config.schema import Arm, BenchmarkSpec, Sweep
from evalharness.errors import ConfigError, WeightsError
from evalharness.planning.facts import FamilyFacts
from evalharness.planning.identities import (
    identity_or_placeholder,
    require_abilities,
    require_distinct_endpoints,
    require_distinct_replicates,
    require_other_judge,
)
from evalharness.planning.plan import Job, Plan, PlannedBenchmark, PlannedRescoring, Sample
from evalharness.planning.programs import announce_programs
from evalharness.planning.sharding import take_shard
from evalharness.planning.subsets import subset
from evalharness.planning.trajectory_keys import key_head
from evalharness.types.item import Item


class Lacking(Enum):
    """Says that an item has no image with a number and is complete without it."""

    LACKING = 1


LACKING = Lacking.LACKING
Locate = Callable[[str, str, Item, int], SourceFile | Lacking | None]
"""Benchmark, alias of a model, item and seed index → the file that has the image already, if the model has files."""


class _SeededItem(NamedTuple):
    item: Item
    seed_index: int
    seed: int


class _Trajectory(NamedTuple):
    """A trajectory that all arms of a family share; ``source`` is the file of its image, if there is one already."""

    item: Item
    seed_index: int
    seed: int
    key: str
    source: SourceFile | None


@gc_paused()
def make_plan(sweep: Sweep, absent: dict[str, str] | None = None) -> Plan:
    """Make a plan from the benchmarks' items and the models' identities; nothing heavy is loaded.

    Args:
        sweep: The sweep.
        absent: For a plan that will not be run: receives the names of models and scorers whose weights are missing, and
            why. The plan then holds a unique placeholder as the identity.

    Raises:
        ConfigError: A model cannot do what an arm asks of it, or a shard is empty.
        WeightsError: Weights are missing, and ``absent`` is ``None``.
    """
    plugins: dict[str, Benchmark] = {spec.name: spec.plugin.build() for spec in sweep.benchmarks}
    announce_programs(plugins.values())
    benchmarks = {
        spec.name: _planned_benchmark(spec, plugins[spec.name], sweep.seed, absent) for spec in sweep.benchmarks
    }
    if sweep.shard is not None:
        benchmarks = take_shard(sweep, benchmarks, sweep.shard)
    built = {alias: spec.build() for alias, spec in sweep.models.items()}
    models: dict[str, Mapping[str, Any]] = {}
    for alias, model in built.items():
        # A format may need a file of the model, which may be missing like its weights.
        identity = partial(_checked_identity, sweep, alias, model, benchmarks)
        models[alias] = identity_or_placeholder(f"model {alias}", identity, absent)
    require_distinct_replicates(sweep, models)
    require_distinct_endpoints(built, models)
    families: dict[FamilyKey, FamilyFacts] = {}
    for arm in sweep.arms:
        if arm.family not in families:
            families[arm.family] = _family_facts(arm, built[arm.model], models[arm.model], absent)
    sources = {alias: model for alias, model in built.items() if isinstance(model, ImageSource)}

    def locate(benchmark: str, alias: str, item: Item, seed_index: int) -> SourceFile | Lacking | None:
        if alias not in sources:
            return None
        return LACKING if sources[alias].lacks(item, seed_index) else sources[alias].locate(item, seed_index)

    samples, jobs = samples_and_jobs(sweep, benchmarks, families, locate)
    rows = literature.rows(sweep.literature)
    return Plan(sweep, benchmarks, models, samples, jobs, families, sources, rows)


def samples_and_jobs(
    sweep: Sweep,
    benchmarks: Mapping[str, PlannedBenchmark],
    families: Mapping[FamilyKey, FamilyFacts],
    locate: Locate,
) -> tuple[tuple[Sample, ...], dict[str, Job]]:
    """List the samples of a sweep, and the jobs that they share, by key; no plugin is asked.

    Args:
        families: What the plugins say of each family of arms.
        locate: Finds the file of a sample's image, if its model's images exist already.
    """
    # Seeds depend on the plugin's name, so that a benchmark under two aliases has the same items and noise in both.
    seeded = {
        spec.name: list(_seeded_items(sweep.seed, spec.plugin.name, benchmarks[spec.name])) for spec in sweep.benchmarks
    }
    samples: list[Sample] = []
    jobs: dict[str, Job] = {}
    shared: dict[tuple[str, FamilyKey], list[_Trajectory]] = {}
    for arm in sweep.arms:
        facts = families[arm.family]
        for name in benchmarks:
            trajectories = shared.get((name, arm.family))
            if trajectories is None:
                trajectories = list(_trajectories(seeded[name], facts, partial(locate, name, arm.model)))
                shared[name, arm.family] = trajectories
            for item, seed_index, seed, key, source in trajectories:
                samples.append(Sample(name, arm, item, seed_index, seed, key))
                job = jobs.get(key)
                if job is None or (arm.cap or 0) > (job.cap or 0):
                    picture = item.picture if facts.pictures else None
                    jobs[key] = Job(key, arm.model, arm.variant, item.prompt, seed, source, picture)
    return tuple(samples), jobs


def make_drawing_plan(sweep: Sweep) -> Plan:
    """Make a plan of which only the drawings are made; the weights of scorers may be missing on this machine.

    Raises:
        ConfigError: A model cannot do what an arm asks of it.
        WeightsError: Weights of a model are missing.
    """
    absent: dict[str, str] = {}
    plan = make_plan(sweep, absent)
    for alias in sweep.models:
        if f"model {alias}" in absent:
            raise WeightsError(absent[f"model {alias}"])
    return plan


def _checked_identity(
    sweep: Sweep, alias: str, model: Any, benchmarks: Mapping[str, PlannedBenchmark]
) -> Mapping[str, Any]:
    """The identity of a model that can do what the arms ask of it."""
    require_abilities(sweep, alias, model, benchmarks)
    return versioned_identity(model.identity(), model)


def _planned_benchmark(
    spec: BenchmarkSpec, benchmark: Benchmark, seed: int, absent: dict[str, str] | None
) -> PlannedBenchmark:
    name = spec.plugin.name
    items = benchmark.items()
    repeated = [item for item, count in Counter(item.id for item in items).items() if count > 1]
    if repeated:
        raise ConfigError(f"benchmark {spec.name!r}: item {repeated[0]!r} stands twice")
    scorer = benchmark.scorer()
    identity = dict(identity_or_placeholder(f"scorer of {spec.name}", scorer.identity, absent))
    identity = versioned_identity(identity, benchmark)
    chosen = tuple(subset(items, spec.limit, name, seed))
    rescorings = tuple(_planned_rescorings(benchmark, chosen, name, seed, absent))
    for rescoring in rescorings:
        require_other_judge(spec.name, digest(identity), rescoring)
    return PlannedBenchmark(
        source=benchmark,
        items=chosen,
        of=len(items),
        samples=spec.samples or benchmark.images_per_prompt,
        scorer=identity,
        scorer_digest=digest(identity),
        rescorings=rescorings,
        item_fields=tuple(scorer.item_fields),
        score_range=scorer.score_range,
    )


def _planned_rescorings(
    benchmark: Benchmark, items: Sequence[Item], name: str, seed: int, absent: dict[str, str] | None
) -> Iterator[PlannedRescoring]:
    for rescoring in benchmark.rescorings():
        scorer = rescoring.scorer
        identity = dict(identity_or_placeholder(f"check {rescoring.name} of {name}", scorer.identity, absent))
        identity = versioned_identity(identity, benchmark)
        chosen = frozenset(item.id for item in subset(items, rescoring.items, name, seed))
        visible = tuple(scorer.item_fields)
        yield PlannedRescoring(rescoring.name, rescoring.kind, chosen, identity, digest(identity), visible)


def _seeded_items(seed: int, name: str, planned: PlannedBenchmark) -> Iterator[_SeededItem]:
    """Each item and seed index with its seed, which depends on no arm."""
    digests = Digests("seed", seed, name)
    for item in planned.items:
        for index in range(planned.samples):
            yield _SeededItem(item, index, seed_of(digests(item.id, index)))


def _family_facts(arm: Arm, model: Any, identity: Mapping[str, Any], absent: dict[str, str] | None) -> FamilyFacts:
    variant = arm.variant
    if absent and f"model {arm.model}" in absent:  # its words may be missing as well
        return FamilyFacts(["trajectory", digest(dict(identity)), variant.key()], variant.needs_pictures)
    spoken = variant.spoken_format(model)
    head = key_head(variant, model, identity)
    return FamilyFacts(head, variant.needs_pictures, None if spoken is None else spoken.name)


def _trajectories(
    seeded: Iterable[_SeededItem], facts: FamilyFacts, locate: Callable[[Item, int], SourceFile | Lacking | None]
) -> Iterator[_Trajectory]:
    """The trajectories that a family of arms shares.

    The key of a trajectory is the digest of the family's head, prompt, seed, and what else decides its images: the file
    that has them already, the picture that an edit changes.
    """
    digests = Digests(*facts.head)
    for item, index, seed in seeded:
        source = locate(item, index)
        if source is LACKING:
            continue
        parts: list[str | int] = [item.prompt, seed]
        if source:
            parts.append(source.digest)
        if facts.pictures and item.picture is not None:
            parts.append(item.picture.digest)
        yield _Trajectory(item, index, seed, digests(*parts), source)

"""Takes parts of a sweep: some of its arms, some items of a benchmark."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalharness._util.hashing import digest
from evalharness._util.text import shortened
from evalharness.config.arm_families import base_name
from evalharness.config.schema import BenchmarkSpec, Sweep
from evalharness.config.shards import Shard
from evalharness.errors import ConfigError, did_you_mean
from evalharness.types.item import Item

MAX_LABEL = 100
"""Bytes of a size's label: with the name of a sweep and that of a shard it is the name of a folder, of 255 at most."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a sweep is taken; see :func:`resize` and :func:`select`."""

    full: bool = False
    limit: int | None = None
    samples: int | None = None
    only: tuple[str, ...] = ()
    shard: str | None = None

    def of(self, sweep: Sweep) -> Sweep:
        """This much of a sweep.

        Raises:
            ConfigError: No arm has one of the names, or the shard is none.
        """
        taken = select(resize(sweep, full=self.full, limit=self.limit, samples=self.samples), self.only)
        return taken if self.shard is None else replace(taken, shard=Shard.parse(self.shard))

    @property
    def label(self) -> str:
        """The size of a trial, for the name of a folder; empty if no less is taken than the sweep file says.
        A shard is no trial.

        >>> Size(limit=40, only=("process max_iterations=2",)).label
        'limit-40-only-process-max_iterations-2'
        """
        words = [] if self.limit is None else [f"limit-{self.limit}"]
        words += [] if self.samples is None else [f"samples-{self.samples}"]
        words += [] if not self.only else ["only", *self.only]
        return shortened(re.sub(r"[^\w.]+", "-", "-".join(words)).strip("-"), MAX_LABEL)


def subset(items: Sequence[Item], limit: int | None, benchmark: str, seed: int) -> list[Item]:
    """Choose ``limit`` items, of each category as many as its share (to within one), in the benchmark's order."""
    if limit is None or limit >= len(items):
        return list(items)
    chosen = {item.id for item in ranked(items, benchmark, seed)[:limit]}
    return [item for item in items if item.id in chosen]


def ranked(items: Sequence[Item], benchmark: str, seed: int) -> list[Item]:
    """Order items so that the first ones of any number have of each category its share.

    The j-th item of a category of size n, in a seeded order, has rank (j + ½) / n, the first of each category rank 0.
    This is a divisor method (Webster's), chosen because it is nested: a smaller limit gives a subset of a larger one's
    items.
    """
    categories: dict[str, list[tuple[str, Item]]] = defaultdict(list)
    for item in items:
        categories[item.category].append((digest(["subset", seed, benchmark, item.id]), item))
    ranks: list[tuple[float, str, Item]] = []
    for members in categories.values():
        members.sort(key=lambda pair: pair[0])
        ranks += [((j + 0.5) / len(members) if j else 0.0, order, item) for j, (order, item) in enumerate(members)]
    return [item for _, _, item in sorted(ranks, key=lambda entry: entry[:2])]


def select(sweep: Sweep, names: Sequence[str]) -> Sweep:
    """Keep only these arms, and all of the sweep if there are no names.

    Args:
        names: Names of arms, or names in the file, which stand for all arms that they expand to.

    Raises:
        ConfigError: No arm has this name.
    """
    if not names:
        return sweep
    arm_names = {arm.name for arm in sweep.arms} | {base_name(arm.name) for arm in sweep.arms}
    for name in names:
        if name not in arm_names:
            raise ConfigError(f"no arm is called {name!r}{did_you_mean(name, arm_names)}")
    arms = tuple(arm for arm in sweep.arms if arm.name in names or base_name(arm.name) in names)
    kept = {arm.name for arm in arms}
    analysis = sweep.analysis.within(kept)
    models = {alias: spec for alias, spec in sweep.models.items() if any(arm.model == alias for arm in arms)}
    baseline = sweep.baseline if sweep.baseline in kept else arms[0].name
    return replace(sweep, arms=arms, models=models, baseline=baseline, analysis=analysis)


def resize(sweep: Sweep, *, full: bool = False, limit: int | None = None, samples: int | None = None) -> Sweep:
    """Change the number of items and of images per prompt.

    Args:
        full: Take all items, and as many images per prompt as the benchmark prescribes.
        limit: Number of items of each benchmark.
        samples: Images per prompt.
    """

    def resized(spec: BenchmarkSpec) -> BenchmarkSpec:
        if full:
            spec = replace(spec, limit=None, samples=None)
        return replace(spec, limit=limit or spec.limit, samples=samples or spec.samples)

    return replace(sweep, benchmarks=tuple(resized(spec) for spec in sweep.benchmarks))

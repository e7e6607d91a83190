"""What the loop of a process does: which states its inspections find fault with, and what refinements make of them.

An inspection names a conflict if a refinement follows it in its iteration. Whether that was right is decided by the
benchmark's scorer on the very state that was inspected, for the whole prompt. Only verdicts on samples that were chosen
before anything was known of them count (:mod:`~evalharness.analysis.examples.judged_samples`), and only if all their
states have one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from evalharness.analysis.arms import settings_by_arm
from evalharness.analysis.examples.judged_samples import judged_samples
from evalharness.analysis.examples.search import Lookup, RecordedSample, process_families, recorded_samples
from evalharness.analysis.stats import Estimate, estimate
from evalharness.store.results import Judged, Results


@dataclass
class LoopCounts:
    """Counts over the steps of some samples.

    Attributes:
        inspections: those of a state that was drawn.
        named: inspections that named a conflict.
        judged: inspections of a state with a score.
        wrong: of these, those of a state that the scorer finds wrong.
        named_judged: inspections that named a conflict in a state with a score.
        named_wrong: of these, those of a state that the scorer finds wrong.
        refinements: pictures that were drawn over another.
        fixed, broke, unchanged: refinements by what they did to the verdict, where both pictures have a score.
        right_before: steps from a state that is right to another state with a score.
        right_after: of these, those whose new state is right.
        tokens: what inspections and refinements wrote.
        evaluations: sampler steps of refinements.
    """

    inspections: int = 0
    named: int = 0
    judged: int = 0
    wrong: int = 0
    named_judged: int = 0
    named_wrong: int = 0
    refinements: int = 0
    fixed: int = 0
    broke: int = 0
    unchanged: int = 0
    right_before: int = 0
    right_after: int = 0
    tokens: int = 0
    evaluations: int = 0

    @property
    def changes(self) -> int:
        """Refinements where both pictures have a score."""
        return self.fixed + self.broke + self.unchanged

    def add(self, other: LoopCounts) -> None:
        """Add other counts to these."""
        for name in (field.name for field in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(other, name))


Part: TypeAlias = int | str | None
"""An iteration, a category, or all."""
SHARES = {
    "named": ("named", "inspections"),
    "precision": ("named_wrong", "named_judged"),
    "recall": ("named_wrong", "wrong"),
    "kept": ("right_after", "right_before"),
}
"""Shares of counts: how often a conflict was named; of those, how many in a state that is wrong; of wrong states, how
many were named; of right states, how many are followed by a right one."""


@dataclass(frozen=True)
class ArmLoop:
    """The loop of an arm on a benchmark.

    Attributes:
        samples: How many were read.
        counts: The counts of each prompt, in total, by iteration and by category.
        judged: The number of samples whose verdicts count; 0 if not all of their states have one.
    """

    benchmark: str
    arm: str
    samples: int
    counts: Mapping[Part, Mapping[str, LoopCounts]]
    judged: int = 0

    def total(self, part: Part = None) -> LoopCounts:
        """The counts of all prompts."""
        total = LoopCounts()
        for counts in self.counts[part].values():
            total.add(counts)
        return total

    @property
    def iterations(self) -> list[int]:
        return sorted(part for part in self.counts if isinstance(part, int))

    @property
    def categories(self) -> list[str]:
        return [part for part in self.counts if isinstance(part, str)]

    def share(self, name: str, part: Part = None) -> Estimate:
        """One of :data:`SHARES`, with its interval over prompts; NaN if there is nothing to count."""
        counted, whole = SHARES[name]
        pairs = [(item, getattr(c, counted), getattr(c, whole)) for item, c in self.counts[part].items()]
        values = [float(place < members) for _, members, size in pairs for place in range(size)]
        items = [item for item, _, size in pairs for _ in range(size)]
        if not values:
            return Estimate(math.nan)
        return estimate(values, items, [""] * len(values), {"": 1.0}).overall


def loops(results: Results, lookup: Lookup) -> Iterator[ArmLoop]:
    """The loops of the process arms that refine; of arms that differ only in their cap, the highest.

    Without refinement nothing tells whether an inspection named a conflict, but its words, which any format may have.

    Args:
        results: the run's results.
        lookup: the known scores of images.
    """
    settings = settings_by_arm(results.arms)
    for benchmark in results.info["benchmarks"]:
        of_benchmark = results.samples[results.samples["benchmark"] == benchmark]
        for family in process_families(results):
            arm = family.arms[-1]
            if not settings[arm].get("refine", True):
                continue
            samples = of_benchmark[of_benchmark["arm"] == arm]
            loop = _arm_loop(benchmark, arm, recorded_samples(results, samples), lookup)
            if loop.total().inspections or loop.total().refinements:
                yield loop


def _arm_loop(benchmark: str, arm: str, samples: Iterable[RecordedSample], lookup: Lookup) -> ArmLoop:
    read = list(samples)
    verdicts = _verdicts(benchmark, read, lookup)
    counts: dict[Part, dict[str, LoopCounts]] = {None: {}}
    for sample in read:
        item, category = str(sample.row["item"]), str(sample.row["category"])
        for iteration, of_iteration in count_steps(sample.steps, verdicts.get(_key(sample), {})).items():
            for part in (None, iteration, category):
                counts.setdefault(part, {}).setdefault(item, LoopCounts()).add(of_iteration)
    return ArmLoop(benchmark, arm, len(read), counts, len(verdicts))


def _verdicts(
    benchmark: str, samples: Sequence[RecordedSample], lookup: Lookup
) -> Mapping[tuple[str, int], Mapping[str, Judged]]:
    """The scores of all pictures of the chosen samples, by sample; nothing if a picture has none."""
    chosen = judged_samples(map(_key, samples))
    verdicts = {}
    for sample in samples:
        if _key(sample) not in chosen:
            continue
        pictures = {step["image"] for step in sample.steps if step["image"]}
        judged = lookup(benchmark, str(sample.row["item"]), sorted(pictures)) if pictures else {}
        if pictures - set(judged):
            return {}
        verdicts[_key(sample)] = judged
    return verdicts


def _key(sample: RecordedSample) -> tuple[str, int]:
    return str(sample.row["item"]), int(sample.row["seed_index"])


def count_steps(steps: Sequence[Mapping[str, Any]], judged: Mapping[str, Judged]) -> dict[int, LoopCounts]:
    """The counts of a trajectory by iteration.

    Args:
        steps: its steps, with ``kind``, ``iteration``, ``image``, ``tokens`` and ``evaluations``.
        judged: the known scores of its images.
    """
    by_iteration: dict[int, LoopCounts] = {}
    state: str | None = None
    for index, step in enumerate(steps):
        counts = by_iteration.setdefault(int(step["iteration"]), LoopCounts())
        image = step["image"]
        if step["kind"] == "inspect" and state is not None:
            _count_inspection(counts, judged.get(state), named=_names_conflict(steps, index))
        if step["kind"] == "refine" and image and state is not None:
            _count_refinement(counts, judged.get(state), judged.get(image))
        if image and state is not None:
            _count_survival(counts, judged.get(state), judged.get(image))
        if step["kind"] in ("inspect", "refine"):
            counts.tokens += int(step["tokens"] or 0)
            counts.evaluations += int(step["evaluations"] or 0)
        state = image or state
    return by_iteration


def _names_conflict(steps: Sequence[Mapping[str, Any]], index: int) -> bool:
    """Whether a refinement follows an inspection, before another inspection and in the same iteration."""
    for step in steps[index + 1 :]:
        if step["iteration"] != steps[index]["iteration"] or step["kind"] == "inspect":
            return False
        if step["kind"] == "refine":
            return True
    return False


def _count_inspection(counts: LoopCounts, state: Judged | None, *, named: bool) -> None:
    counts.inspections += 1
    counts.named += named
    if state is not None:
        counts.judged += 1
        counts.wrong += not state.right
        counts.named_judged += named
        counts.named_wrong += named and not state.right


def _count_refinement(counts: LoopCounts, before: Judged | None, after: Judged | None) -> None:
    counts.refinements += 1
    if before is not None and after is not None:
        counts.fixed += after.right and not before.right
        counts.broke += before.right and not after.right
        counts.unchanged += before.right == after.right


def _count_survival(counts: LoopCounts, before: Judged | None, after: Judged | None) -> None:
    if before is not None and after is not None and before.right:
        counts.right_before += 1
        counts.right_after += after.right

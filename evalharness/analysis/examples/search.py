"""Searches for examples of refinements in the order of prompts, then of seeds, then of iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from evalharness.analysis.arms import families, records
from evalharness.analysis.examples.rules import (  # fmt: skip
    CLAIMED,
    CLAIMED_KIND_UNKNOWN,
    KIND_UNKNOWN,
    RULES,
    Case,
    Refinement,
    Rule,
    refinements,
)
from evalharness.config.arm_families import CapFamily
from evalharness.store.results import Judged, Results
from evalharness.types.score import is_right
from evalharness.types.trajectory import within_cap

if TYPE_CHECKING:
    import pandas as pd

MAX_SAMPLES = 5000
"""Maximum number of an arm's samples that are searched."""
MAX_REFINEMENTS = 500
"""Maximum number of their refinements that are searched."""
Lookup = Callable[[str, str, Sequence[str]], Mapping[str, Judged]]
"""Benchmark, item and digests of images → the scores of those images that have one."""


@dataclass(frozen=True)
class RecordedSample:
    """A sample (a row of the results) with its steps."""

    row: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]

    @property
    def refinements(self) -> list[Refinement]:
        """The refinements among the steps."""
        return list(refinements(self.steps))


@dataclass(frozen=True)
class Example:
    """The refinement that a rule chose; ``number`` counts the searched refinements up to it."""

    rule: Rule
    sample: RecordedSample
    case: Case
    number: int


@dataclass(frozen=True)
class ChosenExamples:
    """The examples of one arm on one benchmark: for each rule its example, or ``None``.

    ``samples`` and ``refinements``: the numbers that were searched; ``judged``: the number of refinements with both
    scores. ``exhaustive``: whether all samples and refinements were searched.
    """

    benchmark: str
    arm: str
    label: str
    examples: tuple[tuple[Rule, Example | None], ...]
    samples: int
    refinements: int
    judged: int
    exhaustive: bool


def choose(results: Results) -> list[ChosenExamples]:
    """The examples of each process arm on each benchmark.

    Of arms that differ only in their cap, the one with the highest is searched.
    """
    lookup = known_scores(results)
    chosen = []
    for benchmark in results.info["benchmarks"]:
        of_benchmark = results.samples[results.samples["benchmark"] == benchmark]
        for family in process_families(results):
            samples = of_benchmark[of_benchmark["arm"] == family.arms[-1]]
            if len(samples):
                chosen.append(_search(benchmark, family, recorded_samples(results, samples), lookup, len(samples)))
    return chosen


def known_scores(results: Results) -> Lookup:
    """A lookup in all scores that are known of images; without a store, in those of final ones."""
    return results.judged or from_samples(results.samples)


def from_samples(samples: pd.DataFrame) -> Lookup:
    """A lookup in the scores of final images.

    With arms that differ in their cap, these are also the states after each iteration.
    """
    scored = samples[(samples["state"] == "scored") & samples["image"].notna()]
    columns = (scored[name] for name in ("benchmark", "item", "image", "score", "reason", "score_key"))
    judged = {
        (benchmark, item, image): Judged(float(score), str(reason or ""), key)
        for benchmark, item, image, score, reason, key in zip(*columns, strict=True)
    }

    def lookup(benchmark: str, item: str, images: Sequence[str]) -> Mapping[str, Judged]:
        return {image: judged[benchmark, item, image] for image in images if (benchmark, item, image) in judged}

    return lookup


def cases(benchmark: str, sample: RecordedSample, lookup: Lookup) -> Iterator[Case]:
    """The refinements of a sample with the scores of their images."""
    of_sample = sample.refinements
    if not of_sample:
        return
    images = list(dict.fromkeys(image for refinement in of_sample for image in (refinement.before, refinement.after)))
    judged = lookup(benchmark, str(sample.row["item"]), images)
    final = sample.row["state"] == "scored" and is_right(float(sample.row["score"]))
    for refinement in of_sample:
        yield Case(refinement, judged.get(refinement.before), judged.get(refinement.after), final)


@dataclass
class Tally:
    """Applies the rules to refinements one by one, and keeps the first for which each holds."""

    first: dict[str, Example] = field(default_factory=dict)
    refinements: int = 0
    judged: int = 0
    any_kind_known: bool = False
    """Whether the kind of conflict of any refinement is known."""

    def add(self, sample: RecordedSample, case: Case) -> None:
        """Apply the rules to the next refinement."""
        self.refinements += 1
        self.judged += case.judged
        self.any_kind_known |= case.refinement.conflict is not None
        for rule in (*RULES, KIND_UNKNOWN, *CLAIMED, CLAIMED_KIND_UNKNOWN):
            if rule.name not in self.first and rule.holds(case):
                self.first[rule.name] = Example(rule, sample, case, self.refinements)

    @property
    def done(self) -> bool:
        """Whether all rules have an example."""
        return all(rule.name in self.first for rule in RULES)

    @property
    def examples(self) -> tuple[tuple[Rule, Example | None], ...]:
        """The applicable rules with their examples; after a rule without one, the weaker rule if that has one."""
        if self.any_kind_known or not self.refinements:
            pairs = list(zip(RULES, CLAIMED, strict=False))
        else:
            pairs = [(KIND_UNKNOWN, CLAIMED_KIND_UNKNOWN)]
        examples: list[tuple[Rule, Example | None]] = []
        for rule, weaker in pairs:
            examples.append((rule, self.first.get(rule.name)))
            if rule.name not in self.first and weaker.name in self.first:
                examples.append((weaker, self.first[weaker.name]))
        return (*examples, (RULES[-1], self.first.get(RULES[-1].name)))


def process_families(results: Results) -> list[CapFamily]:
    """The families of arms of the variant ``process``."""
    process = {row["arm"] for row in records(results.arms) if row["variant"] == "process"}
    return [family for family in families(results.arms) if family.arms[-1] in process]


def recorded_samples(results: Results, samples: pd.DataFrame) -> Iterator[RecordedSample]:
    """The samples in the order of the search, with the steps under the cap of their arm."""
    import pandas as pd

    caps = {row["arm"]: row["max_iterations"] for row in records(results.arms)}
    ordered = samples.assign(_item=pd.factorize(samples["item"])[0]).sort_values(["_item", "seed_index"], kind="stable")
    for row in records(ordered.head(MAX_SAMPLES)):
        if isinstance(row["trajectory"], str):
            cap = None if pd.isna(caps[row["arm"]]) else caps[row["arm"]]
            steps = results.steps(row["trajectory"])
            yield RecordedSample(row, tuple(step for step in steps if within_cap(step["iteration"], cap)))
        else:
            yield RecordedSample(row, ())


def _search(
    benchmark: str, family: CapFamily, samples: Iterable[RecordedSample], lookup: Lookup, size: int
) -> ChosenExamples:
    tally, searched = Tally(), 0
    for sample in samples:
        searched += 1
        for case in islice(cases(benchmark, sample, lookup), MAX_REFINEMENTS - tally.refinements):
            tally.add(sample, case)
        if tally.done or tally.refinements >= MAX_REFINEMENTS:
            break
    return ChosenExamples(
        benchmark=benchmark,
        arm=family.arms[-1],
        label=family.label,
        examples=tally.examples,
        samples=searched,
        refinements=tally.refinements,
        judged=tally.judged,
        exhaustive=searched == size and tally.refinements < MAX_REFINEMENTS,
    )

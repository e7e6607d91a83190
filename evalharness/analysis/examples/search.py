"""Looks for the examples of a run, in the order of its prompts, then of seeds, then of iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from evalharness.analysis.arms import families, records
from evalharness.analysis.examples.rules import (  # fmt: skip
    CLAIMED,
    CLAIMED_UNTOLD,
    RULES,
    UNTOLD,
    Case,
    Refinement,
    Rule,
    refinements,
)
from evalharness.config.arm_families import CapFamily
from evalharness.store.results import Judged, Results

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = 5000
"""So many of an arm's samples are looked at."""
REFINEMENTS = 500
"""So many of their refinements."""
Lookup = Callable[[str, str, Sequence[str]], Mapping[str, Judged]]
"""Benchmark, item and images (digests) → what the benchmark's scorer said of those that it has seen."""


@dataclass(frozen=True)
class Seen:
    """A sample with its steps, and its refinements."""

    row: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]

    @property
    def refinements(self) -> list[Refinement]:
        return list(refinements(self.steps))


@dataclass(frozen=True)
class Example:
    """What a rule chose. ``number``: it was the so-manieth refinement that was looked at."""

    rule: Rule
    seen: Seen
    case: Case
    number: int


@dataclass(frozen=True)
class Chosen:
    """Of one arm on one benchmark: for each rule its example, or ``None``.

    ``samples`` and ``refinements`` were looked at; ``whole``: these are all.
    """

    benchmark: str
    arm: str
    label: str
    found: tuple[tuple[Rule, Example | None], ...]
    samples: int
    refinements: int
    judged: int
    whole: bool


def choose(results: Results) -> list[Chosen]:
    """Of each process arm (of those that differ in their cap alone, the one with the highest) on each benchmark."""
    lookup = results.judged or from_samples(results.samples)
    found = []
    for benchmark in results.info["benchmarks"]:
        for family in process_families(results):
            arm = family.arms[-1]
            own = results.samples[(results.samples["benchmark"] == benchmark) & (results.samples["arm"] == arm)]
            if len(own):
                found.append(_chosen(benchmark, family, _walk(results, own), lookup, len(own)))
    return found


def process_families(results: Results) -> list[CapFamily]:
    """Those of variant ``process``."""
    process = {row["arm"] for row in records(results.arms) if row["variant"] == "process"}
    return [family for family in families(results.arms) if family.arms[-1] in process]


def from_samples(samples: pd.DataFrame) -> Lookup:
    """What is known of final images alone: with arms that differ in their cap, of the states after each iteration."""
    scored = samples[(samples["state"] == "scored") & samples["image"].notna()]
    columns = (scored[name] for name in ("benchmark", "item", "image", "score", "reason", "score_key"))
    known = {
        (benchmark, item, image): Judged(float(score), str(reason or ""), key)
        for benchmark, item, image, score, reason, key in zip(*columns, strict=True)
    }

    def lookup(benchmark: str, item: str, images: Sequence[str]) -> Mapping[str, Judged]:
        return {image: known[benchmark, item, image] for image in images if (benchmark, item, image) in known}

    return lookup


def _walk(results: Results, own: pd.DataFrame) -> Iterator[Seen]:
    import pandas as pd

    caps = {row["arm"]: row["max_iterations"] for row in records(results.arms)}
    order = own.assign(_item=pd.factorize(own["item"])[0]).sort_values(["_item", "seed_index"], kind="stable")
    for row in records(order.head(SAMPLES)):
        if isinstance(row["trajectory"], str):
            cap = caps[row["arm"]]
            steps = results.steps(row["trajectory"])
            yield Seen(row, tuple(step for step in steps if pd.isna(cap) or step["iteration"] <= cap))
        else:
            yield Seen(row, ())


@dataclass
class Tally:
    """Applies rules to refinements one after the other, and keeps the first that each holds for."""

    first: dict[str, Example] = field(default_factory=dict)
    refinements: int = 0
    judged: int = 0
    told: bool = False
    """Whether the kind of any conflict could be told."""

    def add(self, seen: Seen, case: Case) -> None:
        self.refinements += 1
        self.judged += case.judged
        self.told |= case.refinement.conflict is not None
        for rule in (*RULES, UNTOLD, *CLAIMED, CLAIMED_UNTOLD):
            if rule.name not in self.first and rule.holds(case):
                self.first[rule.name] = Example(rule, seen, case, self.refinements)

    @property
    def done(self) -> bool:
        return all(rule.name in self.first for rule in RULES)

    @property
    def shown(self) -> tuple[tuple[Rule, Example | None], ...]:
        """The rules that can be applied to what was seen, each with its example; a weaker one where one has none."""
        told = self.told or not self.refinements
        pairs = list(zip(RULES, CLAIMED, strict=False)) if told else [(UNTOLD, CLAIMED_UNTOLD)]
        found: list[tuple[Rule, Example | None]] = []
        for rule, weaker in pairs:
            found.append((rule, self.first.get(rule.name)))
            if rule.name not in self.first and weaker.name in self.first:
                found.append((weaker, self.first[weaker.name]))
        return (*found, (RULES[-1], self.first.get(RULES[-1].name)))


def _chosen(benchmark: str, family: CapFamily, walk: Iterable[Seen], lookup: Lookup, size: int) -> Chosen:
    tally, samples = Tally(), 0
    for seen in walk:
        samples += 1
        for case in islice(cases(benchmark, seen, lookup), REFINEMENTS - tally.refinements):
            tally.add(seen, case)
        if tally.done or tally.refinements >= REFINEMENTS:
            break
    whole = samples == size and tally.refinements < REFINEMENTS
    return Chosen(
        benchmark, family.arms[-1], family.label, tally.shown, samples, tally.refinements, tally.judged, whole
    )


def cases(benchmark: str, seen: Seen, lookup: Lookup) -> Iterator[Case]:
    """The refinements of a sample with what is known of their pictures."""
    own = seen.refinements
    if own:
        images = list(dict.fromkeys(image for one in own for image in (one.before, one.after)))
        judged = lookup(benchmark, str(seen.row["item"]), images)
        final = seen.row["state"] == "scored" and float(seen.row["score"]) >= 1
        yield from (Case(one, judged.get(one.before), judged.get(one.after), final) for one in own)

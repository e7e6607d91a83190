"""Compares runs, paired by the prompts and seeds that they share; notes say what they do not share."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from evalharness.analysis import stats
from evalharness.analysis.adjustment import adjust_contrasts
from evalharness.analysis.arm_scores import ArmScore, arm_score
from evalharness.analysis.benchmarks import category_weights
from evalharness.analysis.contrasts import contrasts
from evalharness.analysis.coverage import score_range
from evalharness.analysis.findings import Contrast
from evalharness.analysis.grid import Grid, grid, grid_of
from evalharness.analysis.letters import LETTERS, labelled, letter
from evalharness.analysis.power import with_power
from evalharness.analysis.stats import Estimate
from evalharness.errors import ConfigError
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

Pairing = Literal["seeds", "prompts", "none"]
Ground: TypeAlias = tuple[Grid, Mapping[str, float]]
"""Scores of both runs and the weights of the categories."""
SCORING = {"scorer": "scorer", "version": "protocol"}
"""What decides how a benchmark scores, by its key in the info of a benchmark."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The first run and another one, its place among those that are compared, and what notes call both."""

    first: Results
    second: Results
    number: int
    first_label: str
    second_label: str

    @property
    def runs(self) -> tuple[Results, Results]:
        return self.first, self.second

    @property
    def labels(self) -> tuple[str, str]:
        return self.first_label, self.second_label


@dataclass(frozen=True, slots=True)
class Compared:
    """An arm of the first run and an arm of a second on a benchmark; ``difference`` is second minus first.

    ``pairing``: by prompt and seed; by prompt alone if no seed is shared; none if no prompt is shared. Without pairing
    the interval is that of independent runs (Zou & Donner, *Statistics in Medicine* 27, 2008), without a p-value.
    ``contrast``: the paired contrast.
    ``scores``: over all samples of each run, including those without a partner.
    ``otherwise``: what scored the second run otherwise, ``scorer`` or ``protocol``; a difference may be its own.
    ``runs``: the places of both runs among those that are compared.
    """

    benchmark: str
    arms: tuple[str, str]
    scores: tuple[ArmScore, ArmScore]
    pairing: Pairing
    difference: Estimate
    contrast: Contrast | None
    runs: tuple[int, int] = (0, 1)
    otherwise: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, str]:
        """Both arms with the letters of their runs."""
        return labelled(self.runs[0], self.arms[0]), labelled(self.runs[1], self.arms[1])


@dataclass(frozen=True, slots=True)
class Comparison:
    """All compared arms; ``notes`` has a line for each way in which the runs differ."""

    compared: tuple[Compared, ...]
    notes: tuple[str, ...]


def compare(first: Results, second: Results, arms: Sequence[tuple[str, str]] = ()) -> Comparison:
    """Compare two runs on all benchmarks that both have.

    Args:
        first: A run.
        second: Another run.
        arms: Pairs of an arm of the first and an arm of the second; by default the arms of the same name.
    """
    return compare_runs([first, second], arms)


def compare_runs(runs: Sequence[Results], arms: Sequence[tuple[str, str]] = ()) -> Comparison:
    """Compare each of the later runs with the first, on all benchmarks that both have.

    Args:
        runs: Two runs or more.
        arms: Pairs of an arm of the first and an arm of the later ones; by default the arms of the same name.

    Raises:
        ConfigError: There are fewer than two runs, or too many.
    """
    if not 2 <= len(runs) <= len(LETTERS):
        raise ConfigError(f"{len(runs)} runs: 2 to {len(LETTERS)} can be compared")
    compared: list[Compared] = []
    grounds: list[Ground | None] = []
    notes: list[str] = []
    for number, second in enumerate(runs[1:], start=1):
        sides = Sides(runs[0], second, number, "the first run", "the second run")
        if len(runs) > 2:
            sides = Sides(runs[0], second, number, "A", letter(number))
        lines = []
        for benchmark in runs[0].info["benchmarks"]:
            if benchmark in second.info["benchmarks"]:
                on_benchmark, ground, benchmark_notes = _compare_on(sides, benchmark, _pairs(sides, arms))
                compared += on_benchmark
                grounds += [ground] * len(on_benchmark)
                lines += [f"{benchmark}: {note}" for note in _protocol_notes(sides, benchmark) + benchmark_notes]
        lines += [f"{name}: only in {label}" for label, names in _unshared_benchmarks(sides) for name in names]
        notes += lines if len(runs) == 2 else [f"A, {letter(number)}: {line}" for line in lines]
    return Comparison(_with_tests(compared, grounds), tuple(notes))


def _pairs(sides: Sides, arms: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    others = set(sides.second.arms["arm"])
    return list(arms) or [(arm, arm) for arm in sides.first.arms["arm"] if arm in others]


def _unshared_benchmarks(sides: Sides) -> list[tuple[str, list[str]]]:
    names = [list(run.info["benchmarks"]) for run in sides.runs]
    return [
        (label, [name for name in names[side] if name not in names[1 - side]])
        for side, label in enumerate(sides.labels)
    ]


def _compare_on(
    sides: Sides, benchmark: str, pairs: Sequence[tuple[str, str]]
) -> tuple[list[Compared], Ground | None, list[str]]:
    """The comparisons on a benchmark, without adjusted p-values, what they rest on if paired, and notes."""
    frames = [run.samples[run.samples["benchmark"] == benchmark] for run in sides.runs]
    pairing, aligned, notes = _align(frames[0], frames[1], sides.labels)
    weights, unshared = shared_weights(*(category_weights(run, benchmark) for run in sides.runs))
    if unshared:
        notes.append(f"categories of one run only, left out of the overall score: {', '.join(unshared)}")
    grids = [grid(run, benchmark) for run in sides.runs]
    pairs = [pair for pair in pairs if all(arm in table.arms for arm, table in zip(pair, grids, strict=True))]
    infos = [run.info["benchmarks"][benchmark] for run in sides.runs]
    scores = [
        [_score(table, frame, info, pair[side], weights) for pair in pairs]
        for side, (table, frame, info) in enumerate(zip(grids, frames, infos, strict=True))
    ]
    tests: list[Contrast | None] = [None] * len(pairs)
    ground: Ground | None = None
    if pairing != "none" and pairs:
        names = [(labelled(sides.number, second), labelled(0, first)) for first, second in pairs]
        ground = _joint_grid(benchmark, aligned, pairs, sides.number, infos), weights
        tests = list(contrasts(ground[0], names, weights))
    compared = []
    for pair, score, other, test in zip(pairs, *scores, tests, strict=True):
        difference = test.difference if test else _independent(score.estimate, other.estimate)
        runs, otherwise = (0, sides.number), scored_otherwise(*infos)
        compared.append(Compared(benchmark, pair, (score, other), pairing, difference, test, runs, otherwise))
    return compared, ground, notes


def scored_otherwise(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    """What scores a benchmark otherwise in another run, so that a difference of scores may be its own.

    Args:
        first: the entry of the benchmark in the info of a run.
        second: that of another.
    """
    return tuple(kind for key, kind in SCORING.items() if _json(first[key]) != _json(second[key]))


def _score(
    table: Grid, samples: pd.DataFrame, info: Mapping[str, Any], arm: str, weights: Mapping[str, float]
) -> ArmScore:
    overall = stats.estimate(table.column(arm), table.items, table.categories, weights).overall
    return arm_score(samples[samples["arm"] == arm], info, overall, weights)


def shared_weights(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
    """The first run's weights of the categories that count in both, which sum to 1; and the other categories."""
    names = {**first, **second}
    unshared = [name for name in names if bool(first.get(name)) != bool(second.get(name))]
    weights = {name: 0.0 if name in unshared else first.get(name, 0.0) for name in names}
    total = sum(weights.values())
    if unshared and total > 0:
        weights = {name: weight / total for name, weight in weights.items()}
    return weights, unshared


def _align(
    first: pd.DataFrame, second: pd.DataFrame, labels: tuple[str, str]
) -> tuple[Pairing, list[pd.DataFrame], list[str]]:
    """The samples of both runs that have a partner, and notes; a pair has the same item and ``seed_index``."""
    key = ["item", "seed_index", "seed"]
    slots = [samples[key].drop_duplicates() for samples in (first, second)]
    shared_items = set(slots[0]["item"]) & set(slots[1]["item"])
    notes = []
    for label, run_slots in zip(labels, slots, strict=True):
        if unshared := sorted(set(run_slots["item"]) - shared_items):
            notes.append(
                f"{len(unshared)} prompts only in {label}, such as {unshared[0]!r}; they are left out of the difference"
            )
    if not shared_items:
        return "none", [], ["no prompt is in both runs: the difference is not paired", *notes]
    both = slots[0].merge(slots[1], on=["item", "seed"], suffixes=("", "_second"))
    if both.empty:
        notes.append("the runs share prompts but no seed: paired by prompt, so flips compare different noise")
        shared = slots[0].merge(slots[1], on=["item", "seed_index"])[["item", "seed_index"]]
        return "prompts", [samples.merge(shared, on=["item", "seed_index"]) for samples in (first, second)], notes
    for label, run_slots in zip(labels, slots, strict=True):
        if count := int(run_slots["item"].isin(shared_items).sum()) - len(both):
            notes.append(f"{count} seeds of shared prompts only in {label}; they are left out of the difference")
    # A seed may have another index in the second run, so both runs get the index of the first.
    index = both[["item", "seed", "seed_index"]]
    chosen = [samples.drop(columns="seed_index").merge(index, on=["item", "seed"]) for samples in (first, second)]
    return "seeds", chosen, notes + _wording_notes(first, second)


def _wording_notes(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    texts = [samples.drop_duplicates("item").set_index("item")["prompt"] for samples in (first, second)]
    both = texts[0].to_frame("first").join(texts[1].rename("second"), how="inner")
    changed = both.index[both["first"] != both["second"]]
    return [f"{len(changed)} prompts have the same id but other words, such as {changed[0]!r}"] if len(changed) else []


def _joint_grid(
    benchmark: str,
    aligned: Sequence[pd.DataFrame],
    pairs: Sequence[tuple[str, str]],
    number: int,
    infos: Sequence[Mapping[str, Any]],
) -> Grid:
    """Make one grid of both runs, in which arms have the letters of their runs."""
    import pandas as pd

    parts = []
    for side, (samples, run) in enumerate(zip(aligned, (0, number), strict=True)):
        names = {pair[side] for pair in pairs}
        parts.append(samples[samples["arm"].isin(names)].assign(arm=labelled(run, "") + samples["arm"]))
    samples = pd.concat(parts, ignore_index=True)
    lowest, highest = zip(*map(score_range, infos), strict=True)
    return grid_of(benchmark, samples, dict.fromkeys(samples["arm"]), (min(lowest), max(highest)))


def _independent(first: Estimate, second: Estimate) -> Estimate:
    """The second minus the first estimate of independent runs; distances to interval ends add as squares."""
    value = second.value - first.value
    below = math.hypot(second.value - second.low, first.high - first.value)
    above = math.hypot(second.high - second.value, first.value - first.low)
    return Estimate(value, value - below, value + above, math.hypot(first.se, second.se))


def _protocol_notes(sides: Sides, benchmark: str) -> list[str]:
    protocols = [run.info["benchmarks"][benchmark] for run in sides.runs]
    labels = {
        "version": "the protocol's version",
        "prompt_digest": "the prompt set",
        "scorer": "the scorer, so that a difference may be its own",
        "weights": "the categories' weights; those of the first are taken",
    }
    return [
        f"the runs differ in {text}"
        for key, text in labels.items()
        if _json(protocols[0][key]) != _json(protocols[1][key])
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _with_tests(compared: Sequence[Compared], grounds: Sequence[Ground | None]) -> tuple[Compared, ...]:
    """The comparisons with adjusted p-values and what they could have shown."""
    next_contrast = iter(adjust_contrasts([entry.contrast for entry in compared if entry.contrast is not None]))
    finished = []
    for entry, ground in zip(compared, grounds, strict=True):
        if entry.contrast is not None and ground is not None:
            (contrast,) = with_power([next(next_contrast)], *ground)
            finished.append(replace(entry, contrast=contrast))
        else:
            finished.append(entry)
    return tuple(finished)

"""Two runs side by side: paired where they share prompts and seeds, and where they do not it says so."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evalharness.analysis import adjusted, category_weights, stats
from evalharness.analysis.contrasts import contrasts
from evalharness.analysis.declared import Declared
from evalharness.analysis.findings import Contrast
from evalharness.analysis.grid import Grid, grid
from evalharness.analysis.stats import Estimate
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

Pairing = Literal["seeds", "prompts", "none"]


@dataclass(frozen=True, slots=True)
class Compared:
    """An arm of the first run and one of the second on a benchmark; ``difference`` is second minus first.

    ``pairing``: by prompt and seed; by prompt alone, where no seed is shared; or none, where no prompt is: the interval
    is then that of independent runs (Zou & Donner, 2008) and there is no p-value. ``contrast``: of the pairs.
    ``scores`` are over all samples of each run, also over those that have no partner.
    """

    benchmark: str
    arms: tuple[str, str]
    scores: tuple[Estimate, Estimate]
    pairing: Pairing
    difference: Estimate
    contrast: Contrast | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """``notes``: where the two runs do not agree, a line each."""

    compared: tuple[Compared, ...]
    notes: tuple[str, ...]


def compare(first: Results, second: Results, arms: Sequence[tuple[str, str]] = ()) -> Comparison:
    """Compare these arms (of the first, of the second), by default those of the same name, on all shared benchmarks."""
    pairs = list(arms) or [(arm, arm) for arm in first.arms["arm"] if arm in set(second.arms["arm"])]
    found: dict[str, list[Compared]] = {}
    notes: list[str] = []
    for benchmark in first.info["benchmarks"]:
        if benchmark in second.info["benchmarks"]:
            notes += [f"{benchmark}: {line}" for line in _disagreements(first, second, benchmark)]
            one, lines = _on(first, second, benchmark, pairs)
            found[benchmark] = one
            notes += [f"{benchmark}: {line}" for line in lines]
    for name in dict.fromkeys([*first.info["benchmarks"], *second.info["benchmarks"]]):
        if name not in found:
            where = "first" if name in first.info["benchmarks"] else "second"
            notes.append(f"{name}: only in the {where} run")
    return Comparison(_with_adjusted([one for own in found.values() for one in own]), tuple(notes))


def _on(
    first: Results, second: Results, benchmark: str, pairs: Sequence[tuple[str, str]]
) -> tuple[list[Compared], list[str]]:
    frames = [run.samples[run.samples["benchmark"] == benchmark] for run in (first, second)]
    pairing, aligned, notes = _aligned(*frames)
    weights = category_weights(first, benchmark) | category_weights(second, benchmark)
    weights |= category_weights(first, benchmark)
    grids = [grid(run, benchmark) for run in (first, second)]
    pairs = [pair for pair in pairs if all(arm in own.arms for arm, own in zip(pair, grids, strict=True))]
    scores = [
        [stats.estimate(own.column(pair[side]), own.items, own.categories, weights).overall for pair in pairs]
        for side, own in enumerate(grids)
    ]
    tests: list[Contrast | None] = [None] * len(pairs)
    if pairing != "none" and pairs:
        both = _both(benchmark, aligned, pairs)
        said = Declared(tuple((f"B {b}", f"A {a}") for a, b in pairs), frozenset(), ())
        tests = list(contrasts(both, said, weights, {}))
    found = []
    for place, pair in enumerate(pairs):
        one, test = (scores[0][place], scores[1][place]), tests[place]
        difference = test.difference if test else _independent(*one)
        found.append(Compared(benchmark, pair, one, pairing, difference, test))
    return found, notes


def _aligned(first: pd.DataFrame, second: pd.DataFrame) -> tuple[Pairing, list[pd.DataFrame], list[str]]:
    """Both runs' samples that have a partner; a pair has the same item and ``seed_index``."""
    key = ["item", "seed_index", "seed"]
    slots = [one[key].drop_duplicates() for one in (first, second)]
    shared_items = set(slots[0]["item"]) & set(slots[1]["item"])
    alone = [sorted(set(own["item"]) - shared_items) for own in slots]
    notes = [
        f"{len(items)} prompts only in the {name} run, such as {items[0]!r}; they are left out of the difference"
        for items, name in zip(alone, ("first", "second"), strict=True)
        if items
    ]
    if not shared_items:
        return "none", [], ["no prompt is in both runs: the difference is not paired", *notes]
    both = slots[0].merge(slots[1], on=["item", "seed"], suffixes=("", "_second"))
    if both.empty:
        notes.append("the runs share prompts but no seed: paired by prompt, so flips compare different noise")
        shared = slots[0].merge(slots[1], on=["item", "seed_index"])[["item", "seed_index"]]
        return "prompts", [one.merge(shared, on=["item", "seed_index"]) for one in (first, second)], notes
    left = [int(own["item"].isin(shared_items).sum()) - len(both) for own in slots]
    notes += [
        f"{count} seeds of shared prompts only in the {name} run; they are left out of the difference"
        for count, name in zip(left, ("first", "second"), strict=True)
        if count
    ]
    moved = both[["item", "seed", "seed_index"]]
    chosen = [one.drop(columns="seed_index").merge(moved, on=["item", "seed"]) for one in (first, second)]
    return "seeds", chosen, notes + _other_prompts(first, second)


def _other_prompts(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    texts = [one.drop_duplicates("item").set_index("item")["prompt"] for one in (first, second)]
    both = texts[0].to_frame("first").join(texts[1].rename("second"), how="inner")
    changed = both.index[both["first"] != both["second"]]
    return [f"{len(changed)} prompts have the same id but other words, such as {changed[0]!r}"] if len(changed) else []


def _both(benchmark: str, aligned: Sequence[pd.DataFrame], pairs: Sequence[tuple[str, str]]) -> Grid:
    """One grid of both runs: the arms of the first are called A …, those of the second B …"""
    import pandas as pd

    wanted = [{pair[side] for pair in pairs} for side in (0, 1)]
    parts = [
        own[own["arm"].isin(names)].assign(arm=label + " " + own["arm"])
        for own, names, label in zip(aligned, wanted, "AB", strict=True)
    ]
    samples = pd.concat(parts, ignore_index=True)
    arms = pd.DataFrame({"arm": list(dict.fromkeys(samples["arm"]))})
    nothing: Any = None
    return grid(Results({}, arms, samples, nothing, nothing, nothing), benchmark)


def _independent(first: Estimate, second: Estimate) -> Estimate:
    """Second minus first of independent runs: the distances to the ends of both intervals add as squares."""
    value = second.value - first.value
    below = math.hypot(second.value - second.low, first.high - first.value)
    above = math.hypot(second.high - second.value, first.value - first.low)
    return Estimate(value, value - below, value + above, math.hypot(first.se, second.se))


def _disagreements(first: Results, second: Results, benchmark: str) -> list[str]:
    abouts = [run.info["benchmarks"][benchmark] for run in (first, second)]
    labels = {
        "version": "the protocol's version",
        "prompt_digest": "the prompt set",
        "scorer": "the scorer, so that a difference may be its own",
        "weights": "the categories' weights; those of the first are taken",
    }
    return [
        f"the runs differ in {text}" for key, text in labels.items() if _json(abouts[0][key]) != _json(abouts[1][key])
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _with_adjusted(found: Sequence[Compared]) -> tuple[Compared, ...]:
    tested = [one.contrast for one in found if one.contrast is not None]
    new = iter(adjusted(tested))
    return tuple(replace(one, contrast=next(new)) if one.contrast is not None else one for one in found)

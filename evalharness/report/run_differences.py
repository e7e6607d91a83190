"""What runs differ in, so that their numbers may not be compared: prompts, scorer, protocol, environment, settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness._util.hashing import digest
from evalharness._util.text import counted
from evalharness.analysis.arms import settings_by_arm
from evalharness.report.environments import STAGES, used_values
from evalharness.report.formatting import MISSING, short_digest, short_hash, short_scorer
from evalharness.store.results import Results

MAX_LEAVES = 4
"""Values that the text of a run names."""
ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class RunDifference:
    """A respect in which runs differ.

    Attributes:
        benchmark: where; empty if everywhere.
        what: the respect, for people.
        kind: what is said of a run whose value is another: ``scorer`` for "another scorer"; empty where runs may well
            differ.
        values: the text of each run, a dash for one without the benchmark.
        keys: what is compared, of each run; empty where runs may well differ.
    """

    benchmark: str
    what: str
    kind: str
    values: tuple[str, ...]
    keys: tuple[str | None, ...]

    def concerns(self, run: int, reference: int) -> bool:
        """Whether a run has another value than a reference, as far as both have one."""
        pair = self.keys[run], self.keys[reference]
        return None not in pair and pair[0] != pair[1]


def run_differences(runs: Sequence[Results]) -> list[RunDifference]:
    """The respects in which runs differ, by benchmark in the order of the runs, then those of all benchmarks."""
    differences: list[RunDifference] = []
    for benchmark in dict.fromkeys(name for run in runs for name in run.info["benchmarks"]):
        present = [run if benchmark in run.info["benchmarks"] else None for run in runs]
        for what, kind, values in _respects(present, benchmark):
            differences += _difference(benchmark, what, kind, values)
    differences += _difference("", "Seed", "", [run.info.get("seed") for run in runs])
    models = [dict(run.info.get("models", {})) for run in runs]
    differences += _difference("", "Models", "", models)
    settings = [settings_by_arm(run.arms) for run in runs]
    by_values: dict[tuple[str, ...], list[str]] = {}
    for arm in dict.fromkeys(name for of_run in settings for name in of_run):
        for found in _difference("", arm, "", [of_run.get(arm) for of_run in settings]):
            by_values.setdefault(found.values, []).append(arm)
    for texts, arms in by_values.items():
        more = f" and {counted(len(arms) - 1, 'more arm')}" if len(arms) > 1 else ""
        differences.append(RunDifference("", f"Settings of {arms[0]}{more}", "", texts, ()))
    return differences


def incomparable(differences: Sequence[RunDifference], benchmark: str, run: int, reference: int) -> list[str]:
    """The kinds in which a run differs from a reference on a benchmark, each once."""
    kinds = [found.kind for found in differences if found.benchmark == benchmark and found.concerns(run, reference)]
    return list(dict.fromkeys(filter(None, kinds)))


def _respects(runs: Sequence[Results | None], benchmark: str) -> Iterator[tuple[str, str, list[Any]]]:
    infos = [None if run is None else run.info["benchmarks"][benchmark] for run in runs]

    def values(name: str) -> list[Any]:
        return [None if info is None else info.get(name) for info in infos]

    sets = [None if info is None else f"{info['prompt_set']} {short_digest(info['prompt_digest'])}" for info in infos]
    yield "Prompt set", "prompts", sets
    taken = [None if run is None else _taken(run, benchmark) for run in runs]
    yield "Prompts taken", "prompts", taken
    samples = [None if info is None else counted(info["samples"], "image") + " per prompt" for info in infos]
    yield "Images", "", samples
    yield "Scorer", "scorer", values("scorer")
    yield "Protocol", "protocol", values("version")
    yield "Weights of categories", "weights", values("weights")
    for stage in STAGES:
        used = [None if run is None else used_values(run.info, stage, benchmark) or None for run in runs]
        yield f"{stage.capitalize()} in", ENVIRONMENT, used


def _taken(run: Results, benchmark: str) -> str:
    """The number of prompts, with a digest of which they are."""
    items = sorted(run.samples.loc[run.samples["benchmark"] == benchmark, "item"].unique())
    return f"{len(items):,} (SHA-256 {digest(items)[:8]})"


def _difference(benchmark: str, what: str, kind: str, values: Sequence[Any]) -> list[RunDifference]:
    """The difference of some values of the runs, ``None`` where a run has none; empty if there is none."""
    keys = tuple(None if value is None else json.dumps(value, sort_keys=True, default=str) for value in values)
    if len({key for key in keys if key is not None}) < 2:
        return []
    leaves = [dict(_leaves(value)) for value in values]
    names = dict.fromkeys(name for of_run in leaves for name in of_run)
    differing = [name for name in names if len({of_run.get(name) for of_run in leaves if of_run}) > 1]
    texts = [
        MISSING if value is None else _text(value, of_run, differing)
        for value, of_run in zip(values, leaves, strict=True)
    ]
    return [RunDifference(benchmark, what, kind, tuple(texts), keys)]


def _text(value: Any, leaves: Mapping[str, str], differing: Sequence[str]) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    shown = [f"{name} {leaves[name]}" for name in differing if name in leaves]
    rest = len(shown) - MAX_LEAVES
    parts = [*shown[:MAX_LEAVES], *([f"and {rest} more"] if rest > 0 else [])]
    return ", ".join(parts) or short_scorer(value)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The values in a mapping at any depth, by dotted name."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        yield name, short_hash(text)

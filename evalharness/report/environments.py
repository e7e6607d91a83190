"""What a report says of the environments in which its samples were drawn and scored, from ``Results.info``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evalharness._util.text import some_of
from evalharness.report.formatting import short_hash
from evalharness.store.provenance import count

Entry = Mapping[str, Any]
STAGES = ("drawn", "scored")
WORDS = {"drawn": {"drawn": "", "begun": "begun "}, "scored": {"scored": ""}}
"""What samples that a stage concerns are counted as in an environment, and the word for it."""
FIELDS = {"hardware": "", "driver": "driver ", "cuda": "CUDA ", "git_commit": "commit ", "attention": "attention "}
"""Fields of an environment that results may depend on, beside versions, and what precedes their values."""
MAX_ARMS, MAX_DIFFERENCES = 3, 4
"""Arms and differences that a warning names."""


def environment_facts(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line for each environment."""
    return [(name(info, entry).capitalize(), _described(entry)) for entry in _entries(info)]


def table_facts(info: Mapping[str, Any], benchmark: str) -> list[tuple[str, str]]:
    """Where the samples of a benchmark were drawn and scored: in one environment, or by arm."""
    facts = []
    for stage in STAGES:
        arms: dict[str, list[str]] = {}
        for kind, verb in WORDS[stage].items():
            for entry in _entries(info):
                for arm, number in entry[kind].get(benchmark, {}).items():
                    arms.setdefault(arm, []).append(f"{number} {verb}in {name(info, entry)}")
        by_text: dict[str, list[str]] = {}
        for arm, places in arms.items():
            by_text.setdefault(", ".join(places), []).append(arm)
        if len(_used(info, stage, benchmark)) == 1:
            facts.append((stage.capitalize(), f"in {name(info, _used(info, stage, benchmark)[0])}"))
        else:
            texts = [f"{_arms(names)}: {text}" for text, names in by_text.items()]
            facts += [(stage.capitalize(), "; ".join(texts))] if texts else []
    return facts


def continued_fact(info: Mapping[str, Any]) -> str:
    """How many trajectories were continued from stored steps, and in which arms; empty if none was."""
    continued = info.get("continued", {"trajectories": 0, "samples": {}})
    if not continued["trajectories"]:
        return ""
    arms = [
        f"{number} of {arm} in {name}" for name, arms in continued["samples"].items() for arm, number in arms.items()
    ]
    return f"trajectories: {continued['trajectories']:,}; samples: {', '.join(arms)}"


def table_warnings(info: Mapping[str, Any], benchmark: str) -> list[str]:
    """A line for each difference in devices or versions between arms of a table, with the stages that have it."""
    stages: dict[str, list[str]] = {}
    for stage in STAGES:
        differences = list(_differences(_used(info, stage, benchmark), stage, benchmark))
        if differences:
            rest = len(differences) - MAX_DIFFERENCES
            shown = [*differences[:MAX_DIFFERENCES], *([f"and {rest} more differences"] if rest > 0 else [])]
            stages.setdefault("; ".join(shown), []).append(stage)
    return [
        f"arms that are compared were {' and '.join(names)} in different environments: {text}."
        for text, names in stages.items()
    ]


def code_warnings(info: Mapping[str, Any]) -> list[str]:
    """A line if any sample was made by code with changes that are in no commit; it counts them by commit."""
    samples: Counter[str] = Counter()
    for entry in _entries(info):
        if str(entry.get("git_commit", "")).endswith("+"):
            samples[entry["git_commit"]] += max(count(entry, "drawn") + count(entry, "begun"), count(entry, "scored"))
    if not samples:
        return []
    numbers = ", ".join(f"{number:,} (commit {short_hash(commit)})" for commit, number in samples.items())
    return [f"samples drawn or scored by code with uncommitted changes, which no commit has: {numbers}."]


def used_values(info: Mapping[str, Any], stage: str, benchmark: str) -> dict[str, str]:
    """What the samples of a benchmark may depend on, by label, over all environments of a stage; empty if unknown."""
    values: dict[str, dict[str, None]] = {}
    for entry in _used(info, stage, benchmark):
        for label, value in _values(entry).items():
            values.setdefault(label.strip(), {})[value] = None
    return {label: " and ".join(distinct) for label, distinct in sorted(values.items())}


def name(info: Mapping[str, Any], entry: Entry) -> str:
    """The number of an environment with its host."""
    if entry["id"] is None:
        return "an environment that was not recorded"
    return f"environment {_entries(info).index(entry) + 1} ({entry['host']})"


def _entries(info: Mapping[str, Any]) -> Sequence[Entry]:
    entries: Sequence[Entry] = info.get("environments", ())
    return entries


def _used(info: Mapping[str, Any], stage: str, benchmark: str) -> list[Entry]:
    return [entry for entry in _entries(info) if _numbers(entry, stage, benchmark)]


def _numbers(entry: Entry, stage: str, benchmark: str) -> Counter[str]:
    """Samples by arm; one that was begun in one environment and ended in another counts in both."""
    return sum((Counter(entry[kind].get(benchmark, {})) for kind in WORDS[stage]), Counter())


def _described(entry: Entry) -> str:
    begun = count(entry, "begun")
    elsewhere = f", {begun} begun and ended elsewhere" if begun else ""
    numbers = f"{count(entry, 'drawn')} samples drawn{elsewhere}, {count(entry, 'scored')} scored"
    if entry["id"] is None:
        return f"not recorded; {numbers}"
    values = [f"{label}{entry[field]}" for field, label in FIELDS.items() if entry.get(field)]
    versions = ", ".join(f"{package} {number}" for package, number in _versions(entry).items())
    return f"{', '.join(values)}; {versions}; {numbers}, {entry['first']} to {entry['last']}"


def _versions(entry: Entry) -> dict[str, str]:
    return {**entry.get("versions", {}), **entry.get("plugins", {})}


def _values(entry: Entry) -> dict[str, str]:
    """All that results may depend on, by label; what is not known is left out."""
    values = {label or "hardware ": str(entry[field]) for field, label in FIELDS.items() if entry.get(field)}
    return values | {f"{package} ": number for package, number in _versions(entry).items()}


def _differences(entries: Sequence[Entry], stage: str, benchmark: str) -> Iterator[str]:
    """What arms differ in: they have other values, or the same ones in other shares."""
    values = [(_values(entry), _numbers(entry, stage, benchmark)) for entry in entries]
    for label in dict.fromkeys(label for known, _ in values for label in known):
        counts: dict[str, Counter[str]] = {}
        for known, arms in values:
            for arm, number in arms.items() if label in known else ():
                counts.setdefault(arm, Counter())[known[label]] += number
        if len({_shares(numbers) for numbers in counts.values()}) > 1:
            texts = (
                f"{short_hash(value)} ({_arms(arm for arm, numbers in counts.items() if value in numbers)})"
                for value in dict.fromkeys(value for numbers in counts.values() for value in numbers)
            )
            yield label + " and ".join(texts)


def _shares(numbers: Counter[str]) -> frozenset[tuple[str, float]]:
    return frozenset((value, round(number / numbers.total(), 6)) for value, number in numbers.items())


def _arms(arms: Iterable[str]) -> str:
    return some_of(list(arms), MAX_ARMS)

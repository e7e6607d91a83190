"""The provenance of a page's numbers: sweep, models, scorers, versions, hardware and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.report.environments import continued_fact, environment_facts
from evalharness.report.formatting import duration
from evalharness.report.json_values import pretty_json
from evalharness.store.results import Results

IDENTITIES = {
    "sweep": "The sweep file as it was understood",
    "benchmarks": "Benchmarks, prompt sets and scorers",
    "models": "Models",
    "images": "Images that existed before",
    "environments": "Environments of the samples",
    "versions": "Versions",
}
"""Keys of ``Results.info`` that are shown in full, with their headings."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """``facts``: (label, short text); ``identities``: (label, JSON)."""

    facts: list[tuple[str, str]]
    identities: list[tuple[str, str]]


def provenance(results: Results) -> Provenance:
    """The provenance of a run, from ``results.info`` and the costs of its samples."""
    info = results.info
    facts = [
        ("Started", info.get("started")),
        *(environment_facts(info) or _circumstances(info)),
        ("Continued from stored steps", continued_fact(info)),
        ("Seed", info.get("seed")),
    ]
    for name, benchmark in info["benchmarks"].items():
        facts.append((f"Prompts of {name}", f"{benchmark['prompt_set']}, SHA-256 {benchmark['prompt_digest']}"))
    for name, identity in info.get("models", {}).items():
        if isinstance(identity, Mapping) and identity.get("weights"):
            facts.append((f"Weights of {name}", f"SHA-256 {identity['weights']}"))
    facts.append(("Drawing", _drawing(results)))
    for name, benchmark in info["benchmarks"].items():
        if spent := benchmark.get("spent"):
            facts.append((f"Judging {name}", _judging(spent)))
    identities = [(label, pretty_json(info[name])) for name, label in IDENTITIES.items() if info.get(name)]
    return Provenance([(label, str(text)) for label, text in facts if text not in (None, "")], identities)


def _circumstances(info: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What is known of a run whose environments are not."""
    return [("Hardware", _listing(info.get("hardware"))), ("Git commit", info.get("git_commit"))]


def model_seconds(results: Results) -> float:
    """The time of all drawing, over all sessions and workers."""
    return float(results.drawing["seconds"].sum())


def _drawing(results: Results) -> str:
    """The cost of all drawing; a trajectory that arms share is counted once, at its full length."""
    costs = results.drawing
    if costs.empty:
        return ""
    evaluations, tokens, seconds = costs.sum()
    return (
        f"{len(costs):,} trajectories, {evaluations:,.0f} sampler steps, {tokens:,.0f} tokens, "
        f"{duration(seconds)} of model time"
    )


def _judging(spent: Mapping[str, Any]) -> str:
    text = f"{spent['replies']:,} replies, {spent['prompt_tokens']:,} tokens read, "
    return text + f"{spent['completion_tokens']:,} written" + (f", ${spent['cost']:.2f}" if spent.get("cost") else "")


def _listing(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(f"{name}: {entry}" for name, entry in (value or {}).items())

"""Where the numbers of a page come from: what was run, with what, on what, at what cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.report.sheets import plain
from evalharness.store.results import Results

IDENTITIES = {
    "sweep": "The sweep file as it was understood",
    "benchmarks": "Benchmarks, prompt sets and scorers",
    "models": "Models",
    "images": "Images that existed before",
    "versions": "Versions",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """``facts``: (label, text), short; ``identities``: (label, JSON), whole."""

    facts: list[tuple[str, str]]
    identities: list[tuple[str, str]]


def provenance(results: Results) -> Provenance:
    """All of it, from ``results.info`` and the samples' costs."""
    info = results.info
    facts = [
        ("Started", info.get("started")),
        ("Wall time", duration(info.get("wall_seconds"))),
        ("Hardware", _words(info.get("hardware"))),
        ("Git commit", info.get("git_commit")),
        ("Seed", info.get("seed")),
    ]
    for name, about in info["benchmarks"].items():
        facts.append((f"Prompts of {name}", f"{about['prompt_set']}, SHA-256 {about['prompt_digest']}"))
    for name, identity in info.get("models", {}).items():
        if isinstance(identity, Mapping) and identity.get("weights"):
            facts.append((f"Weights of {name}", f"SHA-256 {identity['weights']}"))
    facts.append(("Drawing", drawn(results)))
    judged = {name: about["spent"] for name, about in info["benchmarks"].items() if about.get("spent")}
    facts += [(f"Judging {name}", _judged(spent)) for name, spent in judged.items()]
    identities = [(label, pretty(info[name])) for name, label in IDENTITIES.items() if info.get(name)]
    return Provenance([(label, str(text)) for label, text in facts if text not in (None, "")], identities)


def drawn(results: Results) -> str:
    """What all drawing took; trajectories that arms share are counted once, at their full length."""
    costs = results.drawing
    if costs.empty:
        return ""
    evaluations, tokens, seconds = costs.sum()
    parts = [f"{len(costs):,} trajectories", f"{evaluations:,.0f} sampler steps", f"{tokens:,.0f} tokens"]
    return ", ".join([*parts, f"{duration(seconds)} of model time"])


def model_seconds(results: Results) -> float:
    """Of all drawing, in however many goes and on however many workers it was done."""
    return float(results.drawing["seconds"].sum())


def duration(seconds: Any) -> str:
    """
    >>> duration(31.4), duration(4321), duration(200000)
    ('31 s', '72 min', '55.6 h')
    """
    if not isinstance(seconds, int | float):
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def pretty(value: Any) -> str:
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def _judged(spent: Mapping[str, Any]) -> str:
    text = f"{spent['replies']:,} replies, {spent['prompt_tokens']:,} tokens read, "
    return text + f"{spent['completion_tokens']:,} written" + (f", ${spent['cost']:.2f}" if spent.get("cost") else "")


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(f"{name}: {entry}" for name, entry in (value or {}).items())

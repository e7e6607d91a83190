"""What the first screen says, computed from the numbers: claims, facts, warnings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.report.arms import baseline, families, records
from evalharness.report.tables import Table, number_text, short_digest, short_scorer
from evalharness.results import Results


@dataclass(frozen=True, slots=True)
class Claim:
    """``arm`` is ``relation`` ``baseline``; ``evidence`` says how sure that is."""

    benchmark: str
    arm: str
    relation: str
    baseline: str
    evidence: str
    told_apart: bool

    def __str__(self) -> str:
        return f"{self.arm} {self.relation} {self.baseline} ({self.evidence})"


def claims(results: Results, table: Table) -> list[Claim]:
    """One claim a family of arms, about its member with the highest cap, so that no arm is picked for its score."""
    reference, rows = baseline(results.arms), {row["arm"]: row for row in records(table.wide)}
    if reference is None or reference not in rows:
        return []
    leads = [[arm for arm in family.arms if arm in rows and arm != reference] for family in _capped_first(results)]
    samples = int(results.info["benchmarks"][table.benchmark]["samples"])
    return [_claim(rows[arms[-1]], reference, samples) for arms in leads if arms]


def lead_arm(results: Results) -> str | None:
    """The arm that the gallery shows first: that of the first claim."""
    names = [family.arms[-1] for family in _capped_first(results)]
    return next((name for name in names if name != baseline(results.arms)), names[0] if names else None)


def facts(results: Results, table: Table) -> list[tuple[str, str]]:
    """What was run on what: (label, text)."""
    about = results.info["benchmarks"][table.benchmark]
    own = results.samples[results.samples["benchmark"] == table.benchmark]
    states = own["state"].value_counts()
    coverage = f"{states.get('scored', 0)} of {len(own)} samples scored"
    coverage += "".join(f", {states[name]} {name}" for name in ("failed", "generated", "pending") if name in states)
    models = results.arms.loc[results.arms["arm"].isin(table.wide["arm"]), "model"].unique()
    named = ", ".join(_model_text(name, results.info.get("models", {}).get(name)) for name in models)
    return [
        ("Model" if len(models) == 1 else "Models", named),
        ("Benchmark", f"{table.title}, protocol version {about['version']}"),
        ("Prompts", _prompts_text(results, table.benchmark)),
        ("Prompt set", f"{about['prompt_set']}, SHA-256 {short_digest(about['prompt_digest'])}…"),
        ("Scorer", short_scorer(about["scorer"])),
        *(("Judge", text) for text in _replays(about["scorer"])),
        ("Coverage", coverage.replace("generated", "not yet scored")),
    ]


def _replays(scorer: Any) -> Iterator[str]:
    """What is to be said of judges in a scorer's identity that were not asked but replayed."""
    if isinstance(scorer, Mapping):
        if isinstance(source := scorer.get("replayed_from"), str):
            judge = short_scorer(scorer.get("judge"))
            yield f"{judge}, replayed from a file of replies, SHA-256 {short_digest(source)}…"
        for inner in scorer.values():
            yield from _replays(inner)


def run_facts(results: Results) -> list[tuple[str, str]]:
    """When, how long, from which code."""
    info = results.info
    seconds = info.get("wall_seconds")
    spent = f"{number_text(seconds / 60)} minutes" if isinstance(seconds, int | float) else ""
    parts = [("Started", info.get("started")), ("Took", spent), ("Seed", info.get("seed"))]
    parts.append(("Code", short_digest(info.get("git_commit"))))
    return [(label, str(text)) for label, text in parts if text not in (None, "")]


def warnings(results: Results, table: Table) -> list[str]:
    """What a reader must know before quoting a number."""
    about, found = results.info["benchmarks"][table.benchmark], []
    limit = subset(results, table.benchmark)
    if limit:
        found.append(
            f"{table.title}: a subset of {limit['items']} of {limit['of']} prompts; "
            "not comparable with scores on all of them."
        )
    if about["prompt_set"] != "original":
        found.append(f"{table.title}: the prompts are not the benchmark's own but {about['prompt_set']}.")
    found += [f"{table.title}: {note}" for note in about.get("notes", ())]
    rows = [row for row in records(table.wide) if row["scored"] < row["expected"]]
    if rows:
        names = ", ".join(f"{row['arm']} ({row['coverage']})" for row in rows)
        found.append(
            f"{table.title}: incomplete, so without a headline number: {names}. "
            "Shown instead: the overall score if all that is missing were wrong, and if all were right."
        )
    own = results.samples[results.samples["benchmark"] == table.benchmark]
    reasons = Counter(" ".join(str(reason).split())[:160] for reason in own.loc[own["state"] == "failed", "reason"])
    found += [f"{table.title}: failed × {count}: {reason}" for reason, count in reasons.most_common(3)]
    return found


def subset(results: Results, benchmark: str) -> dict[str, Any] | None:
    """The limit that was set on a benchmark's prompts, if it left any out."""
    limit = (results.info.get("limit") or {}).get(benchmark)
    return dict(limit) if limit and limit["items"] < limit["of"] else None


def _capped_first(results: Results) -> list[Any]:
    return sorted(families(results.arms), key=lambda family: not family.caps)


def _claim(row: dict[str, Any], reference: str, samples: int) -> Claim:
    value, low, high = (row[name] for name in ("difference", "difference_low", "difference_high"))
    images = f"{samples} image" + ("" if samples == 1 else "s")
    full = row["pairs"] == row["paired_prompts"] * samples
    pairs = f"{row['paired_prompts']} prompts × {images}" if full else f"{row['pairs']} pairs that both have"
    evidence = f"95 % interval {number_text(100 * low)} to {number_text(100 * high)}, paired over {pairs}"
    if math.isnan(value):
        relation, evidence, told = "cannot yet be compared with", "too few pairs are scored", False
    elif math.isnan(low):
        relation, told = "cannot be told apart from", False
        evidence = f"{number_text(100 * value)} points, too few prompts for an interval"
    elif low <= 0 <= high:
        relation, told = "cannot be told apart from", False
        evidence = f"difference {number_text(100 * value)} points, {evidence}"
    else:
        relation, told = f"is {number_text(100 * abs(value))} points {'above' if value > 0 else 'below'}", True
    if row["scored"] < row["expected"] and not math.isnan(value):
        evidence += "; the arm is incomplete"
    return Claim(row["benchmark"], row["arm"], relation, reference, evidence, told)


def _prompts_text(results: Results, benchmark: str) -> str:
    about, limit = results.info["benchmarks"][benchmark], subset(results, benchmark)
    images = f"{about['samples']} image" + ("" if about["samples"] == 1 else "s") + " per prompt"
    if limit:
        return f"{limit['items']} of {limit['of']} prompts, stratified subset, seed {limit['seed']}; {images}"
    return f"all {about['items']} prompts; {images}"


def _model_text(name: str, identity: Any) -> str:
    return name if identity is None else short_scorer({"name": name, "identity": identity})

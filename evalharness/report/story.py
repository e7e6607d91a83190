"""What the first screen says, computed from the numbers: claims, facts, warnings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness._util.text import counted
from evalharness.analysis import Contrast, Trend
from evalharness.analysis.arms import baseline, families, records
from evalharness.report import recipes
from evalharness.report.grids import told_apart
from evalharness.report.provenance import duration, model_seconds
from evalharness.report.tables import Table, number_text, p_text, short_digest, short_scorer
from evalharness.store.results import Results


@dataclass(frozen=True, slots=True)
class Sentence:
    """``arm`` is ``relation`` ``baseline``; ``evidence`` says how sure that is. A trend has no baseline."""

    benchmark: str
    arm: str
    relation: str
    baseline: str
    evidence: str
    told_apart: bool

    def __str__(self) -> str:
        return " ".join(part for part in (self.arm, self.relation, self.baseline) if part) + f", {self.evidence}"


def claims(results: Results, table: Table) -> list[Sentence]:
    """What was declared before the run, of arms and of recipes; then one claim a family of arms, about its member with
    the highest cap.

    So no arm is picked for its score. A training of a recipe has none of its own.
    """
    analysis, samples = table.analysis, int(results.info["benchmarks"][table.benchmark]["samples"])
    trained = recipes.covered(analysis)
    leads = [analysis.contrast(arm) for arm in lead_arms(results, table) if arm not in trained]
    contrasts = [one for one in analysis.contrasts if one.confirmatory]
    contrasts += [one for one in leads if one is not None and one not in contrasts]
    rows = {row["arm"]: row for row in records(table.wide)}
    found = [_claim(one, rows, samples) for one in contrasts]
    return [*_of_recipes(table, rows), *found, *(_trend(one) for one in analysis.trends)]


def _of_recipes(table: Table, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[Sentence]:
    arms = {one.name: one.arms for one in table.analysis.recipes}
    counts = {name: len(own) for name, own in arms.items()}
    for one in table.analysis.recipe_contrasts:
        both = [*arms[one.recipe], *arms[one.against]]
        lacking = [arm for arm in both if rows[arm]["scored"] < rows[arm]["expected"]]
        evidence = recipes.evidence(one, counts)
        if lacking:
            evidence += f"; {' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} incomplete"
        told = recipes.verdict(one) == "beyond"
        yield Sentence(table.benchmark, one.recipe, recipes.relation(one), one.against, evidence, told)


def lead_arms(results: Results, table: Table) -> list[str]:
    """Of each family its arm with the highest cap, without the baseline."""
    there, reference = set(table.wide["arm"]), baseline(results.arms)
    families_there = [
        [arm for arm in family.arms if arm in there and arm != reference] for family in _capped_first(results)
    ]
    return [arms[-1] for arms in families_there if arms]


def lead_arm(results: Results) -> str | None:
    """The arm that the gallery shows first: that of the first claim."""
    names = [family.arms[-1] for family in _capped_first(results)]
    return next((name for name in names if name != baseline(results.arms)), names[0] if names else None)


def lede(results: Results, table: Table) -> str:
    """What was run, on what, in a sentence."""
    about = results.info["benchmarks"][table.benchmark]
    arms, models = len(table.wide), table.wide["model"].unique()
    named = ", ".join(_model_text(name, results.info.get("models", {}).get(name)) for name in models)
    scored, expected = int(table.wide["scored"].sum()), int(table.wide["expected"].sum())
    return (
        f"{counted(arms, 'arm')} of {named} on {table.title}, {_prompts_text(results, table.benchmark)}; "
        f"scored by {short_scorer(about['scorer'])}: {scored:,} of {expected:,} samples."
    )


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
    """When, how much work, from which code. A run of several goes has no wall time that would say the second."""
    info = results.info
    day = str(info.get("started") or "").replace("T", " ")[:16]
    parts = [("Started", day), ("Model time", duration(model_seconds(results) or None)), ("Seed", info.get("seed"))]
    commit = str(info.get("git_commit") or "")
    parts.append(("Code", short_digest(commit) + ("+" if commit.endswith("+") else "")))
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
    if len(table.quoted):
        found.append(f"{table.title}: quoted rows are other people’s numbers; nothing here was measured against them.")
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


def _claim(one: Contrast, rows: Mapping[str, Mapping[str, Any]], samples: int) -> Sentence:
    value, low, high = (100 * end for end in (one.difference.value, one.difference.low, one.difference.high))
    full = one.difference.samples == one.difference.prompts * samples
    images = counted(samples, "image")
    pairs = f"{one.difference.prompts} prompts × {images}" if full else f"{one.difference.samples} pairs that both have"
    evidence = f"95 % interval {number_text(low)} to {number_text(high)}, paired over {pairs}"
    relation, told = "cannot be told apart from", False
    if math.isnan(value):
        relation, evidence = "cannot yet be compared with", "too few pairs are scored"
    elif math.isnan(low):
        evidence = f"difference {number_text(value)} points, too few prompts for an interval"
    elif told_apart(one):
        relation, told = f"is {number_text(abs(value))} points {'above' if value > 0 else 'below'}", True
    else:
        evidence = f"difference {number_text(value)} points, {evidence}"
        if low > 0 or high < 0:
            evidence += f"; p = {p_text(one.p)}, corrected for {one.family} contrasts {p_text(one.p_adjusted)}"
        elif not math.isnan(one.detectable):
            evidence += f"; a true difference of {number_text(100 * one.detectable)} would show four times in five"
    incomplete = [arm for arm in (one.arm, one.baseline) if rows[arm]["scored"] < rows[arm]["expected"]]
    if incomplete and not math.isnan(value):
        evidence += f"; {' and '.join(incomplete)} {'is' if len(incomplete) == 1 else 'are'} incomplete"
    return Sentence(one.benchmark, one.arm, relation, one.baseline, evidence, told)


def _trend(one: Trend) -> Sentence:
    value, low, high = (100 * end for end in (one.slope.value, one.slope.low, one.slope.high))
    told = bool(low > 0 or high < 0) and not one.p_adjusted > 0.05
    words = f"{'rises' if value > 0 else 'falls'} by {number_text(abs(value))} points" if told else "shows no trend"
    evidence = f"slope {number_text(value)} points, 95 % interval {number_text(low)} to {number_text(high)}, "
    evidence += f"over {len(one.arms)} arms and {one.slope.prompts} prompts; corrected p = {p_text(one.p_adjusted)}"
    relation = f"{words} with each unit of {one.over}, from {one.values[0]:g} to {one.values[-1]:g}"
    return Sentence(one.benchmark, "the overall score", relation, "", evidence, told)


def _prompts_text(results: Results, benchmark: str) -> str:
    about, limit = results.info["benchmarks"][benchmark], subset(results, benchmark)
    images = f"{counted(about['samples'], 'image')} per prompt"
    if limit:
        return f"{limit['items']} of {limit['of']} prompts, stratified subset, seed {limit['seed']}; {images}"
    return f"all {about['items']} prompts; {images}"


def _model_text(name: str, identity: Any) -> str:
    return name if identity is None else short_scorer({"name": name, "identity": identity})

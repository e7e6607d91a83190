"""The facts of a run, and the warnings that a reader must know before quoting a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from evalharness._util.text import counted
from evalharness.analysis import Analysis
from evalharness.report.diversity_table import collapses
from evalharness.report.environments import table_facts, table_warnings
from evalharness.report.formatting import duration, short_digest, short_scorer
from evalharness.report.judge_section import other_models
from evalharness.report.provenance import model_seconds
from evalharness.report.summary import Summary
from evalharness.store.results import Results

REASONS = 3
"""How many reasons for failed samples the warnings name, the most frequent first."""
REASON_LENGTH = 160
FAILED = {
    "sample": "failed",
    "transient": "failed in passing",
    "worker": "failed by the fault of a process or device",
    "configuration": "failed by the settings",
}
"""What the warnings call a failure of each kind."""


def lede(results: Results, summary: Summary) -> str:
    """A sentence on what was run, with which scorer."""
    arms = counted(len(summary.wide), "arm")
    models = model_names(results, summary.wide["model"].unique())
    scorer = short_scorer(results.info["benchmarks"][summary.benchmark]["scorer"])
    scored, expected = int(summary.wide["scored"].sum()), int(summary.wide["expected"].sum())
    return (
        f"{arms} of {models} on {summary.title}, {_prompts_text(results, summary.benchmark)}; "
        f"scored by {scorer}: {scored:,} of {expected:,} samples."
    )


def benchmark_facts(results: Results, summary: Summary) -> list[tuple[str, str]]:
    """Model, benchmark, scorer and coverage, each as (label, text)."""
    info = results.info["benchmarks"][summary.benchmark]
    models = results.arms.loc[results.arms["arm"].isin(summary.wide["arm"]), "model"].unique()
    return [
        ("Model" if len(models) == 1 else "Models", model_names(results, models)),
        ("Benchmark", f"{summary.title}, protocol version {info['version']}"),
        ("Prompts", _prompts_text(results, summary.benchmark)),
        ("Prompt set", f"{info['prompt_set']}, SHA-256 {short_digest(info['prompt_digest'])}…"),
        ("Scorer", short_scorer(info["scorer"])),
        *(("Precision", text) for text in [", ".join(_precisions(info["scorer"]))] if text),
        *(("Judge", text) for text in _replayed_judges(info["scorer"])),
        *_reply_reading(info["scorer"]),
        ("Coverage", _coverage_text(results, summary.benchmark)),
        *(("Diversity", f"not measured: {text}") for text in [summary.analysis.diversity.reason] if text),
        *table_facts(results.info, summary.benchmark),
    ]


def _precisions(identity: Any) -> Iterator[str]:
    """The networks of a scorer, each with the precision that it computes in, if its identity says so."""
    if isinstance(identity, Mapping):
        precision = identity.get("precision", identity.get("dtype"))
        if isinstance(precision, str) and isinstance(identity.get("name"), str):
            yield f"{identity['name']} {precision}"
        for part in identity.values():
            yield from _precisions(part)


def run_facts(results: Results) -> list[tuple[str, str]]:
    """Start, model time, seed and code of a run, each as (label, text).

    Wall time is left out, because it means nothing for a run that was resumed.
    """
    info = results.info
    commit = str(info.get("git_commit") or "")
    facts = [
        ("Started", str(info.get("started") or "").replace("T", " ")[:16]),
        ("Model time", duration(model_seconds(results) or None)),
        ("Seed", info.get("seed")),
        ("Code", short_digest(commit) + ("+" if commit.endswith("+") else "")),
    ]
    return [(label, str(text)) for label, text in facts if text not in (None, "")]


def warnings(results: Results, summary: Summary) -> list[str]:
    """The warnings of a benchmark, a line each."""
    info = results.info["benchmarks"][summary.benchmark]
    lines = []
    if limit := subset(results, summary.benchmark):
        lines.append(
            f"a subset of {limit['items']} of {limit['of']} prompts; not comparable with scores on all of them."
        )
    if info["prompt_set"] != "original":
        lines.append(f"the prompts are not the benchmark's own but {info['prompt_set']}.")
    lines += info.get("notes", ())
    lines += [line for judge in info.get("judges", ()) if (line := other_models(judge))]
    if len(summary.quoted):
        lines.append("quoted rows are other people’s numbers; nothing here was measured against them.")
    rows = [row for row in summary.rows.values() if row["scored"] < row["expected"]]
    if rows:
        names = ", ".join(f"{row['arm']} ({row['coverage']})" for row in rows)
        lines.append(
            f"incomplete, so without a headline number: {names}. "
            "Shown instead: the overall score if all that is missing were wrong, and if all were right."
        )
    lines += collapses(summary)
    lines += _late(summary.analysis)
    lines += _trained_once(summary.analysis)
    if cut := results.info.get("cut", {}).get(summary.benchmark):
        names = ", ".join(f"{arm} ({number})" for arm, number in cut.items())
        lines.append(f"samples with a text that was cut at its token limit: {names}; raise the limit with `tokens:`.")
    lines += table_warnings(results.info, summary.benchmark)
    lines += _failures(results, summary.benchmark)
    return [f"{summary.title}: {line}" for line in lines]


def _late(analysis: Analysis) -> Iterator[str]:
    """What was declared when scores were known."""
    late = sum(contrast.declared and not contrast.preregistered for contrast in analysis.contrasts)
    late += sum(not trend.preregistered for trend in analysis.trends)
    late += sum(not contrast.preregistered for contrast in analysis.replicate_contrasts)
    if late:
        yield f"{counted(late, 'comparison')} declared after the run, so tested like those that nobody declared."


def _trained_once(analysis: Analysis) -> Iterator[str]:
    """Recipes whose training noise cannot be known."""
    once = [recipe.name for recipe in analysis.replicates if len(recipe.arms) == 1]
    if once:
        yield f"trained once, so their training noise is not known: {', '.join(once)}."


def subset(results: Results, benchmark: str) -> dict[str, Any] | None:
    """The limit that was set on a benchmark's prompts, if it left any out."""
    limit = (results.info.get("limit") or {}).get(benchmark)
    return dict(limit) if limit and limit["items"] < limit["of"] else None


def _failures(results: Results, benchmark: str) -> list[str]:
    samples = results.samples
    failed = samples[(samples["benchmark"] == benchmark) & (samples["state"] == "failed")]
    kinds = [results.failures[row].kind if row in results.failures else "sample" for row in failed.index]
    reasons = (" ".join(str(reason).split())[:REASON_LENGTH] for reason in failed["reason"])
    causes = Counter(zip(kinds, reasons, strict=True))
    return [f"{FAILED[kind]} × {count}: {reason}" for (kind, reason), count in causes.most_common(REASONS)]


def _coverage_text(results: Results, benchmark: str) -> str:
    samples = results.samples[results.samples["benchmark"] == benchmark]
    counts = samples["state"].value_counts()
    text = f"{counts.get('scored', 0)} of {len(samples)} samples scored"
    for state, label in (("failed", "failed"), ("generated", "not yet scored"), ("pending", "pending")):
        if state in counts:
            text += f", {counts[state]} {label}"
    return text


def _replayed_judges(scorer: Any) -> Iterator[str]:
    """The judges in a scorer's identity whose replies came from a file."""
    if not isinstance(scorer, Mapping):
        return
    if isinstance(source := scorer.get("replayed_from"), str):
        judge = short_scorer(scorer.get("judge"))
        yield f"{judge}, replayed from a file of replies, SHA-256 {short_digest(source)}…"
    for part in scorer.values():
        yield from _replayed_judges(part)


def _reply_reading(scorer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Which parser reads a judge's replies, if the scorer's identity says so."""
    replies = scorer.get("replies")
    if isinstance(replies, Mapping):
        cut = "are no verdict" if replies["cut"] == "fail" else "are read like others"
        yield "Replies", f"read by the {replies['parser']} parser; those that are cut off, refused or empty {cut}"


def _prompts_text(results: Results, benchmark: str) -> str:
    info, limit = results.info["benchmarks"][benchmark], subset(results, benchmark)
    images = f"{counted(info['samples'], 'image')} per prompt"
    of_benchmark = results.samples[results.samples["benchmark"] == benchmark]
    if (of_benchmark.groupby(["arm", "item"]).size() < info["samples"]).any():
        images = f"up to {images}"
    if limit:
        return f"{limit['items']} of {limit['of']} prompts, stratified subset, seed {limit['seed']}; {images}"
    return f"all {info['items']} prompts; {images}"


def model_names(results: Results, models: Any) -> str:
    """Models by their aliases, each with the first digits of a digest of its identity."""
    identities = results.info.get("models", {})
    texts = []
    for name in models:
        identity = identities.get(name)
        texts.append(name if identity is None else short_scorer({"name": name, "identity": identity}))
    return ", ".join(texts)

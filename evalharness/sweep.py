"""``python -m evalharness.sweep FILE``: draw, score, and write the report of a sweep."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness import config, environment, plugins
from evalharness.engine import Engine
from evalharness.errors import ConfigError
from evalharness.inventory import inventory
from evalharness.plan import Plan, make_plan, resize, select
from evalharness.progress import Progress, duration
from evalharness.seeds import canonical, digest
from evalharness.status import pending_jobs, standings
from evalharness.store import Store

if TYPE_CHECKING:
    from evalharness.results import Results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a sweep file, or the name of one that comes with evalharness")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes (default: reports/<name>)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: store/ beside --out)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--limit", type=_positive, metavar="N", help="take only N items of each benchmark")
    size.add_argument("--full", action="store_true", help="take all items and the benchmark's own number of images")
    parser.add_argument("--samples", type=_positive, metavar="N", help="images per prompt")
    parser.add_argument("--only", action="append", default=[], metavar="ARM", help="only this arm; may be repeated")
    own = parser.add_argument_group("in place of what the file says")
    own.add_argument("--model", metavar="NAME", help="the model at the top: a plugin, or a key of models")
    own.add_argument("--weights", metavar="PATH", help="that model's weights")
    own.add_argument("--detector", metavar="NAME", help="the detector of the benchmarks that have one")
    own.add_argument(
        "--official", action="store_true", help="the published weights of that and the CLIP (evalharness fetch geneval)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be drawn and what it would cost")
    parser.add_argument("--retry-failed", action="store_true", help="try the failed samples again")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """The whole job; returns the exit code."""
    sweep = config.load(options.file, partial(amended, options))
    sweep = resize(sweep, full=options.full, limit=options.limit, samples=options.samples)
    plan = make_plan(select(sweep, options.only))
    out: Path = options.out or Path("reports") / sweep.name
    where: Path = options.store or out.parent / "store"
    if options.dry_run:
        with Store(where, write=False) as store:
            found = inventory(plan, store).get("warnings", [])
            _write(*_dry_run(plan, store), *(f"warning: {line}" for line in found))
        return 0
    _make_folder(out)
    with Store(where) as store:
        progress = Progress(quiet=options.quiet)
        info = _work(plan, store, progress, retry_failed=options.retry_failed) | inventory(plan, store)
        for line in info.get("warnings", []):
            progress.say(f"warning: {line}")
        return _report(plan, store, info, out)


def _make_folder(out: Path) -> None:
    """Before hours of work, not after them."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write the report to {out}: {error.strerror}; choose another --out") from error


def amended(options: argparse.Namespace, top: config.SweepFile) -> config.SweepFile:
    """A sweep file as ``--model``, ``--weights``, ``--detector`` and ``--official`` want it, to be checked like any."""
    update: dict[str, Any] = {}
    if options.model or options.weights:
        update |= _with_model(top, options.model or top.model, options.weights)
    if options.detector or options.official:
        update["benchmarks"] = _with_detector(top, options.detector, official=options.official)
    return top.model_copy(update=update)


def _with_model(top: config.SweepFile, model: str | config.Entry | None, weights: str | None) -> dict[str, Any]:
    if model is None:
        raise ConfigError(f"--weights: sweep {top.name!r} has no model at its top; say which with --model")
    if weights is None:
        return {"model": model}
    # Unlike a path in the file, one on the command line is meant relative to where the command runs.
    path = {"weights": str(Path(weights).absolute()) if Path(weights).exists() else weights}
    if isinstance(model, str) and model in top.models:
        return {"model": model, "models": {**top.models, model: _entry(top.models[model]) | path}}
    return {"model": _entry(model) | path}


def _with_detector(top: config.SweepFile, detector: str | None, *, official: bool) -> list[str | config.Entry]:
    usual = [_usual_detector(_entry(entry).get("name")) for entry in top.benchmarks]
    if not any(usual):
        option = "--detector" if detector else "--official"
        raise ConfigError(f"{option}: no benchmark of sweep {top.name!r} has a detector")
    amended: list[str | config.Entry] = []
    for entry, name in zip(top.benchmarks, usual, strict=True):
        chosen = detector or _entry(entry).get("detector", name)
        if official and isinstance(chosen, str | dict):
            chosen = _entry(chosen) | {"weights": "official"}
        networks = {"detector": chosen} | ({"colors": {"weights": "official"}} if official else {})
        amended.append(_entry(entry) | networks if name else entry)
    return amended


def _usual_detector(benchmark: Any) -> str | None:
    """The detector that a benchmark has where none is chosen; ``None`` for one without detectors."""
    if not isinstance(benchmark, str):
        return None
    settings = getattr(plugins.load("benchmarks", benchmark), "Settings", config.NoSettings)
    field = settings.model_fields.get("detector")
    return None if field is None else str(field.get_default(call_default_factory=True).name)


def _entry(entry: str | config.Entry) -> config.Entry:
    return {"name": entry} if isinstance(entry, str) else dict(entry)


def _work(plan: Plan, store: Store, progress: Progress, *, retry_failed: bool) -> dict[str, Any]:
    """Draw and score; returns what the report says of the circumstances, summed up over all goes of this plan."""
    before = store.run_info(plan.key())
    start, clock, worked = datetime.now(UTC), time.monotonic(), -1
    executor = plan.sweep.executor.build()
    info = before
    try:
        worked = Engine(plan, store, executor, progress).run(retry_failed=retry_failed)
    finally:
        executor.close()
        if worked or not before:
            info = {
                "started": before.get("started", start.isoformat(timespec="seconds")),
                "wall_seconds": before.get("wall_seconds", 0.0) + time.monotonic() - clock,
                "hardware": environment.hardware(),
                "versions": environment.versions(),
                "git_commit": environment.git_commit(),
            }
            store.set_run_info(plan.key(), info)
    return info


def _report(plan: Plan, store: Store, info: dict[str, Any], out: Path) -> int:
    from evalharness.load import load_results
    from evalharness.report import build

    results = load_results(plan, store, info)
    page = build(results, out)
    _write(*_table(results), *_failed(results), "", f"report: {page}")
    return 0


def _table(results: Results) -> list[str]:
    """Arm, overall score (the weighted mean of the categories) and coverage, for each benchmark."""
    lines: list[str] = []
    for name, benchmark in results.info["benchmarks"].items():
        rows = [("arm", "overall", "scored")]
        for arm in results.arms["arm"]:
            own = results.samples[(results.samples["arm"] == arm) & (results.samples["benchmark"] == name)]
            scored = own["state"] == "scored"
            rows.append((arm, _overall(own, scored, benchmark["weights"]), f"{scored.sum()}/{len(own)}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines += ["", name]
        lines += [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    return lines


def _overall(own: Any, scored: Any, weights: dict[str, float]) -> str:
    """Only of complete runs: a missing sample is not a zero, nor is it nothing; nor is a category without a sample."""
    from evalharness import stats

    low, high = stats.bounds(own["score"].where(scored), own["category"], weights)
    complete = scored.all() and low == high
    return f"{low:.4f}" if complete else f"incomplete: {low:.2f} to {high:.2f}"


def _failed(results: Results) -> list[str]:
    failed = results.samples[results.samples["state"] == "failed"]
    if failed.empty:
        return []
    reason = failed["reason"].iloc[0]
    return ["", f"{len(failed)} samples failed, the first: {reason}", "--retry-failed tries them again"]


def _dry_run(plan: Plan, store: Store) -> list[str]:
    found = standings(plan, store)
    jobs = pending_jobs(plan, found)
    lines = [f"sweep {plan.sweep.name}, seed {plan.sweep.seed}"]
    for name, protocol in plan.protocols.items():
        lines.append(f"  {name}: {len(protocol.items)} of {protocol.of} items × {protocol.samples} images")
    width = max(len(arm.name) for arm in plan.sweep.arms)
    for arm in plan.sweep.arms:
        own = [one for one in found if one.sample.arm == arm]
        states = [one.state for one in own]
        drawn = sum(one.image is not None for one in own)
        there = f"{drawn} drawn, {states.count('scored')} scored"
        failed = f", {states.count('failed')} failed" if "failed" in states else ""
        lines.append(f"  {arm.name:<{width}}  {len(states)} samples: {there}{failed}")
    lines.append(f"trajectories to draw: {len(jobs)} (arms that differ in their cap share them)")
    lines.append(f"expected time to draw: {_expected(plan, store, [job.key for job in jobs])}")
    return lines


def _expected(plan: Plan, store: Store, keys: Sequence[str]) -> str:
    """From the store's own averages per iteration, else from the model; at most, as a model may stop before its cap."""
    total, unknown = 0.0, 0
    averages = {alias: store.seconds(digest(dict(identity))) for alias, identity in plan.models.items()}
    built = {alias: spec.build() for alias, spec in plan.sweep.models.items()}
    for key in keys:
        job = plan.jobs[key]
        iterations, seconds = averages[job.model].get(canonical(job.variant.key()), (0, 0.0))
        estimate = getattr(built[job.model], "estimate", None)
        if iterations:
            total += seconds / iterations * (job.cap or 1)
        elif estimate is not None:
            total += estimate(job.variant)
        else:
            unknown += 1
    if unknown:
        return "unknown" + (f" for {unknown} trajectories, at most {duration(total)} for the others" if total else "")
    return f"at most {duration(total)}" if total else "nothing"


def _write(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    from evalharness.cli import guarded

    parser = argparse.ArgumentParser(prog="python -m evalharness.sweep", description=__doc__)
    add_arguments(parser)
    return guarded(run, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())

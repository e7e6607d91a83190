"""``evalharness export-replies``: the replies of a run's judges, as a file for the judge ``replay``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness._util.files import atomic_path
from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.judges.recorded import Line
from evalharness.judges.replay import REPLAYED_FROM, called
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.store.find_run import find_run
from evalharness.store.states import SampleState, sample_states
from evalharness.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: beside the store)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")


def run(options: argparse.Namespace) -> int:
    """The whole job; returns the exit code."""
    sweep, where = find_run(options.run, options.store)
    plan = make_plan(sweep)
    scorers = {name: scorer for name, scorer in _scorers(plan).items() if isinstance(scorer, JudgeScorer)}
    if not scorers:
        raise ConfigError(f"no benchmark of {sweep.name!r} asks a judge")
    out: Path = options.out or where.parent / f"{sweep.name}-replies.jsonl"
    with Store(where, write=False) as store:
        found = [one for one in sample_states(plan, store) if one.sample.benchmark in scorers]
        lines = [line for name, scorer in scorers.items() for line in _lines(name, scorer, found, store)]
    if not lines:
        raise ConfigError(f"{where} has no replies for {sweep.name!r}; run the sweep first")
    _write(out, lines)
    if missing := sum(one.score is None for one in found):
        sys.stderr.write(f"warning: {missing} of {len(found)} samples have no score yet\n")
    judges = ", ".join(dict.fromkeys(called(line.judge) for line in lines))
    questions = len({line.question for line in lines})
    sys.stdout.write(f"{len(lines)} replies to {questions} questions by {judges}: {out}\n")
    return 0


def _scorers(plan: Plan) -> dict[str, Any]:
    return {name: planned.benchmark.scorer() for name, planned in plan.benchmarks.items()}


def _lines(name: str, scorer: JudgeScorer, found: list[SampleState], store: Store) -> Iterator[Line]:
    """What the run's own judges said of the run's own images."""
    own = [*_mappings(scorer.identity()), *(dict(judge.identity()) for judge in scorer.judges)]
    judges = {digest(identity): identity for identity in own}
    images = [one.image for one in found if one.sample.benchmark == name and one.image is not None]
    for kept in store.replies.about(images):
        if kept.judge in judges:
            shared = {name: getattr(kept, name) for name in Line.model_fields if name != "judge"}
            yield Line(judge=judges[kept.judge], **shared)


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings inside a JSON value: a scorer's identity holds that of its judge, wherever."""
    if isinstance(value, Mapping):
        yield dict(value)
        for inner in () if REPLAYED_FROM in value else value.values():  # who was replayed, has not been asked
            yield from _mappings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _mappings(inner)


def _write(out: Path, lines: list[Line]) -> None:
    """The file appears whole, or not at all."""
    if out.exists():
        raise ConfigError(f"{out} exists; choose another --out")
    try:
        with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(dict.fromkeys(line.text() for line in lines))
    except OSError as error:
        raise EvalHarnessError(f"cannot write to {out}: {error.strerror}") from error

"""``evalharness export-replies``: writes the replies of a run's judges to a file for the judge ``replay``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.files import atomic_path
from evalharness._util.hashing import digest
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.judges.recorded import Line
from evalharness.judges.replay import REPLAYED_FROM, judge_name
from evalharness.planning.plan import PlannedBenchmark
from evalharness.store.find_run import find_plan
from evalharness.store.states import SampleState, sample_states
from evalharness.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: beside the store)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")


def run(options: argparse.Namespace) -> int:
    """Write the file; returns the exit code."""
    plan, store_path = find_plan(options.run, options.store)
    name = plan.sweep.name
    judged = {benchmark: planned for benchmark, planned in plan.benchmarks.items() if planned.facts.judged}
    if not judged:
        raise ConfigError(f"no benchmark of {name!r} asks a judge")
    out: Path = options.out or store_path.parent / f"{name}-replies.jsonl"
    with Store(store_path, write=False) as store:
        states = [state for state in sample_states(plan, store) if state.sample.benchmark in judged]
        lines = [line for benchmark, planned in judged.items() for line in _lines(benchmark, planned, states, store)]
    if not lines:
        raise ConfigError(f"{store_path} has no replies for {name!r}; run the sweep first")
    _write(out, lines)
    missing = sum(state.score is None for state in states)
    if missing:
        console.write_error(f"warning: {missing} of {len(states)} samples have no score yet")
    judges = ", ".join(dict.fromkeys(judge_name(line.judge) for line in lines))
    questions = len({line.question for line in lines})
    console.write(f"{len(lines)} replies to {questions} questions by {judges}: {out}")
    return ExitCode.INCOMPLETE if missing else ExitCode.COMPLETE


def _lines(name: str, planned: PlannedBenchmark, states: list[SampleState], store: Store) -> Iterator[Line]:
    """The replies of the run's own judges about the run's own images."""
    scorers = [planned.scorer, *(rescoring.scorer for rescoring in planned.rescorings)]
    identities = [identity for scorer in scorers for identity in _mappings(scorer)]
    judges = {digest(identity): identity for identity in identities}
    images = [state.image for state in states if state.sample.benchmark == name and state.image is not None]
    for stored in store.replies.about(images):
        if stored.judge in judges:
            shared = {name: getattr(stored, name) for name in Line.model_fields if name != "judge"}
            yield Line(judge=judges[stored.judge], **shared)


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Give all mappings inside a JSON value: a scorer's identity contains the judge's identity at some depth."""
    if isinstance(value, Mapping):
        yield dict(value)
        for inner in () if REPLAYED_FROM in value else value.values():  # a judge that was replayed was not asked
            yield from _mappings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _mappings(inner)


def _write(out: Path, lines: list[Line]) -> None:
    """Write a file that appears complete or not at all."""
    if out.exists():
        raise ConfigError(f"{out} exists; choose another --out")
    try:
        with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(dict.fromkeys(line.text() for line in lines))
    except OSError as error:
        raise EvalHarnessError(f"cannot write to {out}: {error.strerror}") from error

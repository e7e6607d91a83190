"""``evalharness export``: one arm's images and verdicts as files of a benchmark's own programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from evalharness._util.files import atomic_folder
from evalharness.api.benchmark import Exported, Exporter
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import select
from evalharness.store.find_run import find_run
from evalharness.store.states import SampleState, sample_states
from evalharness.store.store import Store

TRAJECTORIES = "trajectories"
"""In place of a benchmark: all that was drawn, as ``evalharness validate`` and trainings read it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    written = f"the benchmark whose files to write, geneval; or {TRAJECTORIES}"
    parser.add_argument("--format", required=True, metavar="NAME", help=written)
    parser.add_argument("--arm", required=True, metavar="ARM", help="the arm, as the report names it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder (default: beside the store)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")
    parser.add_argument("--incomplete", action="store_true", help="export what is scored, though samples are missing")


def run(options: argparse.Namespace) -> int:
    """The whole job; returns the exit code."""
    sweep, where = find_run(options.run, options.store)
    names = [arm.name for arm in sweep.arms]
    if options.arm not in names:
        raise ConfigError(f"no arm is called {options.arm!r}{did_you_mean(options.arm, names)}")
    plan = make_plan(select(sweep, [options.arm]))
    out: Path = options.out or where.parent / f"{sweep.name}-{options.arm}-{options.format}".replace(" ", "-")
    if options.format == TRAJECTORIES:
        return _trajectories(plan, options, where, out)
    exporter = _exporter(plan, options.format)
    with Store(where, write=False) as store:
        found = [one for one in sample_states(plan, store) if one.sample.benchmark == options.format]
        own = [one for one in found if one.sample.arm.name == options.arm]
        scored = _scored(own, options)
        with _new_folder(out) as folder:
            exporter.export(_exported(scored, store), folder)
    sys.stdout.write(f"{len(scored)} of {len(own)} samples: {out}\n")
    return 0


def _trajectories(plan: Plan, options: argparse.Namespace, where: Path, out: Path) -> int:
    """What was drawn, scored or not, of all benchmarks."""
    from evalharness.training_data import exporting

    with Store(where, write=False) as store:
        own = [one for one in sample_states(plan, store) if one.sample.arm.name == options.arm]
        drawn = [one for one in own if one.steps]
        if not drawn or (len(drawn) < len(own) and not options.incomplete):
            raise ConfigError(
                f"arm {options.arm!r}: {len(own) - len(drawn)} of {len(own)} samples are not drawn; run the sweep again"
                + (", or export with --incomplete" if drawn else "")
            )
        with _new_folder(out) as folder:
            exporting.export(plan, store, drawn, folder)
    sys.stdout.write(f"{len(drawn)} of {len(own)} samples: {out}\n")
    return 0


def _exporter(plan: Plan, name: str) -> Exporter:
    if name not in plan.benchmarks:
        raise ConfigError(f"the run has no benchmark {name!r}{did_you_mean(name, plan.benchmarks)}")
    planned = plan.benchmarks[name]
    if not isinstance(planned.benchmark, Exporter):
        raise ConfigError(f"benchmark {name!r} has no file format of its own to export to")
    if len(planned.items) < planned.of:
        sys.stderr.write(f"warning: a subset of {len(planned.items)} of {planned.of} prompts\n")
    return planned.benchmark


def _scored(own: list[SampleState], options: argparse.Namespace) -> list[SampleState]:
    """The scored samples: all, unless it was said that some may be missing."""
    scored = [one for one in own if one.score is not None]
    if len(scored) < len(own) and not options.incomplete:
        raise ConfigError(
            f"arm {options.arm!r}: {len(own) - len(scored)} of {len(own)} samples are not scored, and a summary would "
            "not say so; run the sweep again, or export with --incomplete"
        )
    if not scored:
        raise ConfigError(f"arm {options.arm!r} has no scored samples; run the sweep first")
    return scored


def _exported(scored: list[SampleState], store: Store) -> Iterator[Exported]:
    for one in scored:
        assert one.score is not None
        assert one.image is not None
        assert one.score_key is not None
        score = replace(one.score, details=store.details(one.score_key))
        yield Exported(one.sample.item, one.sample.seed_index, store.image(one.image), score)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that appears whole under the name ``out``, or not at all."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists and is not an empty folder; choose another --out")
    try:
        with atomic_folder(out) as folder:
            folder.mkdir()
            yield folder
    except OSError as error:
        raise EvalHarnessError(f"cannot write to {out}: {error.strerror}") from error

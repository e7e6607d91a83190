"""``evalharness export``: writes an arm's images and scores in a benchmark's own file format, or results in others."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.files import atomic_folder
from evalharness._util.text import counted, shortened
from evalharness.api import registry
from evalharness.api.benchmark import Export, Exported, Exporter
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean
from evalharness.planning.plan import Plan
from evalharness.store.find_run import find_plan
from evalharness.store.states import SampleState, sample_states
from evalharness.store.store import Store

BAGEL = "bagel"
"""The same in the layout that trainers of BAGEL's family read."""
CARD, SHARD = "card.json", "shard-00000.parquet"
TRAJECTORIES = "trajectories"
"""The format of everything that was drawn, in place of a benchmark: ``evalharness validate`` and trainings read it."""
MAX_FOLDER = 200
"""Bytes of the name of a folder that was not named, which leaves some for the names of its unfinished forms."""
RESULTS = ("every-eval-ever", "model-index")
"""Formats of the scores of all arms, or of one."""
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = f"the folder of a report, or a sweep file that was run; for {BAGEL} also a folder of training data"
    parser.add_argument("run", metavar="RUN", help=what)
    written = f"a benchmark, for files in its format (geneval …); or {TRAJECTORIES}, {BAGEL}, {' or '.join(RESULTS)}"
    parser.add_argument("--format", required=True, metavar="NAME", help=written)
    parser.add_argument("--arm", metavar="ARM", help="an arm; required for images and trajectories")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a new folder (default: beside the store)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")
    parser.add_argument("--incomplete", action="store_true", help="export what is scored, even if samples are missing")
    parser.add_argument("--organization", metavar="NAME", default="unknown", help="who evaluated, for every-eval-ever")
    about = "the evaluator's relationship to the model, for every-eval-ever (default: other)"
    parser.add_argument("--relationship", choices=RELATIONSHIPS, default="other", help=about)


def run(options: argparse.Namespace) -> int:
    """Export the arm; returns the exit code."""
    if options.format == BAGEL and (Path(options.run) / CARD).is_file():
        return _data_set(Path(options.run), options)
    if options.format in RESULTS:
        return _results(options)
    if options.arm is None:
        raise ConfigError("--arm is missing: which arm of the run is to be exported?")
    plan, store_path = find_plan(options.run, options.store, arms=[options.arm])
    names = [arm.name for arm in plan.sweep.arms]
    if options.arm not in names:  # an entry of the sweep file that stands for several arms
        raise ConfigError(f"no arm is called {options.arm!r}{did_you_mean(options.arm, names)}")
    usual = f"{plan.sweep.name}-{options.arm}-{options.format}".replace(" ", "-")
    out: Path = options.out or store_path.parent / shortened(usual, MAX_FOLDER)
    if options.format in (TRAJECTORIES, BAGEL):
        return _trajectories(plan, options, store_path, out)
    export = _export(plan, options.format)
    with Store(store_path, write=False) as store:
        states = [state for state in sample_states(plan, store) if state.sample.benchmark == options.format]
        arm_states = [state for state in states if state.sample.arm.name == options.arm]
        scored = _scored(arm_states, options)
        with _new_folder(out) as folder:
            try:
                export(_exported(scored, store), folder, plan.benchmarks[options.format].scorer)
            except (LookupError, TypeError, ValueError, StopIteration) as error:
                raise ConfigError(
                    f"the items or scores of this run are not those of {options.format!r}: {error!r}"
                ) from error
    return _conclude(len(scored), len(arm_states), out)


def _trajectories(plan: Plan, options: argparse.Namespace, store_path: Path, out: Path) -> int:
    """Export everything that was drawn for all benchmarks, whether scored or not."""
    from evalharness.analysis.examples.conflicts import conflict
    from evalharness.training_data import bagel_layout, exporting

    with Store(store_path, write=False) as store:
        arm_states = [state for state in sample_states(plan, store) if state.sample.arm.name == options.arm]
        drawn = [state for state in arm_states if state.steps]
        if not drawn or (len(drawn) < len(arm_states) and not options.incomplete):
            raise ConfigError(
                f"arm {options.arm!r}: {len(arm_states) - len(drawn)} of {len(arm_states)} samples are not drawn; "
                "run the sweep again" + (", or export with --incomplete" if drawn else "")
            )
        with _new_folder(out) as folder:
            if options.format == BAGEL:
                bagel_layout.write(folder / SHARD, exporting.records_of(plan, store, drawn), conflict)
            else:
                exporting.export(plan, store, drawn, folder)
    return _conclude(len(drawn), len(arm_states), out)


def _data_set(folder: Path, options: argparse.Namespace) -> int:
    """Export the records of a data set for trainers of BAGEL's family."""
    from evalharness.analysis.examples.conflicts import conflict
    from evalharness.training_data import bagel_layout, records

    if options.arm is not None:
        raise ConfigError(f"--arm is for runs; {folder} is a data set")
    out: Path = options.out or folder.parent / f"{folder.name}-{BAGEL}"
    with _new_folder(out) as new:
        count = bagel_layout.write(new / SHARD, records.read(folder), conflict)
    return _conclude(count, count, out)


def _results(options: argparse.Namespace) -> int:
    """Export the scores of all arms, or of one."""
    from evalharness._front import load_results
    from evalharness.report.every_eval_ever import Evaluator, write_records
    from evalharness.report.model_index import write_model_index

    with load_results(options.run, store=options.store) as results:
        names = results.arms["arm"].tolist()
        if options.arm not in (None, *names):
            raise ConfigError(f"no arm is called {options.arm!r}{did_you_mean(options.arm, names)}")
        arms = names if options.arm is None else [options.arm]
        out: Path = options.out or Path(f"{results.plan.sweep.name}-{options.format}".replace(" ", "-"))
        with _new_folder(out) as folder:
            if options.format == "model-index":
                count = write_model_index(results.data, folder, arms)
            else:
                evaluator = Evaluator(options.organization, options.relationship, time.time())
                count = write_records(results.data, folder, evaluator, arms)
        scored = results.samples["state"] == "scored"
        chosen = results.samples["arm"].isin(arms)
    console.write(f"{counted(count, 'file')}: {out}")
    return ExitCode.COMPLETE if scored[chosen].all() else ExitCode.INCOMPLETE


def _conclude(exported: int, expected: int, out: Path) -> ExitCode:
    console.write(f"{exported} of {expected} samples: {out}")
    return ExitCode.COMPLETE if exported == expected else ExitCode.INCOMPLETE


def _export(plan: Plan, name: str) -> Export:
    if name not in plan.benchmarks:
        raise ConfigError(f"the run has no benchmark {name!r}{did_you_mean(name, plan.benchmarks)}")
    planned = plan.benchmarks[name]
    plugin = registry.load("benchmarks", planned.facts.plugin)  # its class alone: nothing of the run is set in it
    if not issubclass(plugin, Exporter):
        raise ConfigError(f"benchmark {name!r} has no file format of its own to export to")
    if len(planned.items) < planned.of:
        console.write_error(f"warning: a subset of {len(planned.items)} of {planned.of} prompts")
    export: Export = plugin.export
    return export


def _scored(arm_states: list[SampleState], options: argparse.Namespace) -> list[SampleState]:
    """The scored samples: all samples of the arm, or with ``--incomplete`` some of them."""
    scored = [state for state in arm_states if state.score is not None]
    if len(scored) < len(arm_states) and not options.incomplete:
        raise ConfigError(
            f"arm {options.arm!r}: {len(arm_states) - len(scored)} of {len(arm_states)} samples are not scored, and a "
            "summary would not say so; run the sweep again, or export with --incomplete"
        )
    if not scored:
        raise ConfigError(f"arm {options.arm!r} has no scored samples; run the sweep first")
    return scored


def _exported(scored: list[SampleState], store: Store) -> Iterator[Exported]:
    for state in scored:
        assert state.score is not None
        assert state.image is not None
        assert state.score_key is not None
        item = state.sample.item.id
        if Path(item).name != item or item == "..":  # it becomes the name of a file
            raise ConfigError(f"item {item!r} has no name that a file can have")
        score = replace(state.score, details=store.scores.details(state.score_key))
        yield Exported(state.sample.item, state.sample.seed_index, store.images.read(state.image), score)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Give a folder that appears under the name ``out`` complete or not at all."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists and is not an empty folder; choose another --out")
    try:
        with atomic_folder(out) as folder:
            folder.mkdir()
            yield folder
    except OSError as error:
        raise EvalHarnessError(f"cannot write to {out}: {error.strerror}") from error

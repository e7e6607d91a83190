"""The functions behind ``import evalharness as eh``; see docs/python-api.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import Image

from evalharness._util.progress import Progress
from evalharness.config import literature, sweep_files
from evalharness.config.schema import Sweep
from evalharness.config.shards import sharded
from evalharness.errors import ConfigError
from evalharness.execution.imported import imported_images
from evalharness.execution.parts import ALL, Parts
from evalharness.execution.session import run_plan
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_drawing_plan, make_plan
from evalharness.planning.subsets import Size
from evalharness.store.find_run import find_plan, is_store
from evalharness.store.report_folders import REPORTS, locked_folder, report_folder, require_no_larger_report
from evalharness.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.analysis.comparison import Comparison
    from evalharness.store.results import Results as RunResults


def load_sweep(
    file: str | Path,
    *,
    limit: int | None = None,
    samples: int | None = None,
    full: bool = False,
    only: Sequence[str] = (),
    shard: str | None = None,
) -> Sweep:
    """Read and check a sweep file.

    Args:
        file: A path, or the name of a sweep file that comes with evalharness, such as ``iters``.
        limit: Take at most this many items of each benchmark.
        samples: Images per prompt, in place of the file's number.
        full: Take all items and the benchmark's own number of images.
        only: Names of arms; a name in the file stands for all arms that it expands to.
        shard: Part ``i/n`` of the sweep, such as ``2/8``; its report and store are beside those of the sweep.

    Raises:
        ConfigError: The file is wrong; the message has the line.
    """
    return Size(full, limit, samples, tuple(only), shard).of(sweep_files.load(file))


def plan(sweep: Sweep | str | Path, **size: Any) -> Plan:
    """List all samples of a sweep, and the trajectories that they share; nothing heavy is loaded.

    Args:
        sweep: A loaded sweep, or a file for :func:`load_sweep`, to which ``size`` is passed on.

    Raises:
        ConfigError: A model cannot do what an arm needs.
        WeightsError: Weights are missing.
    """
    return make_plan(_loaded(sweep, size))


def dry_run(sweep: Sweep | str | Path, *, store: str | Path | None = None, **size: Any) -> str:
    """Describe what a run would draw and score, and how long that may take; nothing is drawn.

    Args:
        sweep: A loaded sweep, or a file for :func:`load_sweep`, to which ``size`` is passed on.
        store: Folder of images and scores (default: ``reports/store``).
    """
    from evalharness.analysis.examples.missing import most_intermediate_scores
    from evalharness.execution import dry_run as dry

    loaded = _loaded(sweep, size)
    store_path = sharded(Path(store) if store is not None else REPORTS / "store", loaded.shard)
    command = "evalharness timing FILE --draw 8"
    lines = dry.dry_run(loaded, store_path, command, count_searched=most_intermediate_scores)
    return "\n".join([*lines, *power_lines(loaded, store_path)])


def power_lines(sweep: Sweep, store: Path) -> list[str]:
    """Which differences a sweep could tell apart, for people; the store is only read and need not exist."""
    from evalharness.analysis.power_forecast import power_forecasts

    with Store(store, write=False) as opened:
        return [str(forecast) for forecast in power_forecasts(make_plan(sweep, {}), opened)]


def run(
    sweep: Sweep | Plan | str | Path,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    retry_failed: bool = False,
    draw_only: bool = False,
    score_only: bool = False,
    check_space: bool = True,
    quiet: bool = False,
    **size: Any,
) -> Results:
    """Draw and score what is missing, and write the report.

    One sample of each arm goes through all stages before any other work begins.

    Args:
        sweep: A loaded sweep, a plan, or a file for :func:`load_sweep`, to which ``size`` is passed on.
        out: Folder of the report (default: ``reports/NAME``; for a trial of a few samples, one beside it, such as
            ``reports/NAME-limit-40``).
        store: Folder of images and scores (default: ``store`` beside ``out``).
        retry_failed: Try the samples again that failed in an earlier run.
        draw_only: Score nothing and write no report; weights of scorers may be missing.
        score_only: Draw nothing.
        check_space: Stop before anything is drawn if the disk has less space than the images will take.
        quiet: Show no progress on stderr.

    Raises:
        EvalHarnessError: Something is wrong with the sweep, the store or the machine; the message is one line.
    """
    if draw_only and score_only:
        raise ConfigError("draw_only and score_only exclude each other; choose one of them")
    planned = sweep if isinstance(sweep, Plan) else _planned(_loaded(sweep, size), draw_only=draw_only)
    taken = _size(size)
    whole = Path(out) if out is not None else report_folder(planned.sweep.name, taken)
    folder = sharded(whole, planned.sweep.shard)
    store_path = sharded(Path(store) if store is not None else whole.parent / "store", planned.sweep.shard)
    parts = Parts(drawing=not score_only, scoring=not draw_only)
    results, _ = run_and_report(
        planned,
        folder,
        store_path,
        retry_failed=retry_failed,
        parts=parts,
        quiet=quiet,
        trial=bool(taken.label),
        check_space=check_space,
    )
    return results


def run_and_report(
    plan: Plan,
    out: Path,
    store: Path,
    *,
    retry_failed: bool = False,
    parts: Parts = ALL,
    quiet: bool = False,
    trial: bool = False,
    check_space: bool = True,
    gallery_mb: float | None = None,
    info: Mapping[str, Any] | None = None,
) -> tuple[Results, Path | None]:
    """Run a plan and write its report, for :func:`run` and the command line.

    Args:
        parts: The parts of the run that are done.
        trial: Whether fewer samples may have been chosen than the sweep file says; then a larger report stays.
        check_space: Whether free disk space is compared with what the images will take.
        gallery_mb: See :meth:`Results.to_html`.
        info: Entries that replace those of :attr:`Results.info`.

    Returns:
        The results, and the page of the report; ``None`` if nothing was to be scored.

    Raises:
        ConfigError: Another run writes to ``out``, a trial would replace a larger report there, or the disk is too
            small.
    """
    from evalharness.analysis.examples.missing import score_searches
    from evalharness.report.publish import require_publishable

    if trial:
        require_no_larger_report(out, plan)
    with locked_folder(out):
        if parts.scoring:
            require_publishable(out)
        with Store(store) as opened:
            run_info = run_plan(
                plan,
                opened,
                out,
                progress=Progress(quiet=quiet),
                make_searches=score_searches if parts.scoring else None,
                retry_failed=retry_failed,
                parts=parts,
                check_space=check_space,
            )
        results = Results(plan, store, run_info | dict(info or {}))
        return results, results.to_html(out, gallery_mb=gallery_mb) if parts.scoring else None


def load_results(
    run: str | Path, *, store: str | Path | None = None, quoted: Sequence[str] = (), **size: Any
) -> Results:
    """Load the results of an earlier run from its store; nothing is drawn or scored.

    Args:
        run: Folder of a report, or a sweep file that was run.
        store: Folder of images and scores (default: beside the report).
        quoted: Published results to quote beside the run's own.
        size: How much of a sweep file was run, as for :func:`load_sweep`.

    Raises:
        ConfigError: There is no such run, or its store has no results of it.
    """
    planned, store_path = find_plan(run, None if store is None else Path(store), _size(size))
    return _stored_results(run, planned, store_path, quoted)


def compare(
    first: Results | str | Path,
    second: Results | str | Path,
    *others: Results | str | Path,
    arm: str | None = None,
    arm_b: str | None = None,
) -> Comparison:
    """Compare runs, paired by prompt and seed where they share them; differences are ``second`` minus ``first``.

    Args:
        first: Results, or the folder of a report, or a sweep file that was run.
        second: The same.
        others: More runs, each compared with ``first``.
        arm: An arm of ``first`` (default: all arms that have the same name in both).
        arm_b: The arm of the others to compare it with (default: the arm of that name).
    """
    from evalharness.analysis import comparison

    runs = [run if isinstance(run, Results) else load_results(run) for run in (first, second, *others)]
    name = arm or arm_b
    pairs = [] if name is None else [(name, arm_b or name)]
    return comparison.compare_runs([run.data for run in runs], pairs)


class Results:
    """The results of a run: samples, arms and statistics as pandas frames, trajectories and images on demand.

    The store stays open for reading until :meth:`close`, or the end of a ``with`` block.
    """

    def __init__(self, plan: Plan, store: str | Path, info: Mapping[str, Any] | None = None) -> None:
        self.plan = plan
        self._store = Store(Path(store), write=False)
        if info is None:
            info = self._store.runs.get(plan.key()) | {"warnings": []} | imported_images(plan, self._store)
        self._info = info

    @cached_property
    def data(self) -> RunResults:
        """The frames and readers that the analysis and the report work from."""
        from evalharness.store.load import load_results as load

        return load(self.plan, self._store, self._info)

    @property
    def info(self) -> Mapping[str, Any]:
        """The circumstances of the run: sweep, models, scorers, versions, hardware, warnings."""
        return self.data.info

    @property
    def samples(self) -> pd.DataFrame:
        """A row for each sample; the columns are those of ``evalharness.store.results.SAMPLE_COLUMNS``."""
        return self.data.samples

    @property
    def arms(self) -> pd.DataFrame:
        """A row for each arm: model, variant, settings, and which one is the baseline."""
        return self.data.arms

    def contrasts(self) -> pd.DataFrame:
        """Paired differences of the arms, overall and by category.

        Differences are in -1..1, with 95 % intervals and p-values that are corrected over the whole run.
        """
        import pandas as pd

        from evalharness.analysis import analyse
        from evalharness.report import analysis_frames

        return pd.concat([analysis_frames.contrasts(analysis.contrasts) for analysis in analyse(self.data).values()])

    def scores(self) -> pd.DataFrame:
        """The overall score of each arm on each benchmark, in 0..1, with its 95 % interval.

        An arm that lacks samples has no score: NaN. ``scored`` and ``expected`` are numbers of samples.
        """
        import pandas as pd

        from evalharness.analysis import analyse

        rows = []
        for name, analysis in analyse(self.data).items():
            for arm in analysis.scores:
                overall, (scored, expected) = analysis.known_scores(arm)[""], analysis.counts(arm)
                score = {"score": overall.value, "low": overall.low, "high": overall.high}
                rows.append({"benchmark": name, "arm": arm, **score, "scored": scored, "expected": expected})
        return pd.DataFrame(rows)

    def trajectory(self, key: str) -> list[dict[str, Any]]:
        """The steps of a trajectory, by its key in the column ``trajectory``.

        A step has kind, iteration, text, image (a digest), seed, evaluations, tokens, seconds and dollars.
        """
        return self.data.steps(key)

    def image(self, digest: str) -> Image.Image:
        """An image of the run, by the digest in the column ``image`` or in a step."""
        with Image.open(self.data.image_path(digest), formats=["PNG"]) as image:
            return image.convert("RGB")

    def to_html(self, out: str | Path, *, gallery_mb: float | None = None) -> Path:
        """Write the report to the folder ``out``.

        Args:
            out: A folder; an earlier report in it is replaced.
            gallery_mb: Maximum size of the gallery's images in megabytes (default: all images).

        Returns:
            The page, ``out/index.html``.
        """
        from evalharness.report import build

        return build(self.data, Path(out), gallery_mb=gallery_mb)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        sweep = self.plan.sweep
        return f"<Results of {sweep.name!r}: {len(sweep.arms)} arms, {len(self.plan.samples)} samples>"


def _stored_results(run: str | Path, planned: Plan, store: Path, quoted: Sequence[str] = ()) -> Results:
    """Load the results of a plan from a store; ``run`` is the user's name for it, for messages.

    Raises:
        ConfigError: There is no store, or nothing of this run in it.
    """
    more = dict.fromkeys(map(literature.resolve_option, quoted))
    rows = [row for row in literature.rows(more) if row not in planned.literature]
    planned = replace(planned, literature=[*planned.literature, *rows])
    if not is_store(store):
        raise ConfigError(f"{run}: there is no store at {store}; run the sweep first, or say where with --store")
    results = Results(planned, store)
    if not results.samples["state"].isin(["scored", "generated", "failed"]).any():
        results.close()
        raise ConfigError(f"{run}: the store at {store} has nothing of this run; run the sweep first")
    return results


def _planned(sweep: Sweep, *, draw_only: bool) -> Plan:
    return make_drawing_plan(sweep) if draw_only else make_plan(sweep)


def _loaded(sweep: Sweep | str | Path, size: Mapping[str, Any]) -> Sweep:
    if isinstance(sweep, Sweep):
        return _size(size).of(sweep)
    return load_sweep(sweep, **size)


def _size(size: Mapping[str, Any]) -> Size:
    return Size(**{**size, "only": tuple(size.get("only", ()))})

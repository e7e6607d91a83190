"""The options ``--track`` and ``--project``: results go to an experiment tracker, too."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.api import registry
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure
from evalharness.api.tracker import TrackedArm, Tracker
from evalharness.cli.options import require_results
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.store.results import Results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--track", metavar="NAME", help="also hand the results to a tracker: wandb or trackio")
    parser.add_argument("--project", metavar="NAME", help="the tracker's project (default: the name of the sweep)")


@dataclass(frozen=True, slots=True)
class Tracking:
    """A tracker that results go to; none without ``--track``."""

    tracker: Tracker | None
    project: str | None

    def track(self, results: Results) -> list[str]:
        """Hand over the results; returns what to say of it.

        Raises:
            EvalHarnessError: The tracker failed.
        """
        if self.tracker is None:
            return []
        from evalharness.report.tracking import tracked_arms

        tracker, project, count = self.tracker, self.project or str(results.info["name"]), 0

        def track(arms: Sequence[TrackedArm], /) -> list[str]:
            for arm in arms:
                tracker.track(arm, project)
            return [arm.name for arm in arms]

        for arm in tracked_arms(results):
            (outcome,) = isolate(track, [arm])
            if isinstance(outcome, Failure):
                raise EvalHarnessError(
                    f"the report is written, but {tracker.name} failed at arm {arm.name!r}: {outcome.reason}"
                )
            count += 1
        return [f"tracked: {count} arms in project {project!r} of {tracker.name}"]


NOWHERE = Tracking(None, None)


def tracking_of(options: argparse.Namespace) -> Tracking:
    """The tracker that the options name, before anything is done for it.

    Raises:
        ConfigError: ``--project`` stands alone, or the run writes no report.
        PluginError: There is no such tracker, or its package is not installed.
    """
    if options.track is None:
        if options.project is not None:
            raise ConfigError("--project needs --track, such as --track wandb")
        return NOWHERE
    require_results(options, "has no results that --track could hand over")
    return Tracking(registry.load("trackers", options.track)(), options.project)

"""Does the missing work of a plan: an executor draws trajectories and scores images, the engine stores the results.

Only what the store lacks is worked on, so a run is continued by starting it again. Workers return results; only this
process writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from evalharness._util.progress import Progress, Stage
from evalharness._util.text import counted
from evalharness.api.executor import Executor, WorkerState
from evalharness.errors import StoreError
from evalharness.execution.canary import CheckedArm
from evalharness.execution.engine_pass import EnginePass, ScoreSearch
from evalharness.execution.parts import ALL, Parts
from evalharness.execution.stage_progress import StageProgress
from evalharness.planning.plan import Plan
from evalharness.store.store import Store

MakeSearches = Callable[[Plan, Store], Sequence[ScoreSearch]]
PASSES = 3
"""Number of passes after which a disk that damages new files is given up."""


@dataclass
class Engine:
    """Runs a plan.

    Attributes:
        parts: The parts of the run that are done.
        make_searches: Makes the searches whose intermediate images are scored once all samples are.
        retry_failed: Whether to try once more all that failed, not only what was no sample's fault. Until that
            succeeds, its failure stands.
        check_space: Whether to stop if the images to draw do not fit on the disk.
        stops: Models and benchmarks whose work a budget or failures ended, each with the reason.
        stages: The progress of the present pass.
        checked: What became of the first samples of each arm.
        device_warnings: A line for each device that was not used to the end.
        stopping: Whether no more work is begun.
    """

    plan: Plan
    store: Store
    executor: Executor
    progress: Progress
    parts: Parts = ALL
    make_searches: MakeSearches | None = None
    retry_failed: bool = False
    check_space: bool = False
    stops: dict[str, str] = field(default_factory=dict)
    stages: StageProgress = field(default_factory=StageProgress)
    checked: list[CheckedArm] = field(default_factory=list)
    device_warnings: list[str] = field(default_factory=list)
    stopping: bool = field(default=False, init=False)
    _pass: EnginePass | None = field(default=None, init=False)

    def prepare(self) -> EnginePass:
        """Look up what is missing; nothing is begun.

        Returns:
            The first pass.

        Raises:
            ConfigError: The images to draw do not fit on the disk.
        """
        self._forget_damaged(self.store.images.damaged(self.store.trajectories.image_digests(self.plan.jobs)))
        return self._prepared_pass(self.store.failures.to_retry(all_kinds=self.retry_failed), self.parts)

    def run(self) -> int:
        """Draw and score what is missing.

        Returns:
            The number of trajectories and scores that were worked on.

        Raises:
            ConfigError: The images to draw do not fit on the disk.
            StoreError: Images are damaged as soon as they are written.
        """
        engine_pass, worked = self._pass or self.prepare(), 0
        later = replace(self.parts, check="none") if self.parts.check == "first" else self.parts
        for number in range(PASSES):
            if number:
                engine_pass = self._prepared_pass(set(), later)
            if self.stopping:
                engine_pass.stop()
            engine_pass.run()
            if engine_pass.canary is not None:
                self.checked = engine_pass.canary.outcomes()
            if self.make_searches is not None and not engine_pass.damaged and not self.stopping:
                engine_pass.score_intermediate(self.make_searches(self.plan, self.store))
            worked += sum(queue.done for queue in self.stages.queues)
            if not engine_pass.damaged or self.stopping:
                return worked
            self._forget_damaged(engine_pass.damaged)
        raise StoreError(f"{self.store.path}: images are damaged again and again; check the disk")

    def _prepared_pass(self, retry: set[str], parts: Parts) -> EnginePass:
        engine_pass = EnginePass(self.plan, self.store, self.executor, self.progress, retry, self.stops, parts)
        engine_pass.prepare(check_space=self.check_space)
        self._pass, self.stages = engine_pass, engine_pass.progress
        return engine_pass

    def stop(self) -> None:
        """Begin no more work; what is in hand is finished and kept. May be called from another thread."""
        self.stopping = True
        with self.store.lock:
            in_hand = sum(len(queue.in_hand) for queue in self.stages.queues)
            if self._pass is not None:
                self._pass.stop()
        self.progress.say(f"stopping: {counted(in_hand, 'sample')} in hand to finish; a second signal stops at once")

    def snapshot(self) -> tuple[dict[str, Stage], list[str], list[WorkerState]]:
        """The stages, the keys of the jobs in hand, and the workers; may be called from another thread."""
        with self.store.lock:
            in_hand = [key for queue in self.stages.queues for key in queue.in_hand]
            return dict(self.stages.stages), in_hand, self.executor.workers()

    def _forget_damaged(self, damaged: Collection[str]) -> None:
        """Forget the trajectories that have a damaged image, so that they are drawn again."""
        if not damaged:
            return
        stored = self.store.trajectories.get(self.plan.jobs)
        keys = [key for key, trajectory in stored.items() if any(step.image in damaged for step in trajectory.steps)]
        self.progress.say(
            f"warning: {len(damaged)} images in {self.store.path} are damaged or gone; "
            f"{len(keys)} trajectories are drawn again"
        )
        self.store.trajectories.delete(keys)

"""Decides what becomes of samples that failed or whose worker died: whose fault it is, and who tries them again.

A failure that the plugin does not blame on its sample may be the process's or the device's. The sample is then tried
again, alone, in another process, and counts as failed only if it fails there, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalharness._util.text import one_line
from evalharness.api.executor import Done, WorkQueue
from evalharness.api.failure import Failure
from evalharness.errors import EvalHarnessError

RETRIES = 2
"""Number of times that a sample is tried again after its worker died, on this machine."""
MAX_FAULTS = 10
"""Consecutive faults of a queue's workers, with no success in between, that end the run: they are no sample's fault."""
QUARANTINE = 3
"""Consecutive faults of a device's processes, with no success in between, after which it is not used any more."""
CONFIRMATIONS = 3
"""Samples that failed in a fresh process, too, after which failures of that cause are believed at once."""


@dataclass(eq=False)
class Process:
    """A process that works for a run.

    Attributes:
        worker: Its name and number.
        host: Its machine; empty for this one.
        device: Its device, unique among all machines; empty if it has none of its own.
        proven: Whether it has had a success.
    """

    worker: str
    host: str = ""
    device: str = ""
    proven: bool = False


@dataclass
class Verdict:
    """What follows from a batch.

    Attributes:
        jobs: Those that are done.
        outcomes: Their outcomes.
        replace: Whether the process may be at fault, and another is to take its place.
    """

    jobs: list[Any] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)
    replace: bool = False

    def add(self, job: Any, outcome: Any) -> None:
        self.jobs.append(job)
        self.outcomes.append(outcome)


class FaultRecord:
    """Counts faults by queue, by sample and by device.

    Args:
        retries: Number of times that a sample is tried again after its worker died.
        devices: The devices of the run.
        replay: Whether each cause is first confirmed in a fresh process. Otherwise a failure counts at once if the
            process had a success after it.
    """

    def __init__(self, retries: int, devices: Collection[str] = (), *, replay: bool = True) -> None:
        self._retries, self._replay = retries, replay
        self.devices = set(devices)
        self.quarantined: dict[str, str] = {}
        """Devices that are not used any more, each with the last fault."""
        self._consecutive: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._confirmed: Counter[tuple[str, str]] = Counter()
        self._device_faults: Counter[str] = Counter()

    def batch_done(self, queue: WorkQueue, jobs: Sequence[Any], outcomes: Sequence[Any], process: Process) -> Verdict:
        """Sort the outcomes of a batch into those that stand and those that another process has to confirm.

        Jobs of the latter are put back into the queue, each alone.

        Raises:
            EvalHarnessError: Workers of this queue fail one after the other.
        """
        queue.note(jobs, outcomes, process.worker)
        failures = [outcome if isinstance(outcome, Failure) else None for outcome in outcomes]
        if None in failures or any(failure.expected for failure in failures if failure is not None):
            process.proven = True
            self._consecutive[queue.name] = self._device_faults[process.device] = 0
        verdict, suspects = Verdict(), []
        last_success = max((index for index, failure in enumerate(failures) if failure is None), default=-1)
        for index, (job, outcome, failure) in enumerate(zip(jobs, outcomes, failures, strict=True)):
            if failure is None or failure.expected:
                verdict.add(job, outcome)
                continue
            self._attempts[job.key] += 1
            if self._stands(queue, job, failure, process, followed=index < last_success):
                attempt = self._attempts[job.key]
                verdict.add(job, failure.at(process.worker, process.device, process.host, attempt))
                verdict.replace |= failure.kind == "worker" and not failure.out_of_memory
            else:
                suspects.append((job, failure))
                verdict.replace |= failure.kind != "transient"
        queue.put_back([job for job, _ in suspects], alone=True)
        if verdict.replace:
            self._count_fault(queue, process, next(failure for failure in failures if failure is not None))
        return verdict

    def worker_died(self, queue: WorkQueue, running: Sequence[Any], reason: str, process: Process) -> Iterator[Done]:
        """Put the batch that was being worked on back, each sample alone, and fail those that used up their retries.

        Raises:
            EvalHarnessError: Workers of this queue die one after the other.
        """
        try:
            self._count_fault(queue, process, Failure(reason, "worker"))
        except EvalHarnessError:
            queue.put_back(running)
            raise
        text = f"{self._retries + 1} workers died at it, the last: {reason}" if self._retries else reason
        failure = Failure(one_line(text), "worker")
        yield from retry_or_fail(queue, running, self._attempts, self._retries, failure, process, alone=True)

    def warnings(self) -> list[str]:
        """A line for each device that is not used any more."""
        return [f"{device} is not used any more: {reason}" for device, reason in self.quarantined.items()]

    def _stands(self, queue: WorkQueue, job: Any, failure: Failure, process: Process, *, followed: bool) -> bool:
        """Whether a failure counts, for now that it has failed in this process, too."""
        attempt, cause = self._attempts[job.key], (queue.name, failure.signature)
        if failure.kind == "transient":
            return attempt > self._retries
        if not process.proven and self._other_devices(process):
            self._attempts[job.key] -= 1  # this device has not shown yet that it works
            return False
        if attempt > min(1, self._retries):
            self._confirmed[cause] += 1
            return True
        if failure.kind != "sample":
            return False
        if not self._replay:
            return followed
        return process.proven and self._confirmed[cause] >= CONFIRMATIONS

    def _count_fault(self, queue: WorkQueue, process: Process, failure: Failure) -> None:
        self._consecutive[queue.name] += failure.kind == "worker"
        self._device_faults[process.device] += 1
        if self._device_faults[process.device] >= QUARANTINE and self._other_devices(process):
            self.quarantined[process.device] = failure.reason
            self._consecutive[queue.name] = 0
        if self._consecutive[queue.name] >= MAX_FAULTS:
            raise EvalHarnessError(
                f"{MAX_FAULTS} workers to {queue.name} failed or died, one after the other: "
                f"{failure.reason}; run again to continue"
            )

    def _other_devices(self, process: Process) -> bool:
        return bool(self.devices - self.quarantined.keys() - {process.device})


def retry_or_fail(
    queue: WorkQueue,
    jobs: Sequence[Any],
    losses: Counter[str],
    limit: int,
    failure: Failure,
    process: Process,
    *,
    alone: bool,
) -> Iterator[Done]:
    """Put jobs back, but fail those that were lost more than ``limit`` times."""
    losses.update(job.key for job in jobs)
    queue.put_back([job for job in jobs if losses[job.key] <= limit], alone=alone)
    if failed := [job for job in jobs if losses[job.key] > limit]:
        place = (process.worker, process.device, process.host)
        yield queue, failed, [failure.at(*place, losses[job.key]) for job in failed]

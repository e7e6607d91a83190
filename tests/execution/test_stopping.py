"""A first SIGTERM or Ctrl-C lets a run finish what is in hand; a second ends it at once."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import ray_runs
from ray_runs import RunningSweep, write

from evalharness.execution.signals import stopping_on_signal

EXECUTORS: dict[str, dict[str, Any]] = {
    "in process": {"name": "local", "in_process": True},
    "children": {"name": "local", "workers": 2},
}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
KEPT = "evalharness: interrupted; what was done is kept, run the same command again to continue"


@pytest.fixture(autouse=True)
def in_this_process() -> None:
    """The executor may start children."""


def waiting(folder: Path, notes: Path, executor: dict[str, Any]) -> Path:
    """A sweep whose second sample is in hand until the notes have a file ``go``."""
    return write(
        folder,
        executor,
        model={"name": "crashing", "notes": str(notes), "batch_size": 1},
        benchmarks=[{"name": "crashing", "special": ["plain", "waits"], "items": 30}],
    )


def until_in_hand(running: RunningSweep, file: Path, notes: Path) -> None:
    running.until("the first sample is scored", lambda: ray_runs.rows(file, "scores", "key"))
    running.until("the second sample is in hand", lambda: (notes / "waiting").exists())


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_what_is_in_hand_is_finished_and_kept(
    tmp_path: Path, env: dict[str, str], notes: Path, executor: dict[str, Any], number: signal.Signals
) -> None:
    """The signal goes to all processes, as from a batch system."""
    file = waiting(tmp_path / "a", notes, executor)
    with ray_runs.running(file, env) as running:
        until_in_hand(running, file, notes)
        ray_runs.signal_all(ray_runs.descendants(running.process.pid), number)
        running.until("it says what it does", lambda: "a second signal stops at once" in running.log.read_text())
        (notes / "go").touch()
        message = running.ends(CODES[number], 60)
    assert message.splitlines()[-1] == KEPT
    prompts = {prompt for (prompt,) in ray_runs.rows(file, "trajectories", "prompt")}
    assert "waits" in prompts
    assert len(prompts) < 30


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_a_second_signal_ends_the_run_at_once(
    tmp_path: Path, env: dict[str, str], notes: Path, executor: dict[str, Any]
) -> None:
    file = waiting(tmp_path / "a", notes, executor)
    with ray_runs.running(file, env) as running:
        until_in_hand(running, file, notes)
        running.process.send_signal(signal.SIGINT)
        running.until("it says what it does", lambda: "a second signal stops at once" in running.log.read_text())
        processes = ray_runs.descendants(running.process.pid)
        running.process.send_signal(signal.SIGINT)
        message = running.ends(130, 20)
    assert message.splitlines()[-1] == KEPT
    assert ray_runs.alive(processes) == []
    assert ("waits",) not in ray_runs.rows(file, "trajectories", "prompt")


class TestSignals:
    def test_the_first_is_obeyed_at_the_end_and_the_second_at_once(self) -> None:
        stopped = threading.Event()
        steps: list[str] = []
        with pytest.raises(KeyboardInterrupt), stopping_on_signal(stopped.set):
            signal.raise_signal(signal.SIGINT)
            assert stopped.wait(5)
            steps.append("finished")
        assert steps == ["finished"]
        with pytest.raises(KeyboardInterrupt), stopping_on_signal(stopped.set):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            steps.append("after the second")
        assert steps == ["finished"]

    def test_the_handlers_come_back_and_an_ignored_signal_stays_ignored(self) -> None:
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            with stopping_on_signal(lambda: pytest.fail("it is ignored")):
                signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGTERM, before)

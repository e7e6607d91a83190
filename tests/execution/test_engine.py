from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import IN_PROCESS, SINGLE, SWEEP, draw_and_score, reported, states

from evalharness._util.exit_codes import ExitCode
from evalharness.api.executor import isolate
from evalharness.api.failure import Failure
from evalharness.cli import sweep
from evalharness.testing import MockModel, MockScorer
from evalharness.types.score import Score

Write = Callable[[str], Path]


def with_prompts(prompts: str, model: str = "{name: mock}", benchmark: str = "") -> str:
    """A sweep of single passes over these prompts, with settings of model and benchmark."""
    text = SINGLE.replace("limit: 6,", f"prompts: {prompts},{benchmark}")
    return text.replace("model: mock", f"model: {model}")


class TestInProcess:
    def test_runs_and_runs_again_for_nothing(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file, out = str(sweep_file(SWEEP)), tmp_path / "r" / "tiny"
        assert sweep.main([file, "--out", str(out)]) == 0
        first = reported(out)
        assert len(first) == 24
        assert states(first) == {"scored"}
        assert (tmp_path / "r" / "store" / "store.sqlite").is_file()
        assert f"report: {out / 'index.html'}" in capsys.readouterr().out
        drawn, scored = len(MockModel.drawn), len(MockScorer.scored)
        assert scored == len({row["image"] for row in first})
        assert sweep.main([file, "--out", str(out)]) == 0
        assert (len(MockModel.drawn), len(MockScorer.scored)) == (drawn, scored)
        assert reported(out) == first

    def test_capped_arms_equal_separate_runs(self, sweep_file: Write, tmp_path: Path) -> None:
        file = sweep_file(SWEEP)
        together = draw_and_score(file, tmp_path / "a" / "x")
        drawn_together = len(MockModel.drawn)
        for cap in (1, 2, 3):
            name = f"process max_iterations={cap}"
            shared = [row for row in together if row["arm"] == name]
            assert draw_and_score(file, tmp_path / f"b{cap}" / "x", only=[name]) == shared
        assert drawn_together < len(MockModel.drawn) - drawn_together + 6

    def test_a_larger_cap_later_draws_only_what_is_new(self, sweep_file: Write, tmp_path: Path) -> None:
        model = "{name: mock, iterations: 5, iterations_of: {thing 1: 1, thing 3: 1, thing 5: 1}}"
        file, out = sweep_file(SWEEP.replace("model: mock", f"model: {model}")), tmp_path / "r" / "x"
        draw_and_score(file, out, only=["process max_iterations=2"])
        before = {seed for _, seed in MockModel.drawn}
        MockModel.drawn.clear()
        samples = draw_and_score(file, out, only=["process"])
        assert MockModel.drawn
        assert not before & {seed for _, seed in MockModel.drawn}
        assert states(samples) == {"scored"}

    def test_seeds_do_not_depend_on_the_arm_or_the_size(self, sweep_file: Write, tmp_path: Path) -> None:
        file = sweep_file(SWEEP)
        seeds: dict[tuple[str, int], int] = {}
        sizes: list[dict[str, object]] = [{"limit": 4}, {"full": True}, {"only": ["single"]}]
        for number, size in enumerate(sizes):
            samples = draw_and_score(file, tmp_path / str(number) / "x", **size)
            assert samples
            for sample in samples:
                assert seeds.setdefault((sample["item"], sample["seed_index"]), sample["seed"]) == sample["seed"]
        assert len(set(seeds.values())) == len(seeds)

    def test_failures_stay_with_their_sample(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        prompts = "[a, broken b, unspeakable c, d, unscorable e, f, g, h]"
        model = "{name: mock, batch_size: 8, refuses: [unspeakable], fails: [broken]}"
        file, out = sweep_file(with_prompts(prompts, model)), tmp_path / "r" / "x"
        assert sweep.main([str(file), "--out", str(out)]) == ExitCode.INCOMPLETE
        first = reported(out)
        assert {row["item"]: row["reason"] for row in first if row["state"] == "failed"} == {
            "1": "ValueError: the mock fails on 'broken'",
            "2": "not in the vocabulary: 'unspeakable'",
            "4": "nothing to score",
        }
        assert sum(row["state"] == "scored" for row in first) == 5
        output = capsys.readouterr().out
        assert "incomplete: " in output
        assert "3 samples failed, the first: ValueError: the mock fails on 'broken'" in output
        assert "--retry-failed" in output
        drawn = len(MockModel.drawn)
        draw_and_score(file, out)
        assert len(MockModel.drawn) == drawn

        healed = sweep_file(with_prompts(prompts, "{name: mock, batch_size: 8, refuses: [unspeakable]}"))
        after = draw_and_score(healed, out, retry_failed=True)
        assert {row["item"] for row in after if row["state"] == "failed"} == {"2", "4"}

    def test_a_failure_stands_until_a_retry_succeeds(self, sweep_file: Write, tmp_path: Path) -> None:
        prompts, out = "[a, broken b, unscorable c, d]", tmp_path / "r" / "x"
        file = sweep_file(with_prompts(prompts, "{name: mock, fails: [broken]}"))
        first = draw_and_score(file, out)
        drawn, scored = list(MockModel.drawn), len(MockScorer.scored)
        assert draw_and_score(file, out, retry_failed=True) == first
        assert (MockModel.drawn, len(MockScorer.scored)) == (drawn, scored), "what succeeded is not tried again"
        healed = sweep_file(with_prompts(prompts, benchmark=" unscorable: [],"))
        assert draw_and_score(healed, out) == first, "nobody asked for another try"
        assert states(draw_and_score(healed, out, retry_failed=True)) == {"scored"}
        assert (len(MockModel.drawn) - len(drawn), len(MockScorer.scored) - scored) == (1, 2)

    def test_a_dry_run_of_a_retry_counts_the_failed(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = sweep_file(with_prompts("[a, broken b, c, d]", "{name: mock, fails: [broken]}"))
        out = tmp_path / "r" / "x"
        draw_and_score(file, out)
        for options, count in (([], 0), (["--retry-failed"], 1)):
            sweep.main([str(file), "--out", str(out), "--dry-run", *options])
            assert f"trajectories to draw: {count} " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("score", "reason"),
        [
            (Score(1.5), "benchmark 'mock' returned 1.5 as value, which is not in 0..1"),
            (Score(1, "", {"a": object()}), "benchmark 'mock' returned object as details.a, which must be JSON"),
        ],
    )
    def test_senseless_scores_are_failures(
        self, sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: Score, reason: str
    ) -> None:
        monkeypatch.setattr(MockScorer, "score", lambda self, images, items: [score] * len(images))
        samples = draw_and_score(sweep_file(SINGLE), tmp_path / "r" / "x")
        assert {(row["state"], row["reason"]) for row in samples} == {("failed", reason)}

    def test_text_that_is_not_unicode_is_stored(
        self, sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MockScorer, "score", lambda self, images, items: [Score(0, "\ud800\0")] * len(images))
        assert states(draw_and_score(sweep_file(SINGLE), tmp_path / "r" / "x")) == {"scored"}

    @pytest.mark.parametrize("damage", ["cut", "gone", "same size, same time"])
    def test_damaged_images_are_redrawn(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
    ) -> None:
        file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
        first = draw_and_score(file, out)
        image = next((tmp_path / "r" / "store" / "images").rglob("*.png"))
        good, stat = image.read_bytes(), image.stat()
        if damage == "gone":
            image.unlink()
        elif damage == "cut":
            image.write_bytes(good[:10])
        else:  # is only noticed when somebody looks at it: make the scorer forget
            image.write_bytes(bytes(len(good)))
            os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            with sqlite3.connect(tmp_path / "r" / "store" / "store.sqlite") as db:
                db.execute("DELETE FROM scores")
        assert draw_and_score(file, out) == first
        assert "warning: 1 images" in capsys.readouterr().err
        assert image.read_bytes() == good

    def test_dry_run_touches_nothing(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], mock_clock: None
    ) -> None:
        model = "{name: mock, batch_size: 1, seconds: 0.5, iterations: 5}"
        file, out = sweep_file(SWEEP.replace("model: mock", f"model: {model}")), tmp_path / "r" / "x"
        assert sweep.main([str(file), "--out", str(out), "--dry-run"]) == 0
        assert "trajectories to draw: 12 " in (text := capsys.readouterr().out)
        assert "expected time to draw: unknown" in text
        assert not (tmp_path / "r").exists()
        draw_and_score(file, out)
        sweep.main([str(file), "--out", str(out), "--full", "--dry-run"])
        assert "trajectories to draw: 28 " in (text := capsys.readouterr().out)
        assert "about 28 s" in text  # 14 single passes of half a second, 14 times at most 3 iterations of it

    def test_errors_are_one_line_and_exit_2(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert sweep.main([str(sweep_file(SWEEP.replace("seed", "sed")))]) == 2
        assert sweep.main([str(tmp_path / "none.yaml")]) == 2
        assert sweep.main([str(sweep_file(SWEEP)), "--store", "/dev/null"]) == 2
        assert sweep.main([str(sweep_file(SWEEP)), "--out", "/dev/null/x"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 4
        assert not MockModel.drawn
        assert all(line.startswith("evalharness: ") for line in lines)


def test_isolate_finds_the_one_at_fault() -> None:
    calls: list[int] = []

    def worker(jobs: list[int]) -> list[int]:
        calls.append(len(jobs))
        return [100 // job for job in jobs]

    outcomes = isolate(worker, [1, 2, 0, 4, 5, 6, 7, 8])  # type: ignore[arg-type]
    assert outcomes == [100, 50, Failure("ZeroDivisionError: integer division or modulo by zero"), 25, 20, 16, 14, 12]
    assert calls == [8, 2, 2, 1, 1, 2, 2]


@pytest.mark.parametrize(("bad", "most"), [({40}, 138), ({0, 63}, 148), ({5, 6, 7}, 142), (set(range(64)), 64 * 4)])
def test_a_sample_at_fault_costs_few_others(bad: set[int], most: int) -> None:
    calls: list[int] = []

    def worker(jobs: list[int]) -> list[int]:
        calls.append(len(jobs))
        if bad.intersection(jobs):
            raise ValueError("bad")
        return jobs

    outcomes = isolate(worker, list(range(64)))  # type: ignore[arg-type]
    assert outcomes == [Failure("ValueError: bad") if job in bad else job for job in range(64)]
    assert sum(calls) <= most


def test_a_batch_that_is_too_large_is_halved() -> None:
    calls: list[int] = []

    def worker(jobs: list[int]) -> list[int]:
        calls.append(len(jobs))
        if len(jobs) > 16:
            raise MemoryError
        return jobs

    assert isolate(worker, list(range(63))) == list(range(63))  # type: ignore[arg-type]
    assert calls == [63, 32, 16, 16, 31, 16, 15]


class TestKilled:
    """Killed in a process of its own, finished in this one."""

    CRASHING = SWEEP.replace("model: mock", "model: {name: crashing, batch_size: 2, iterations: 5}") + IN_PROCESS

    def start(self, file: Path, out: Path, *options: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(out), *options]
        return subprocess.Popen(command, env=os.environ | env, stderr=subprocess.PIPE, text=True)

    @pytest.mark.usefixtures("crashing_plugins")
    @pytest.mark.parametrize("batch", [1, 4, 6, 11])
    def test_resumes_after_kill_9(self, sweep_file: Write, tmp_path: Path, batch: int) -> None:
        """Two samples a batch: three batches of single passes, three of three iterations."""
        file = sweep_file(self.CRASHING)
        process = self.start(file, tmp_path / "killed" / "x", CRASH_AT_BATCH=str(batch))
        assert process.wait(60) == -signal.SIGKILL
        uninterrupted = draw_and_score(file, tmp_path / "uninterrupted" / "x")
        assert draw_and_score(file, tmp_path / "killed" / "x") == uninterrupted

    @pytest.mark.usefixtures("crashing_plugins")
    @pytest.mark.parametrize(("kill", "number", "scored"), [("CRASH_AT_BATCH", 3, 5), ("CRASH_AT_SCORE", 20, 17)])
    def test_a_retry_that_is_killed_loses_no_failure(
        self, sweep_file: Write, tmp_path: Path, kill: str, number: int, scored: int
    ) -> None:
        """Killed after some: these are scored, the others failed as before, and none is pending."""
        word = "broken" if kill == "CRASH_AT_BATCH" else "unscorable"
        prompts = f"[{', '.join(f'{word} {number}' for number in range(40))}]"
        text = SINGLE.replace("model: mock", "model: {name: crashing, fails: [broken]}")
        text = (
            text.replace("name: mock, limit: 6,", f"name: crashing, items: 40, special: {prompts},")
            + "failures: {first: null}\n"
        )
        file, out = sweep_file(text + IN_PROCESS), tmp_path / "r" / "x"
        before = draw_and_score(file, out)
        assert [row["state"] for row in before] == ["failed"] * 40
        sweep_file(text.replace(", fails: [broken]", "").replace("samples", "unscorable: [], samples") + IN_PROCESS)
        process = self.start(file, out, "--retry-failed", **{kill: str(number)})
        assert process.wait(60) == -signal.SIGKILL
        after = draw_and_score(file, out)
        assert states(after) == {"failed", "scored"}
        assert {row["reason"] for row in after if row["state"] == "failed"} == {before[0]["reason"]}
        assert sum(row["state"] == "scored" for row in after) == scored

    def test_resumes_after_kill_9_at_any_moment(self, sweep_file: Write, tmp_path: Path) -> None:
        text = SWEEP.replace("limit: 6", "limit: 10")
        uninterrupted = draw_and_score(sweep_file(text), tmp_path / "uninterrupted" / "x")
        slow = sweep_file(text.replace("model: mock", "model: {name: mock, batch_size: 1, seconds: 0.02}") + IN_PROCESS)
        for _ in range(3):
            process = self.start(slow, tmp_path / "killed" / "x")
            time.sleep(0.8)
            process.kill()
            process.wait()
        assert draw_and_score(sweep_file(text), tmp_path / "killed" / "x") == uninterrupted

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupt_keeps_what_is_done(self, sweep_file: Write, tmp_path: Path, number: int) -> None:
        text, out = SWEEP.replace("model: mock", "model: {name: mock, seconds: 0.3}") + IN_PROCESS, tmp_path / "r" / "x"
        file = sweep_file(text)
        process = self.start(file, out)
        store = tmp_path / "r" / "store"
        while not list(store.glob("images/*/*.png")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(300) == 128 + number
        assert process.stderr is not None
        assert "run the same command again to continue" in process.stderr.read().splitlines()[-1]
        assert list(store.glob("images/*/*.png"))
        assert states(draw_and_score(sweep_file(SWEEP), out)) == {"scored"}

    def test_second_process_exits_2(self, sweep_file: Write, tmp_path: Path) -> None:
        text, out = SWEEP.replace("model: mock", "model: {name: mock, seconds: 2}") + IN_PROCESS, tmp_path / "r" / "x"
        file = sweep_file(text)
        first = self.start(file, out)
        while not (tmp_path / "r" / "store" / "lock").exists() or not (tmp_path / "r" / "store" / "lock").read_text():
            assert first.poll() is None
            time.sleep(0.02)
        second = self.start(file, out.with_name("y"))
        assert second.wait(300) == 2
        assert second.stderr is not None
        assert second.stderr.read().strip().endswith("use another --store")
        first.kill()
        first.wait()

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import core_fakes
import pytest
from core_fakes import SWEEP, FakeModel, FakeScorer

from evalharness.api.executor import Failure, isolate
from evalharness.api.model import Drawn
from evalharness.cli import sweep
from evalharness.types.score import Score

Write = Callable[[str], Path]
SCRIPT = [sys.executable, core_fakes.__file__]


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "index.html").open()))


def states(out: Path) -> set[str]:
    return {row["state"] for row in rows(out)}


@pytest.mark.usefixtures("fakes")
class TestInProcess:
    def test_runs_and_runs_again_for_nothing(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file, out = str(sweep_file(SWEEP)), tmp_path / "r" / "tiny"
        assert sweep.main([file, "--out", str(out)]) == 0
        first = rows(out)
        assert len(first) == 24
        assert states(out) == {"scored"}
        assert (tmp_path / "r" / "store" / "store.sqlite").is_file()
        assert f"report: {out / 'index.html'}" in capsys.readouterr().out
        drawn, looked = len(FakeModel.painted), FakeScorer.looked
        assert looked == len({row["image"] for row in first})
        assert sweep.main([file, "--out", str(out)]) == 0
        assert (len(FakeModel.painted), FakeScorer.looked) == (drawn, looked)
        assert rows(out) == first

    def test_capped_arms_equal_separate_runs(self, sweep_file: Write, tmp_path: Path) -> None:
        file = str(sweep_file(SWEEP))
        sweep.main([file, "--out", str(tmp_path / "a" / "x")])
        together = len(FakeModel.painted)
        for cap in (1, 2, 3):
            name = f"process max_iterations={cap}"
            sweep.main([file, "--out", str(tmp_path / f"b{cap}" / "x"), "--only", name])
            shared = [row for row in rows(tmp_path / "a" / "x") if row["arm"] == name]
            assert rows(tmp_path / f"b{cap}" / "x") == shared
        assert together < len(FakeModel.painted) - together + 6

    def test_a_larger_cap_later_redraws_only_what_it_needs(self, sweep_file: Write, tmp_path: Path) -> None:
        file, out = str(sweep_file(SWEEP)), str(tmp_path / "r" / "x")
        sweep.main([file, "--out", out, "--only", "process max_iterations=2"])
        before = {seed for _, seed in FakeModel.painted}
        FakeModel.painted.clear()
        sweep.main([file, "--out", out, "--only", "process"])
        again = {seed for _, seed in FakeModel.painted} & before
        assert again
        assert len(again) < len(before), "a trajectory that the model had finished is not drawn again"
        assert states(Path(out)) == {"scored"}

    def test_seeds_do_not_depend_on_the_arm_or_the_size(self, sweep_file: Write, tmp_path: Path) -> None:
        file = str(sweep_file(SWEEP))
        seeds: dict[tuple[str, str], str] = {}
        for number, options in enumerate([["--limit", "4"], ["--full"], ["--only", "single"]]):
            out = tmp_path / str(number) / "x"
            sweep.main([file, "--out", str(out), *options])
            for row in rows(out):
                assert seeds.setdefault((row["item"], row["seed_index"]), row["seed"]) == row["seed"]

    def test_failures_stay_with_their_sample(
        self,
        sweep_file: Write,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        prompts = "[a, broken b, unspeakable c, d, unscorable e, f, g, h]"
        text = SWEEP.replace("limit: 6,", f"prompts: {prompts},").split("  - {name: process")[0]
        file, out = str(sweep_file(text)), tmp_path / "r" / "x"
        monkeypatch.setattr(core_fakes.FakeModel, "batch_size", 8)
        assert sweep.main([file, "--out", str(out)]) == 0
        failed = {
            row["prompt"] if "prompt" in row else row["item"]: row["reason"]
            for row in rows(out)
            if row["state"] == "failed"
        }
        assert failed == {
            "1": "ValueError: the brush broke",
            "2": "not in the vocabulary: 'unspeakable'",
            "4": "nothing to look at",
        }
        assert sum(row["state"] == "scored" for row in rows(out)) == 5
        said = capsys.readouterr().out
        assert "incomplete: 0." in said
        assert "3 samples failed, the first: ValueError: the brush broke" in said
        assert "--retry-failed" in said
        drawn = len(FakeModel.painted)
        sweep.main([file, "--out", str(out)])
        assert len(FakeModel.painted) == drawn

        monkeypatch.setattr(core_fakes.FakeModel, "paint", healed_paint)
        sweep.main([file, "--out", str(out), "--retry-failed"])
        assert {row["item"] for row in rows(out) if row["state"] == "failed"} == {"2", "4"}

    def test_a_failure_stands_until_a_retry_succeeds(
        self, sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = SWEEP.replace("limit: 6,", "prompts: [a, broken b, unscorable c, d],").split("  - {name: process")[0]
        file, out = str(sweep_file(text)), tmp_path / "r" / "x"
        sweep.main([file, "--out", str(out)])
        first, drawn, looked = rows(out), list(FakeModel.painted), FakeScorer.looked
        sweep.main([file, "--out", str(out), "--retry-failed"])
        assert rows(out) == first
        assert (FakeModel.painted, FakeScorer.looked) == (drawn, looked), "what succeeded is not tried again"
        monkeypatch.setenv("FAKE_HEALED", "1")
        sweep.main([file, "--out", str(out)])
        assert rows(out) == first, "nobody asked for another try"
        sweep.main([file, "--out", str(out), "--retry-failed"])
        assert states(out) == {"scored"}
        assert (len(FakeModel.painted) - len(drawn), FakeScorer.looked - looked) == (1, 2)

    def test_a_dry_run_of_a_retry_counts_the_failed(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = SWEEP.replace("limit: 6,", "prompts: [a, broken b, c, d],").split("  - {name: process")[0]
        file, out = str(sweep_file(text)), tmp_path / "r" / "x"
        sweep.main([file, "--out", str(out)])
        capsys.readouterr()
        for options, count in (([], 0), (["--retry-failed"], 1)):
            sweep.main([file, "--out", str(out), "--dry-run", *options])
            assert f"trajectories to draw: {count} " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("score", "reason"),
        [
            (Score(float("nan")), "ValueError: the scorer said nan, which is not in 0..1"),
            (Score(1.5), "ValueError: the scorer said 1.5, which is not in 0..1"),
            (Score(1, "", {"a": object()}), "TypeError: Object of type object is not JSON serializable"),
        ],
    )
    def test_senseless_scores_are_failures(
        self, sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: Score, reason: str
    ) -> None:
        monkeypatch.setattr(FakeScorer, "score", lambda self, images, items: [score] * len(images))
        out = tmp_path / "r" / "x"
        assert sweep.main([str(sweep_file(SWEEP)), "--out", str(out), "--only", "single"]) == 0
        assert {(row["state"], row["reason"]) for row in rows(out)} == {("failed", reason)}

    def test_text_that_is_not_unicode_is_stored(
        self, sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(FakeScorer, "score", lambda self, images, items: [Score(0, "\ud800\0")] * len(images))
        out = tmp_path / "r" / "x"
        assert sweep.main([str(sweep_file(SWEEP)), "--out", str(out), "--only", "single"]) == 0
        assert states(out) == {"scored"}

    @pytest.mark.parametrize("damage", ["cut", "gone", "same size, same time"])
    def test_damaged_images_are_redrawn(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
    ) -> None:
        file, out = str(sweep_file(SWEEP)), tmp_path / "r" / "x"
        sweep.main([file, "--out", str(out)])
        first = rows(out)
        image = next((tmp_path / "r" / "store" / "images").rglob("*.png"))
        good, stat = image.read_bytes(), image.stat()
        if damage == "gone":
            image.unlink()
        elif damage == "cut":
            image.write_bytes(good[:10])
        else:  # is only noticed when somebody looks at it: make the scorer forget
            image.write_bytes(bytes(len(good)))
            os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            import sqlite3

            with sqlite3.connect(tmp_path / "r" / "store" / "store.sqlite") as db:
                db.execute("DELETE FROM scores")
        capsys.readouterr()
        assert sweep.main([file, "--out", str(out)]) == 0
        assert "warning: 1 images" in capsys.readouterr().err
        assert image.read_bytes() == good
        assert rows(out) == first

    def test_dry_run_touches_nothing(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file, out = str(sweep_file(SWEEP)), tmp_path / "r" / "x"
        assert sweep.main([file, "--out", str(out), "--dry-run"]) == 0
        assert "trajectories to draw: 12 " in (text := capsys.readouterr().out)
        assert "expected time to draw: unknown" in text
        assert not (tmp_path / "r").exists()
        sweep.main([file, "--out", str(out)])
        capsys.readouterr()
        sweep.main([file, "--out", str(out), "--full", "--dry-run"])
        assert "trajectories to draw: 28 " in (text := capsys.readouterr().out)
        assert "at most 28 s" in text  # 14 single passes of half a second, 14 times at most 3 iterations of it

    def test_errors_are_one_line_and_exit_2(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert sweep.main([str(sweep_file(SWEEP.replace("seed", "sed")))]) == 2
        assert sweep.main([str(tmp_path / "none.yaml")]) == 2
        assert sweep.main([str(sweep_file(SWEEP)), "--store", "/dev/null"]) == 2
        assert sweep.main([str(sweep_file(SWEEP)), "--out", "/dev/null/x"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 4
        assert not FakeModel.painted
        assert all(line.startswith("evalharness: ") for line in lines)


def healed_paint(self: FakeModel, prompts: list[str], seeds: list[int]) -> list[Drawn]:
    return [Drawn(self._image(*pair), 3) for pair in zip(prompts, seeds, strict=True)]


def test_isolate_finds_the_one_at_fault() -> None:
    calls: list[int] = []

    def worker(jobs: list[int]) -> list[int]:
        calls.append(len(jobs))
        return [100 // job for job in jobs]

    outcomes = isolate(worker, [1, 2, 0, 4, 5, 6, 7, 8])  # type: ignore[arg-type]
    assert outcomes == [100, 50, Failure("ZeroDivisionError: integer division or modulo by zero"), 25, 20, 16, 14, 12]
    assert calls == [8, 4, 2, 2, 1, 1, 4]


@pytest.mark.usefixtures("fakes")
class TestKilled:
    """Killed in a process of its own, finished in this one; one image a call, four samples a batch."""

    def start(self, file: Path, out: Path, *options: str, **env: str) -> subprocess.Popen[str]:
        command = [*SCRIPT, str(file), "--out", str(out), *options]
        return subprocess.Popen(
            command, env=os.environ | {"FAKE_VARIANTS": "1"} | env, stderr=subprocess.PIPE, text=True
        )

    def finish(self, file: Path, out: Path) -> list[dict[str, str]]:
        assert sweep.main([str(file), "--out", str(out)]) == 0
        return rows(out)

    @pytest.mark.parametrize("batch", [1, 5, 9, 20])
    def test_resumes_after_kill_9(self, sweep_file: Write, tmp_path: Path, batch: int) -> None:
        file = sweep_file(SWEEP)
        whole = self.finish(file, tmp_path / "whole" / "x")
        process = self.start(file, tmp_path / "killed" / "x", FAKE_KILL_AT_BATCH=str(batch))
        assert process.wait(60) == -signal.SIGKILL
        assert self.finish(file, tmp_path / "killed" / "x") == whole

    @pytest.mark.parametrize("kill", ["FAKE_KILL_AT_BATCH", "FAKE_KILL_AT_LOOK"])
    def test_a_retry_that_is_killed_loses_no_failure(self, sweep_file: Write, tmp_path: Path, kill: str) -> None:
        """Killed after some: these are scored, the others failed as before, and none is pending."""
        word = "broken" if kill == "FAKE_KILL_AT_BATCH" else "unscorable"
        prompts = f"[{', '.join(f'{word} {number}' for number in range(10))}]"
        text = SWEEP.replace("limit: 6,", f"prompts: {prompts},").split("  - {name: process")[0]
        file, out = sweep_file(text), tmp_path / "r" / "x"
        before = self.finish(file, out)
        assert [row["state"] for row in before] == ["failed"] * 10
        process = self.start(file, out, "--retry-failed", FAKE_HEALED="1", **{kill: "6"})
        assert process.wait(60) == -signal.SIGKILL
        after = self.finish(file, out)
        assert {row["state"] for row in after} == {"failed", "scored"}
        assert {row["reason"] for row in after if row["state"] == "failed"} == {before[0]["reason"]}
        assert sum(row["state"] == "scored" for row in after) in (3, 4)

    def test_resumes_after_kill_9_at_any_moment(self, sweep_file: Write, tmp_path: Path) -> None:
        file = sweep_file(SWEEP.replace("limit: 6", "limit: 10"))
        whole = self.finish(file, tmp_path / "whole" / "x")
        for _ in range(3):
            process = self.start(file, tmp_path / "killed" / "x", FAKE_SECONDS="0.02")
            time.sleep(0.8)
            process.kill()
            process.wait()
        assert self.finish(file, tmp_path / "killed" / "x") == whole

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupt_keeps_what_is_done(self, sweep_file: Write, tmp_path: Path, number: int) -> None:
        file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
        process = self.start(file, out, FAKE_SECONDS="0.2")
        store = tmp_path / "r" / "store"
        while not list(store.glob("images/*/*.png")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert "run the same command again to continue" in process.stderr.read().splitlines()[-1]
        assert list(store.glob("images/*/*.png"))
        assert {row["state"] for row in self.finish(file, out)} == {"scored"}

    def test_second_process_exits_2(self, sweep_file: Write, tmp_path: Path) -> None:
        file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
        first = self.start(file, out, FAKE_SECONDS="0.5")
        while not (tmp_path / "r" / "store" / "lock").exists() or not (tmp_path / "r" / "store" / "lock").read_text():
            assert first.poll() is None
            time.sleep(0.02)
        second = self.start(file, out)
        assert second.wait(30) == 2
        assert second.stderr is not None
        assert second.stderr.read().strip().endswith("use another --store")
        first.kill()
        first.wait()

"""Shards divide a sweep: together they are all of it, and nothing is in two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_sweeps import SWEEP

import evalharness as eh
from evalharness.cli import sweep
from evalharness.config.schema import Sweep
from evalharness.config.shards import Shard
from evalharness.planning.plan import Sample
from evalharness.planning.planner import make_plan

Write = Callable[[str], Path]
BENCHMARK = "{name: mock, limit: 6, samples: 1}"


@pytest.fixture
def file(sweep_file: Write) -> Path:
    aliases = f"{BENCHMARK}\n  - {{name: mock, alias: again, limit: 4, samples: 2}}"
    return sweep_file(SWEEP.replace(BENCHMARK, aliases))


def identity(sample: Sample) -> tuple[str, str, str, int, str]:
    return sample.benchmark, sample.arm.name, sample.item.id, sample.seed_index, sample.job


def shards(loaded: Sweep, count: int) -> list[list[Sample]]:
    parts = [replace(loaded, shard=Shard(index, count)) for index in range(1, count + 1)]
    return [list(make_plan(part).samples) for part in parts]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_are_the_sweep_and_share_no_trajectory(file: Path, count: int) -> None:
    loaded = eh.load_sweep(file)
    parts = shards(loaded, count)
    assert Counter(identity(sample) for part in parts for sample in part) == Counter(
        map(identity, make_plan(loaded).samples)
    )
    jobs = [{sample.job for sample in part} for part in parts]
    assert sum(map(len, jobs)) == len(set().union(*jobs))
    items = [len({sample.item.id for sample in part if sample.benchmark == "mock"}) for part in parts]
    assert max(items) - min(items) <= 1


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(count=st.integers(1, 4), limit=st.integers(4, 6), fewer=st.integers(4, 6))
def test_a_smaller_limit_takes_a_part_of_the_shard(file: Path, count: int, limit: int, fewer: int) -> None:
    smaller, larger = sorted((limit, fewer))
    pairs = zip(*(shards(eh.load_sweep(file, limit=size), count) for size in (smaller, larger)), strict=True)
    assert all(set(map(identity, part)) <= set(map(identity, whole)) for part, whole in pairs)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0/2", "shard '0/2' is none of 1/2 to 2/2"),
        ("3/2", "shard '3/2' is none of 1/2 to 2/2"),
        ("1/0", "shard '1/0' is none of 1/0 to 0/0"),
        ("2", "shard '2' has not the form i/n, such as 2/8"),
        ("-1/2", "shard '-1/2' has not the form i/n, such as 2/8"),
        ("٣/٤", "shard '٣/٤' has not the form i/n, such as 2/8"),
        ("7/7", "shard 7/7 has no item of 'mock', of which the sweep takes 6; choose fewer shards"),
    ],
    ids=["zero", "above", "none", "one-number", "negative", "other-digits", "empty"],
)
def test_what_is_no_shard_is_one_line(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: str
) -> None:
    out = tmp_path / "r" / "x"
    assert sweep.main([str(sweep_file(SWEEP)), f"--shard={text}", "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"evalharness: {line}\n"
    assert not out.parent.exists()


def test_a_sweep_file_may_name_its_shard(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(SWEEP + "shard: 1/2\n")
    assert len(eh.plan(file).benchmarks["mock"].items) == 3
    assert len(eh.plan(file, shard="2/3").benchmarks["mock"].items) == 2
    assert sweep.main([str(sweep_file(SWEEP + "shard: 5/2\n")), "--dry-run"]) == 2
    assert "tiny.yaml:9:8: shard '5/2' is none of 1/2 to 2/2" in capsys.readouterr().err

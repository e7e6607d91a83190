from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_sweeps import SWEEP

from evalharness._util.hashing import Digests, canonical, digest, sample_seed
from evalharness.config import sweep_files
from evalharness.errors import ConfigError
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import resize, select, subset
from evalharness.types.item import Item

Write = Callable[[str], Path]


def test_seed_is_pinned() -> None:
    """A change here would redraw every image that anybody has ever stored."""
    assert sample_seed(0, "geneval", "00000", 0) == 5801411244348307142
    assert len({sample_seed(0, "geneval", str(item), index) for item in range(100) for index in range(4)}) == 400


@given(st.integers(0, 2**63 - 1), st.text(), st.text(), st.integers(0, 100))
def test_seed_fits_63_bits_and_keeps_parts_apart(seed: int, benchmark: str, item: str, index: int) -> None:
    assert 0 <= sample_seed(seed, benchmark, item, index) < 2**63
    assert sample_seed(seed, benchmark + "x", item, index) != sample_seed(seed, benchmark, "x" + item, index)


@given(st.lists(st.dictionaries(st.text(), st.integers()), min_size=1), st.lists(st.text() | st.integers(), min_size=1))
def test_digests_of_lists_that_begin_alike_are_those_of_the_lists(head: list[object], rest: list[str | int]) -> None:
    assert Digests(*head)(*rest) == digest([*head, *rest])


def test_the_keys_of_a_plan_are_digests_of_what_they_stand_for(sweep_file: Write) -> None:
    """Pinned by their definition: a change would draw and score again what anybody has ever stored."""
    sweep = sweep_files.load(sweep_file(SWEEP))
    plan = make_plan(sweep)
    identity = digest(dict(plan.models["mock"]))
    planned = plan.benchmarks["mock"]
    assert plan.samples
    for sample in plan.samples:
        item, seed = sample.item, sample_seed(3, "mock", sample.item.id, sample.seed_index)
        parts = ["trajectory", identity, sample.arm.variant.key(), item.prompt, seed]
        assert (sample.seed, sample.job) == (seed, digest(parts))
        of_item = {"id": item.id, "prompt": item.prompt, "category": item.category, "metadata": dict(item.metadata)}
        seen = digest(["item", of_item | {"picture": None}])
        assert planned.score_key("ab" * 32, item) == digest(["score", "ab" * 32, planned.scorer_digest, seen])


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical({"b": 1, "a": [1, "é"]}) == canonical({"a": [1, "é"], "b": 1}) == '{"a":[1,"\\u00e9"],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
def test_subset_is_stratified_and_nested(sizes: list[int], data: st.DataObject) -> None:
    items = [Item(f"{c}-{n}", "", str(c), {}) for c, size in enumerate(sizes) for n in range(size)]
    limit = data.draw(st.integers(1, len(items)))
    chosen = subset(items, limit, "b", 0)
    assert len(chosen) == limit
    assert [item for item in items if item in chosen] == chosen
    assert {item.id for item in subset(items, max(1, limit // 2), "b", 0)} <= {item.id for item in chosen}
    if limit >= len(sizes):
        assert len({item.category for item in chosen}) == len(sizes)


def test_subset_takes_each_category_by_its_share() -> None:
    sizes = {"single_object": 80, "two_object": 99, "counting": 80, "colors": 94, "position": 100, "color_attr": 100}
    items = [Item(f"{c}{n}", "", c, {}) for c, size in sizes.items() for n in range(size)]
    taken = Counter(item.category for item in subset(items, 120, "geneval", 0))
    assert all(abs(taken[c] - size * 120 / 553) < 1 for c, size in sizes.items()), taken
    assert subset(items, 120, "geneval", 1) != subset(items, 120, "geneval", 0)


def test_arms_share_seeds_and_capped_arms_share_jobs(sweep_file: Write) -> None:
    plan = make_plan(sweep_files.load(sweep_file(SWEEP)))
    assert len(plan.samples) == 4 * 6
    assert len(plan.jobs) == 2 * 6
    assert {job.cap for job in plan.jobs.values()} == {None, 3}
    by_arm = {arm.name: [(s.item.id, s.seed) for s in plan.samples if s.arm == arm] for arm in plan.sweep.arms}
    assert len({tuple(pairs) for pairs in by_arm.values()}) == 1


def test_select_and_resize(sweep_file: Write) -> None:
    sweep = sweep_files.load(sweep_file(SWEEP))
    assert [arm.name for arm in select(sweep, ["process max_iterations=2"]).arms] == ["process max_iterations=2"]
    chosen = select(sweep, ["process"])
    assert len(chosen.arms) == 3
    assert chosen.baseline == "process max_iterations=1"
    with pytest.raises(ConfigError, match="did you mean 'process'"):
        select(sweep, ["proces"])
    full = make_plan(resize(sweep, full=True)).benchmarks["mock"]
    assert (len(full.items), full.samples) == (10, 2)
    small = make_plan(resize(sweep, limit=2, samples=5)).benchmarks["mock"]
    assert (len(small.items), small.samples) == (2, 5)


def test_unknown_format_is_refused(sweep_file: Write) -> None:
    text = SWEEP.replace("max_iterations: 1..3", "format: stroke")
    with pytest.raises(ConfigError, match="does not speak 'stroke'; did you mean 'strokes'"):
        make_plan(sweep_files.load(sweep_file(text)))

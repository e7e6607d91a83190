"""Batches by expected cost, and what crosses between processes."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.api.failure import Failure
from evalharness.api.model import SourceFile
from evalharness.execution.draw_queue import SMALLEST, DrawQueue
from evalharness.execution.executors import wire
from evalharness.execution.score_queue import PendingScore, ScoreQueue
from evalharness.execution.workers import JudgedScore, JudgeReply, ScoreJob
from evalharness.generation.process import Process
from evalharness.generation.single_pass import SinglePass
from evalharness.planning.plan import Job
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory

CHEAP, DEAR = SinglePass(variant="single_pass"), Process(variant="process", max_iterations=8)


def job(number: int, variant: Any = CHEAP) -> Job:
    return Job(f"{number}", "m", variant, f"prompt {number}", number)


def queue(jobs: list[Job], batch_size: int) -> DrawQueue:
    return DrawQueue("m", None, threading.Condition(), jobs, batch_size, lambda job: float(job.cap or 1))  # type: ignore[arg-type]


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.booleans(), max_size=200), st.integers(1, 64), st.integers(1, 20))
def test_every_job_is_taken_once_and_batches_are_of_one_variant(dear: list[bool], size: int, workers: int) -> None:
    jobs = [job(number, DEAR if one else CHEAP) for number, one in enumerate(dear)]
    one = queue(jobs, size)
    batches = []
    while batch := one.take(workers):
        batches.append(batch)
        assert len(batch) <= size
        assert len({each.variant for each in batch}) == 1
    assert sorted(each.key for batch in batches for each in batch) == sorted(each.key for each in jobs)
    order = [batch[0].variant == DEAR for batch in batches]
    assert order == sorted(order, reverse=True), "what takes longest comes first"
    assert one.finished == (not jobs)
    for batch in batches:
        one.settle(batch, 0)
    assert one.finished


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_all_workers_come_to_the_end_together(workers: int) -> None:
    """Greedy workers, jobs of 8 and of 1 s: the last ends at most two jobs after the even share."""
    jobs = [job(number, DEAR if number % 4 == 0 else CHEAP) for number in range(400)]
    total = sum(each.cap or 1 for each in jobs)
    one, free_at = queue(jobs, 16), [0.0] * workers
    while batch := one.take(workers):
        first = min(range(workers), key=free_at.__getitem__)
        free_at[first] += sum(each.cap or 1 for each in batch)
    assert max(free_at) <= total / workers + 2 * 8 * max(1, 16 // SMALLEST)
    plain = [0.0] * workers
    for start in range(0, len(jobs), 16):
        first = min(range(workers), key=plain.__getitem__)
        plain[first] += sum(each.cap or 1 for each in jobs[start : start + 16])
    assert max(free_at) <= max(plain), "full batches in the order of the plan do no better"


def test_what_is_measured_corrects_what_was_expected() -> None:
    one = queue([job(number) for number in range(100)], 50)
    before = one.load
    batch = one.take()
    for each in batch:
        one.measure(each, Trajectory((Step("draw", image=b"", cost=Cost(1, 0, 3.0)),)))
    one.settle(batch, 0)
    assert (before, one.load) == (100.0, 150.0)


def test_what_comes_back_is_taken_again_first_and_alone_if_need_be() -> None:
    one = queue([job(number) for number in range(6)], 2)
    first, second = one.take(), one.take()
    one.put_back(second)
    one.put_back(first, alone=True)
    assert [[each.key for each in one.take()] for _ in range(4)] in (
        [["0"], ["1"], ["2", "3"], ["4", "5"]],
        [["1"], ["0"], ["2", "3"], ["4", "5"]],
    )


def test_images_that_come_back_are_looked_at_first_and_each_key_once() -> None:
    store: Any = SimpleNamespace(images=SimpleNamespace(read=str.encode), lock=threading.Condition())
    one = ScoreQueue("toy", None, store, 2)  # type: ignore[arg-type]
    for number in (0, 1, 2, 3, 4, 2):
        one.add(f"{number}", PendingScore(f"{number}", Item(f"{number}", "a thing", "odd", {})))
    first, second = one.take(), one.take()
    assert ([each.key for each in first], [each.key for each in second], one.waiting) == (["0", "1"], ["2", "3"], 1)
    one.put_back(second)
    one.put_back(first, alone=True)
    taken = []
    while batch := one.take():
        taken.append([each.key for each in batch])
    assert sorted(taken[:2]) == [["0"], ["1"]]
    assert taken[2:] == [["2", "3"], ["4"]]


@settings(deadline=None)  # a busy machine is no fault
@given(st.data())
def test_queues_of_one_judge_never_have_the_same_image_in_hand(data: st.DataObject) -> None:
    """Two queues, in any order of taking, finishing and giving back, come to their ends, and neither ends before."""
    replies = SimpleNamespace(known=lambda images: {})
    store: Any = SimpleNamespace(images=SimpleNamespace(read=str.encode), replies=replies, lock=threading.Condition())
    pair = [ScoreQueue(name, None, store, data.draw(st.integers(1, 3)), with_replies=True) for name in "ab"]  # type: ignore[arg-type]
    wanted = [data.draw(st.lists(st.integers(0, 5), unique=True, max_size=6)) for _ in pair]
    for one, numbers in zip(pair, wanted, strict=True):
        one.same_judge = pair
        for number in numbers:
            one.add(f"{one.subject}{number}", PendingScore(f"{number}", Item("", "", "", {})))
    taken: list[list[Any]] = [[], []]
    for place in data.draw(st.lists(st.sampled_from([0, 1]), max_size=30)):
        one, batches = pair[place], taken[place]
        if batches and data.draw(st.booleans()):
            batch = batches.pop()
            one.put_back(batch) if data.draw(st.booleans()) else one.settle(batch, 0)
        elif batch := one.take():
            batches.append(batch)
        else:
            assert not one.waiting
        assert one.total == len(wanted[place])
        in_hand = [{job.digest for batch in batches for job in batch} for batches in taken]
        assert not in_hand[0] & in_hand[1]
        assert not one.finished or one.done == len(wanted[place])
    for _ in range(2):  # the second time nothing is in the other's hand
        for one, batches in zip(pair, taken, strict=True):
            for batch in (*batches, *iter(one.take, [])):
                one.settle(batch, 0)
            batches.clear()
    assert all(one.finished for one in pair)
    assert [one.done for one in pair] == [len(numbers) for numbers in wanted]


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.lists(
        st.builds(
            Step,
            st.sampled_from(["draw", "plan", "refine"]),
            st.integers(0, 9),
            st.text(),
            st.none() | st.binary(max_size=20),
            st.none() | st.integers(0, 2**63 - 1),
            st.builds(Cost, st.integers(0, 99), st.integers(0, 99), st.floats(0, 1e6)),
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_trajectories_cross_whole(steps: list[Step], finished: bool) -> None:
    made = Trajectory(tuple(steps), finished)
    assert wire.unpack_outcome(wire.pack_outcome(made)) == made


def test_the_rest_crosses_whole() -> None:
    said = JudgeReply("k", "q", "j", "i", "r", 0, Reply("yes", cost=0.5))
    for outcome in (
        Failure("why"),
        Score(0.5, "why", {"boxes": [1, 2.5, None]}),
        JudgedScore(Score(1.0), (said,)),
        JudgedScore(Failure("no score"), (said, said)),
    ):
        assert wire.unpack_outcome(wire.pack_outcome(outcome)) == outcome
    item = Item("1", "a thing", "odd", {"include": [{"class": "cup"}]})
    for jobs in (
        [job(1, DEAR), job(2, DEAR)],
        [Job("k", "m", CHEAP, "p", 1, SourceFile("a.png", "0" * 64))],
        [
            replace(
                job(1, DEAR),
                stored=(
                    Step("sketch", 1, image=b"png", seed=1, cost=Cost(3)),
                    Step("inspect", 1, "a", texts=("a", "")),
                ),
            )
        ],
        [ScoreJob("k", "d", b"png", item, True, {"a": [Reply("yes")]})],
    ):
        assert wire.unpack_jobs(wire.pack_jobs(jobs)) == jobs
        assert _plain(wire.pack_jobs(jobs))


def _plain(value: Any) -> bool:
    """Only JSON's own values and bytes, to the letter: no subclass of them either."""
    if type(value) is dict:
        return all(type(key) is str and _plain(inner) for key, inner in value.items())
    if type(value) is list:
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool, bytes)

"""Endpoints that send too much, ask for no pause or lead elsewhere, and replies that are made to be misread."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_server import Answer, completion, error, serving
from openai_judge import OK, judge, prompts

from evalharness.benchmarks.checklist.rubric import read_answer, read_answers
from evalharness.benchmarks.edits.benchmark import Edits
from evalharness.benchmarks.edits.rubric import read_reply
from evalharness.benchmarks.geneval2.soft_tifa import read_probability
from evalharness.benchmarks.unigenbench.replies import read_reply as read_points
from evalharness.benchmarks.wise.published_replies import LEGACY_RANGE, read_published_bit, read_published_scales
from evalharness.benchmarks.wise.replies import read_bit, read_scales
from evalharness.errors import EndpointError, SampleError
from evalharness.http.failure import pause
from evalharness.judges.parsing import STRICT, Parser
from evalharness.types.reply import Reply
from evalharness.types.score import Score

# --- size ---

TOO_LARGE = "the answer is too large: more than 4 MiB"


def bomb(megabytes: int) -> bytes:
    """A gzip file of so many megabytes of zeros, a thousandth as large."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"0" * 1_000_000
    return b"".join(compressor.compress(block) for _ in range(megabytes)) + compressor.flush()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(completion("A" * 5_000_000)), TOO_LARGE),
        (Answer(bomb(1000), headers={"content-encoding": "gzip"}), TOO_LARGE),
        (Answer(bomb(1000), 400, headers={"content-encoding": "gzip"}), TOO_LARGE),
        (
            Answer(b"no gzip", headers={"content-encoding": "gzip"}),
            "the answer cannot be read: it cannot be decompressed",
        ),
        (
            Answer(b"x", headers={"content-encoding": "br"}),
            "cannot be read: it is compressed by 'br', which was not asked",
        ),
    ],
    ids=["text", "gzip", "gzip of an error", "no gzip", "brotli"],
)
def test_an_answer_is_read_up_to_a_limit(answer: Answer, says: str) -> None:
    with serving(lambda call: answer) as (server, url):
        ((_, outcome),) = judge(url).ask(prompts(1))
    assert isinstance(outcome, SampleError) and says in str(outcome)
    assert len(server.calls) == 1, "it is not asked for again"


def test_a_compressed_answer_is_read() -> None:
    body = json.dumps(completion("Score: 1")).encode()
    for data, encoding in ((gzip.compress(body), "gzip"), (zlib.compress(body), "deflate"), (body, "identity")):
        answer = Answer(data, headers={"content-encoding": encoding})
        with serving(lambda call, answer=answer: answer) as (server, url):  # type: ignore[misc]
            ((_, reply),) = judge(url).ask(prompts(1))
        assert isinstance(reply, Reply) and reply.text == "Score: 1"
        assert server.calls[0].headers["accept-encoding"] == "gzip, deflate"


# --- pauses and redirects ---


@given(st.integers(1, 100), st.floats(0.01, 10), st.floats(0, 1), st.floats(0, 1))
def test_no_endpoint_takes_the_pause_away(tries: int, base: float, share: float, chance: float) -> None:
    """``Retry-After: 0``, or a date in the past, is answered by the pauses of an endpoint that says nothing."""
    assert pause(tries, share * base * 0.999, base, chance) == pause(tries, None, base, chance) >= base / 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """Prompts, pictures and the key are for the endpoint alone, and verdicts of another are not its verdicts."""
    with serving(lambda call: OK) as (elsewhere, other):
        answer = Answer(error("moved"), status, headers={"location": f"{other}/chat/completions?key=a"})
        with (
            serving(lambda call: answer) as (server, url),
            pytest.raises(
                EndpointError, match=rf"answers {status} and leads to http://127\.0\.0\.1, which is not followed"
            ),
        ):
            list(judge(url).ask(prompts(3)))
    assert elsewhere.calls == [] and len(server.calls) >= 1


# --- readers ---

READERS: dict[str, Parser] = {
    "edits": Parser(STRICT, read_reply),
    "wise-verified": Parser(STRICT, read_bit),
    "wise-legacy": Parser(STRICT, read_scales),
    "checklist, each": Parser(STRICT, read_answer),
    "checklist, together": Parser(STRICT, read_answers),
    "dpg-bench": Parser(STRICT, read_answer),
    "geneval2": Parser(STRICT, read_probability),
    "unigenbench": Parser("official", read_points, unchanged=True),
    "published bit": Parser("official", read_published_bit, unchanged=True),
    "published scales": Parser("official", read_published_scales, unchanged=True, score_range=LEGACY_RANGE),
}
PIECES = [
    "Followed",
    "Kept",
    "Score",
    "Consistency",
    "Realism",
    "Aesthetic Quality",
    ":",
    "：",
    "-5",
    "5",
    "10",
    "11",
    "1",
]
PIECES += [
    "9" * 5000,
    "**",
    "\n",
    "\r",
    " ",
    "\t",
    "<think>",
    "</think>",
    "<think",
    "[THINK]",
    "```json",
    "{",
    "}",
    "\u0660",
]
PIECES += [
    "<analysis>",
    "</analysis>",
    "<score>",
    "</score>",
    "[1, 0]",
    "['a', 'b']",
    "yes",
    "No",
    "1: yes",
    "0.5",
    "nan",
]
PIECES += ["²", "1e5", "1/2", "%", '"followed": 1e400', '{"followed": NaN, "kept": 5}', "\u202e", "\x00", "0x5", "+5"]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join)


@settings(max_examples=300)
@given(text=TEXTS, name=st.sampled_from(sorted(READERS)))
def test_any_reply_is_a_score_in_the_range_or_none(text: str, name: str) -> None:
    check(text, name)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(text=TEXTS, name=st.sampled_from(sorted(READERS)))
def test_any_of_many_replies_is_a_score_in_the_range_or_none(text: str, name: str) -> None:
    check(text, name)


def check(text: str, name: str) -> None:
    parser = READERS[name]
    score = parser.score(Reply(text), "fail")
    low, high = parser.score_range
    assert score is None or (isinstance(score, Score) and low <= score.value <= high)


@pytest.mark.parametrize(
    "text",
    [
        "Followed: -5\nKept: 5",
        "Followed: 5\nKept: -5",
        f"Followed: {'9' * 5000}\nKept: 5",
        f"Followed: {'0' * 5000}5\nKept: 5",
        "Followed: 5.5\nKept: 5",
        "Followed: 5 of 9\nKept: 5",
        "<think>\nFollowed: 5\nKept: 5",
        "[THINK]Followed: 5\nKept: 5",
        "Followed: 5\nKept: 5</think>",
        "Followed: ²\nKept: ٥",
        "Unfollowed: 5\nKept: 5",
        '{"followed": -5, "kept": 5}',
        '{"followed": 1e400, "kept": 5}',
    ],
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert READERS["edits"].score(Reply(text), "fail") is None


@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.parametrize(
    "piece", ["\n", " ", "*", "Followed ", "Score:", "<think", "<", "a", "-", "[THINK]", "Realism \n", "{", "<score>"]
)
def test_the_time_of_a_reader_is_linear(piece: str, name: str) -> None:
    """Of a quadratic one, this test would take hours."""
    check(piece * (1_000_000 // len(piece)), name)


def test_a_reply_that_is_read_otherwise_has_another_scorer() -> None:
    assert Edits.version == "2"


def test_all_readers_are_here() -> None:
    from evalharness.api import registry
    from evalharness.judges.judged_benchmark import JudgedBenchmark

    classes: list[Any] = [registry.load("benchmarks", name) for name in registry.available("benchmarks")]
    judged = {cls.name for cls in classes if issubclass(cls, JudgedBenchmark)}
    assert judged <= {name.partition(",")[0] for name in READERS} | {"wise-mini"}

"""What of a reply is thinking, in whatever dress, and what a reply without an answer is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.api.spoken import answer_of, describe_reply, outcome_of, without_thoughts
from evalharness.types.reply import Reply

TAGS = [
    ("<think>", "</think>"),
    ("<THINK>", "</Think>"),
    ("<think >", "</think >"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ('<think budget="3">', "</think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<think>", "</thinking>"),
]
WORDS = st.text().filter(lambda text: not re.search(r"[<>\[\]◁▷]", text))


@pytest.mark.parametrize(("opened", "closed"), TAGS)
def test_thoughts_are_no_answer_whatever_their_tags(opened: str, closed: str) -> None:
    assert without_thoughts(f"{opened}Score: 0?{closed}Score: 1") == "Score: 1"
    assert without_thoughts(f"Score: 0? {closed}Score: 1") == "Score: 1", "the first tag was left out"
    assert without_thoughts(f"Score: 1{opened}Score: 0") == "Score: 1", "the last tag was left out"
    assert without_thoughts(f"{opened}Score: 0? The rule says") == ""
    assert without_thoughts(f"{opened}a{closed}Score: {opened}b{closed}1") == "Score: 1"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", ""),
        ("I think: Score: 1", "I think: Score: 1"),
        ("<thinker>Score: 1", "<thinker>Score: 1"),
        ("[1] think", "[1] think"),
        ("<think/>Score: 1", "Score: 1"),
        ("<think></think>Score: 1", "Score: 1"),
        ("<think>a<think>b</think>c</think>d", "d"),
        ("a<think", "a<think"),
    ],
)
def test_what_is_left(text: str, answer: str) -> None:
    assert without_thoughts(text) == answer


@given(WORDS, WORDS, st.sampled_from(TAGS))
def test_thoughts_change_nothing(thought: str, answer: str, tags: tuple[str, str]) -> None:
    opened, closed = tags
    assert without_thoughts(answer) == answer
    assert without_thoughts(f"{opened}{thought}{closed}{answer}") == answer
    assert without_thoughts(f"{thought}{closed}{answer}") == answer
    assert without_thoughts(f"{answer}{opened}{thought}") == answer


def test_thoughts_in_a_field_of_their_own() -> None:
    assert answer_of(Reply("Score: 1", reasoning="Score: 0?")) == "Score: 1"
    assert answer_of(Reply(" Score: 0? Yes.\nScore: 1", reasoning="Score: 0? Yes.")).strip() == "Score: 1"
    assert answer_of(Reply("Score: 1", reasoning="Score: 1")) == "Score: 1", "an answer that is repeated, not a thought"


@pytest.mark.parametrize(
    ("reply", "outcome", "says"),
    [
        (Reply("Score: 1"), "answered", "'Score: 1'"),
        (Reply("Score: 1", ""), "answered", "'Score: 1'"),
        (Reply("Score: 1", refusal="x"), "answered", "'Score: 1'"),
        (Reply("Sco", "length", 9, 5), "cut", "cut off by its length limit after 5 tokens: 'Sco'"),
        (Reply("Sco", "MAX_TOKENS"), "cut", "cut off by its length limit after 0 tokens: 'Sco'"),
        (Reply("", "length", reasoning="so I"), "cut", "cut off by its length limit after 0 tokens: 'so I'"),
        (Reply("", "stop", refusal="I will not."), "refused", "refused: 'I will not.'"),
        (Reply("", "refusal"), "refused", "refused"),
        (Reply("I", "content_filter"), "filtered", "stopped by a content filter (content_filter): 'I'"),
        (Reply("", "SAFETY"), "filtered", "stopped by a content filter (SAFETY)"),
        (Reply(" \n"), "empty", "without an answer (finish reason 'stop')"),
        (Reply("<think>Score: 0"), "empty", "without an answer (finish reason 'stop'): '<think>Score: 0'"),
        (Reply("", "stop", reasoning="hm"), "empty", "without an answer (finish reason 'stop'): 'hm'"),
    ],
)
def test_what_a_reply_is(reply: Reply, outcome: str, says: str) -> None:
    assert outcome_of(reply) == outcome
    assert describe_reply(reply) == says


@pytest.mark.parametrize("unit", ["<think>", "</think>", "[THINK]", "<think>a</think>", "<think x>"])
def test_any_length_is_read(unit: str) -> None:
    assert without_thoughts(unit * 100_000 + "</think>Score: 1") == "Score: 1"
    assert without_thoughts("<think " * 100_000) == "<think " * 100_000, "no tag is ever closed with a bracket"

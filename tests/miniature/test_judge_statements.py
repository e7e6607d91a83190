"""The judge's lessons say the truth: each claim is read again and held to the board, by rules written for this test."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness._util.text import plural
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES, SIDE
from evalharness.miniature.world.judge_statements import REQUEST, Board, explain, messages, noun, request, statement
from evalharness.miniature.world.knowledge import CATEGORIES, FACTS, taught
from evalharness.miniature.world.knowledge_prompts import knowledge_prompt, meaning, prompt_about

NUMBER = {"two": 2, "three": 3, "four": 4}
cells = st.one_of(st.none(), st.tuples(st.sampled_from(CLASSES[:12]), st.sampled_from(COLOR_NAMES)))
boards = st.lists(cells, min_size=16, max_size=16)


def read_noun(words: str) -> tuple[str, str | None]:
    words = re.sub(r"^an? ", "", words)
    first, _, rest = words.partition(" ")
    return (rest, first) if first in COLOR_NAMES and rest in CLASSES else (words, None)


def fits(board: Board, name: str, color: str | None) -> list[int]:
    return [i for i, cell in enumerate(board) if cell and cell[0] == name and color in (None, cell[1])]


def holds(board: Board, words: str) -> bool:
    """Whether what a claim asks for is on the board."""
    counted = re.search(r"(?:exactly )?\b(two|three|four) (.+?)(?:, no more and no fewer)?$", words)
    if counted:
        singular = {plural(name): name for name in CLASSES}[counted[2]]
        return len(fits(board, singular, None)) == NUMBER[counted[1]]
    related = re.fullmatch(r"(.+) (left of|right of|above|below) (.+)", words)
    if related:
        first, second = (fits(board, *read_noun(related[i])) for i in (1, 3))
        if not first or not second:
            return False
        (a,), (b,) = first, second
        dx, dy = a % SIDE - b % SIDE, a // SIDE - b // SIDE
        along = {"left of": -dx, "right of": dx, "above": -dy, "below": dy}[related[2]]
        across = abs(dy) if related[2].endswith("of") else abs(dx)
        return along > 0 and along >= across
    return all(fits(board, *read_noun(part)) for part in words.split(" and "))


@given(boards, st.integers(0, 2**32), st.booleans())
def test_a_claim_is_as_true_as_it_says(board: Board, seed: int, true: bool) -> None:
    text = statement(random.Random(seed), board, true and any(board))
    question = re.sub(
        r"^(The image should show|The picture should contain|It must show|Expected:|There should be|Look for) ",
        "",
        text.words,
    )
    question = re.sub(r"( in the image)?\.$", "", question)
    assert holds(board, question) == text.true == (true and any(board))
    for name, color in text.nouns:
        assert noun(name, color) in text.words or plural(name) in text.words


@given(boards, st.integers(0, 2**32))
def test_a_request_ends_in_its_claim(board: Board, seed: int) -> None:
    rng = random.Random(seed)
    text = statement(rng, board, False)
    prompt, explanation = request(rng, text)
    assert explanation.endswith(text.words)
    system, user = messages(prompt, explanation)
    assert user["content"] == REQUEST.format(prompt=prompt, explanation=explanation)
    assert system["role"] == "system"


def test_every_category_has_facts_whose_answers_are_of_the_world() -> None:
    assert {fact.category for fact in FACTS} == set(CATEGORIES)
    words = {
        "thing": CLASSES,
        "color": COLOR_NAMES,
        "number": NUMBER,
        "place": ("left of", "right of", "above", "below"),
    }
    for fact in FACTS:
        assert fact.answer in words[fact.kind]
        assert re.search(rf"\b{fact.answer}s?\b", fact.phrase) is None, "a riddle does not name its answer"
        assert explain(fact)[0].isupper()
    assert len({fact.phrase for fact in FACTS}) == len(FACTS)


@pytest.mark.parametrize("seed", range(300))
def test_no_lesson_is_a_prompt_of_wise_mini(seed: int) -> None:
    """Beside a riddle it puts the classes that lessons do not, and beside riddles for things nothing."""
    prompt, metadata = knowledge_prompt(random.Random(seed))
    assert not any(prompt == prompt_about(fact) for fact in FACTS if fact.kind == "thing")
    for fact in FACTS:
        if fact.kind != "thing" and prompt.endswith(fact.phrase) and fact.kind != "place":
            assert taught(fact, metadata["include"][0]["class"])


def test_meanings() -> None:
    place = next(fact for fact in FACTS if fact.phrase == "to the north on a map of")
    assert prompt_about(place, "cup", "bed") == "a photo of a cup to the north on a map of a bed"
    assert meaning(place, "cup", "bed") == {
        "include": [{"class": "bed", "count": 1}, {"class": "cup", "count": 1, "position": ["above", 0]}]
    }

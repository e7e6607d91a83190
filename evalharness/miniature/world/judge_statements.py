"""What the embedded judge learns from: statements about a board, and the requests around them.

A statement is true or wrong in one respect. It asks for things (with or without a colour), for an exact number of them,
or for a relation of two. Other things on the board do not matter.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness._util.text import plural, with_article
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES
from evalharness.miniature.world.knowledge import FACTS, Fact
from evalharness.miniature.world.scenes import NUMBERS, RELATIONS, holds

SYSTEM = "You compare a picture with what it should show."
QUESTION = "Does the picture show all that the explanation asks for? Answer in one line, Score: 1 or Score: 0."
REQUEST = QUESTION + "\nPrompt: {prompt}\nExplanation: {explanation}"
Board = Sequence[tuple[str, str] | None]
"""Class and colour of the content of each cell."""
Noun = tuple[str, str | None]
"""Class and, if it matters, colour."""
PAIRS = ("scissors", "skis")
"""Words without an article."""
_FRAMES = (
    "The image should show {}.",
    "The picture should contain {}.",
    "It must show {}.",
    "Expected: {}.",
    "There should be {} in the image.",
    "Look for {}.",
)
_MEANS = {
    "thing": "{} is {}.",
    "color": "{} is {}.",
    "number": "The number meant is {1}.",
    "place": "{} something means {} it.",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence about a board.

    Attributes:
        words: The sentence.
        nouns: The things that it mentions.
        true: Whether it is true.
        demand: The number of the first thing, in words, or the relation of the two.
    """

    words: str
    nouns: tuple[Noun, ...]
    true: bool
    demand: str | None = None


def messages(prompt: str, explanation: str) -> list[dict[str, Any]]:
    """The chat as the judge sees it, without the image at its end."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": REQUEST.format(prompt=prompt, explanation=explanation)},
    ]


def noun(name: str, color: str | None) -> str:
    """A thing in words.

    >>> noun("apple", "green"), noun("skis", None)
    ('a green apple', 'skis')
    """
    words = f"{color} {name}" if color else name
    return words if name in PAIRS else with_article(words)


def explain(fact: Fact) -> str:
    """A sentence that says what a fact's phrase means."""
    answer = noun(fact.answer, None) if fact.kind == "thing" else fact.answer
    return _MEANS[fact.kind].format(fact.phrase[0].upper() + fact.phrase[1:], answer)


def statement(rng: random.Random, board: Board, true: bool, *, easy: bool = False) -> Statement:
    """A statement that is true of a board, or wrong in one respect; an ``easy`` one is about one thing."""
    if easy:
        kinds = [_class, _colored_thing]
    else:
        kinds = [_class, *3 * [_colored_thing], *2 * [_pair], *2 * [_number], *4 * [_relation]]
    while True:
        content = rng.choice(kinds)(rng, board, true)
        if content is not None:
            words, nouns, *demand = content
            return Statement(rng.choice(_FRAMES).format(words), tuple(nouns), true, *demand)


def request(rng: random.Random, statement: Statement, *, easy: bool = False) -> tuple[str, str]:
    """A prompt and an explanation around a statement.

    The prompt is often about an unrelated fact, which the explanation then explains before it makes the statement. An
    ``easy`` request has the things of the statement as its prompt and only the statement as its explanation.
    """
    fact = rng.choice(FACTS)
    preface = explain(fact) if rng.random() < 0.65 and not easy else ""
    direct = easy or rng.random() < 0.4
    subject = " and ".join(noun(*thing) for thing in statement.nouns) if direct else fact.phrase
    return f"a photo of {subject}", f"{preface} {statement.words}".strip()


Content = tuple[str, Sequence[Noun]] | tuple[str, Sequence[Noun], str] | None
"""Words, nouns and perhaps a demand; ``None`` if there is no such statement about the board."""


def _things(board: Board) -> list[tuple[str, str]]:
    return [thing for thing in board if thing is not None]


def _absent_class(rng: random.Random, board: Board) -> str:
    present = {name for name, _ in _things(board)}
    return rng.choice([name for name in CLASSES if name not in present])


def _class(rng: random.Random, board: Board, true: bool) -> Content:
    if true and not _things(board):
        return None
    name = rng.choice(_things(board))[0] if true else _absent_class(rng, board)
    return noun(name, None), [(name, None)]


def _colored_thing(rng: random.Random, board: Board, true: bool) -> Content:
    if not _things(board):
        return None
    thing: Noun | None = rng.choice(_things(board))
    if thing is not None and not true:
        thing = _vary(rng, board, thing)
    return None if thing is None else (noun(*thing), [thing])


def _vary(rng: random.Random, board: Board, thing: Noun) -> Noun | None:
    """The thing in another colour or of another class, so that the board does not show it."""
    name, color = thing
    things = _things(board)
    if rng.random() < 0.7:
        absent = [candidate for candidate in COLOR_NAMES if (name, candidate) not in things]
        # Colours of other things on the board are the ones that are easily confused.
        present = {other_color for _, other_color in things}
        confusable = [candidate for candidate in absent if candidate in present]
        color = rng.choice(confusable if confusable and rng.random() < 0.5 else absent)
    else:
        name = _absent_class(rng, board)
    return None if (name, color) in things else (name, color)


def _pair(rng: random.Random, board: Board, true: bool) -> Content:
    things = sorted(set(_things(board)))
    if len({name for name, _ in things}) < 2:
        return None
    first, second = rng.sample(things, 2)
    if first[0] == second[0]:
        return None
    colored = rng.random() < 0.6
    nouns: list[Noun] = [first, second] if colored else [(first[0], None), (second[0], None)]
    if not true:
        index = rng.randrange(2)
        wrong = _vary(rng, board, nouns[index]) if colored else (_absent_class(rng, board), None)
        if wrong is None:
            return None
        nouns[index] = wrong
    return " and ".join(noun(*thing) for thing in nouns), nouns


def _number(rng: random.Random, board: Board, true: bool) -> Content:
    counts = Counter(name for name, _ in _things(board))
    multiple = {name: count for name, count in sorted(counts.items()) if count in NUMBERS}
    if true:
        candidates = list(multiple.items())
    else:
        # Most things occur once or twice. If each gave a statement, those about numbers would mostly be wrong.
        basis: Mapping[str, int] = multiple
        if not multiple and rng.random() < 0.15:
            basis = counts
        candidates = [(name, n) for name, count in sorted(basis.items()) for n in NUMBERS if abs(n - count) == 1]
        if multiple and rng.random() < 0.75:
            candidates = [(name, n) for name, n in candidates if counts[name] > 2]
    if not candidates:
        return None
    name, count = rng.choice(candidates)
    form = rng.choice(("exactly {} {}", "exactly {} {}", "{} {}, no more and no fewer"))
    return form.format(NUMBERS[count], plural(name)), [(name, None)], NUMBERS[count]


def _relation(rng: random.Random, board: Board, true: bool) -> Content:
    counts = Counter(name for name, _ in _things(board))
    unique = [(cell, thing) for cell, thing in enumerate(board) if thing is not None and counts[thing[0]] == 1]
    if len(unique) < 2:
        return None
    (a, first), (b, second) = rng.sample(unique, 2)
    opposite: Mapping[str, str] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    relation = rng.choice([relation for relation in RELATIONS if holds(relation, a, b)] or [""])
    if not relation:
        return None
    nouns: list[Noun] = [(first[0], None), (second[0], None)]
    if not true and rng.random() < 0.25:
        nouns[rng.randrange(2)] = (_absent_class(rng, board), None)
    elif not true:
        perpendicular = [r for r in RELATIONS if not any(holds(either, a, b) for either in (r, opposite[r]))]
        relation = rng.choice([opposite[relation], *perpendicular])
    return f"{noun(*nouns[0])} {relation} {noun(*nouns[1])}", nouns, relation

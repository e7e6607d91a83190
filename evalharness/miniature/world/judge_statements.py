"""What the embedded judge learns from: sentences about a board, true or wrong in one thing, and the request around it.

A claim asks for things (with or without a colour), for an exact number of them, or for a relation of two. Things
besides those asked for do not matter.
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
"""Class and colour of what is in each of the nine cells."""
Noun = tuple[str, str | None]
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
    """A sentence and what it speaks of: things, and perhaps a number of the first or the relation of the two."""

    words: str
    nouns: tuple[Noun, ...]
    true: bool
    demand: str | None = None
    """A number in words or a relation."""


def messages(prompt: str, explanation: str) -> list[dict[str, Any]]:
    """The chat as the judge sees it, without the image that ends it."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": REQUEST.format(prompt=prompt, explanation=explanation)},
    ]


def noun(name: str, color: str | None) -> str:
    """
    >>> noun("apple", "green"), noun("skis", None)
    ('a green apple', 'skis')
    """
    words = f"{color} {name}" if color else name
    return words if name in PAIRS else with_article(words)


def explain(fact: Fact) -> str:
    """What a riddle means, as a sentence."""
    answer = noun(fact.answer, None) if fact.kind == "thing" else fact.answer
    return _MEANS[fact.kind].format(fact.riddle[0].upper() + fact.riddle[1:], answer)


def statement(rng: random.Random, board: Board, true: bool, *, easy: bool = False) -> Statement:
    """A claim that holds of a board, or fails in one thing; an ``easy`` one is of one thing."""
    kinds = [_things, _colored] if easy else [_things, *3 * [_colored], *2 * [_pair], *2 * [_number], *4 * [_relation]]
    while True:
        made = rng.choice(kinds)(rng, board, true)
        if made is not None:
            words, nouns, *demand = made
            return Statement(rng.choice(_FRAMES).format(words), tuple(nouns), true, *demand)


def request(rng: random.Random, said: Statement, *, easy: bool = False) -> tuple[str, str]:
    """A prompt and an explanation: often a riddle and its answer, which the claim that follows has nothing to do with.

    An ``easy`` one has the claim's own things for a prompt, and nothing but the claim.
    """
    other = rng.choice(FACTS)
    before = explain(other) if rng.random() < 0.65 and not easy else ""
    direct = easy or rng.random() < 0.4
    prompt = "a photo of " + (" and ".join(noun(*n) for n in said.nouns) if direct else other.riddle)
    return prompt, f"{before} {said.words}".strip()


Made = tuple[str, Sequence[Noun]] | tuple[str, Sequence[Noun], str] | None
"""Words, nouns and demand, or nothing: this board has no such claim."""


def _present(board: Board) -> list[tuple[str, str]]:
    return [thing for thing in board if thing is not None]


def _absent(rng: random.Random, board: Board) -> str:
    there = {thing[0] for thing in _present(board)}
    return rng.choice([name for name in CLASSES if name not in there])


def _things(rng: random.Random, board: Board, true: bool) -> Made:
    if true and not _present(board):
        return None
    name = rng.choice(_present(board))[0] if true else _absent(rng, board)
    return noun(name, None), [(name, None)]


def _colored(rng: random.Random, board: Board, true: bool) -> Made:
    if not _present(board):
        return None
    thing: Noun = rng.choice(_present(board))
    if not true:
        wrong = _spoiled(rng, board, thing)
        if wrong is None:
            return None
        thing = wrong
    return noun(*thing), [thing]


def _spoiled(rng: random.Random, board: Board, thing: Noun) -> Noun | None:
    """The thing with another colour or another class, such as the board does not hold."""
    name, color = thing
    if rng.random() < 0.7:
        free = [c for c in COLOR_NAMES if (name, c) not in _present(board)]
        # Colours that something else on the board has are the ones to be mistaken for.
        near = [c for c in free if any(c == other[1] for other in _present(board))]
        color = rng.choice(near if near and rng.random() < 0.5 else free)
    else:
        name = _absent(rng, board)
    return None if (name, color) in _present(board) else (name, color)


def _pair(rng: random.Random, board: Board, true: bool) -> Made:
    there = sorted(set(_present(board)))
    if len({name for name, _ in there}) < 2:
        return None
    first, second = rng.sample(there, 2)
    if first[0] == second[0]:
        return None
    colored = rng.random() < 0.6
    nouns: list[Noun] = [first, second] if colored else [(first[0], None), (second[0], None)]
    if not true:
        at = rng.randrange(2)
        wrong = _spoiled(rng, board, nouns[at]) if colored else (_absent(rng, board), None)
        if wrong is None:
            return None
        nouns[at] = wrong
    return " and ".join(noun(*one) for one in nouns), nouns


def _number(rng: random.Random, board: Board, true: bool) -> Made:
    counts = Counter(name for name, _ in _present(board))
    several = {name: count for name, count in sorted(counts.items()) if count in NUMBERS}
    if true:
        known = list(several.items())
    else:
        # Most things stand there once or twice. Were all claims about those made, a number would be wrong as a rule.
        asked = several if several else counts if rng.random() < 0.15 else {}
        known = [(name, n) for name, count in sorted(asked.items()) for n in NUMBERS if abs(n - count) == 1]
        if several and rng.random() < 0.75:
            known = [(name, n) for name, n in known if counts[name] > 2]
    if not known:
        return None
    name, count = rng.choice(known)
    form = rng.choice(("exactly {} {}", "exactly {} {}", "{} {}, no more and no fewer"))
    return form.format(NUMBERS[count], plural(name)), [(name, None)], NUMBERS[count]


def _relation(rng: random.Random, board: Board, true: bool) -> Made:
    counts = Counter(name for name, _ in _present(board))
    single = [(cell, thing) for cell, thing in enumerate(board) if thing is not None and counts[thing[0]] == 1]
    if len(single) < 2:
        return None
    (a, first), (b, second) = rng.sample(single, 2)
    opposite: Mapping[str, str] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    relation = rng.choice([r for r in RELATIONS if holds(r, a, b)] or [""])
    if not relation:
        return None
    nouns: list[Noun] = [(first[0], None), (second[0], None)]
    if not true and rng.random() < 0.25:
        nouns[rng.randrange(2)] = (_absent(rng, board), None)
    elif not true:
        across = [r for r in RELATIONS if not any(holds(x, a, b) for x in (r, opposite[r]))]
        relation = rng.choice([opposite[relation], *across])
    return f"{noun(*nouns[0])} {relation} {noun(*nouns[1])}", nouns, relation

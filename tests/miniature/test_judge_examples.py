"""What the judge is told about a board is what is there: each lesson is read back from its tokens."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from evalharness._util.text import plural
from evalharness.miniature import training
from evalharness.miniature.training.augment import EMPTY, Boards, BoardSampler
from evalharness.miniature.training.judge import MOST
from evalharness.miniature.training.judge_examples import DEMANDS, IMAGE, UNKNOWN, JudgeBatch, judge_batch
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES

TOKENIZER = Path(training.__file__).parents[1] / "weights" / "judge"
ASK = r"(?:The image should show|The picture should contain|It must show|Expected:|There should be|Look for) ([^.]*?)"
NAMES = {*CLASSES, *map(plural, CLASSES), *COLOR_NAMES}
RELATIONS = ("left of", "right of", "above", "below")


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    if not TOKENIZER.is_dir():
        pytest.skip("no embedded judge in this checkout")
    return PreTrainedTokenizerFast.from_pretrained(TOKENIZER)


def boards(seed: int, count: int = 12) -> Boards:
    """Labels without pictures: a few classes, so that many stand there more than once."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(8, (count, 16), generator=draw)
    labels[torch.rand(count, 16, generator=draw) < 0.5] = EMPTY
    nothing = torch.zeros(count, 0)
    return Boards(nothing, labels, torch.randint(10, (count, 16), generator=draw), nothing)


def read(words: PreTrainedTokenizerFast, lesson: JudgeBatch, row: int) -> tuple[str, bool]:
    """The sentence that asks, and the verdict."""
    tokens = torch.cat([lesson.start, lesson.ids[row][lesson.mask[row].bool()]])
    # A thing's or a colour's token takes in the space before it.
    text = "".join(f" {piece}" if piece in NAMES else piece for piece in map(words.decode, tokens))
    ask = re.findall(ASK.lower() + r"(?: in the image)?\.<image>", text)
    answer = words.decode(lesson.ids[row][lesson.answer[row]])
    assert text.endswith(answer) and text.count(IMAGE) == 16
    return ask[-1], {"Score: 1<|end|>": True, "Score: 0<|end|>": False}[answer]


def parse(ask: str) -> tuple[list[tuple[str, str | None]], str | None]:
    """The things that a sentence asks for, and what else it asks of them."""
    counted = re.search(r"\b(two|three|four) (.+?)(?:, no more and no fewer)?$", ask)
    if counted:
        return [({plural(name): name for name in CLASSES}[counted[2]], None)], counted[1]
    relation = next((r for r in RELATIONS if f" {r} " in ask), None)
    nouns: list[tuple[str, str | None]] = []
    for part in re.split(r" and |" + "|".join(f" {r} " for r in RELATIONS), ask):
        color, _, rest = re.sub(r"^an? ", "", part).partition(" ")
        nouns.append((rest, color) if color in COLOR_NAMES and rest in CLASSES else (f"{color} {rest}".strip(), None))
    return nouns, relation


@pytest.mark.parametrize("easy", [False, True])
def test_the_labels_are_what_the_tokens_ask_for(words: PreTrainedTokenizerFast, easy: bool) -> None:
    drawn = boards(3)
    lesson = judge_batch(words, drawn, 8, random.Random(0), easy=easy)
    assert len(lesson.ids) == 96
    kinds = set()
    for row in range(len(lesson.ids)):
        ask, _ = read(words, lesson, row)
        nouns, demand = parse(ask)
        labels, colors = drawn.labels[lesson.image[row]].tolist(), drawn.colors[lesson.image[row]].tolist()
        cells = [
            [cell for cell in range(16) if labels[cell] == CLASSES.index(name)
             and color in (None, COLOR_NAMES[colors[cell]])]
            for name, color in nouns
        ]  # fmt: skip
        assert [cell in cells[0] for cell in range(16)] == (lesson.role[row] == 1).tolist()
        assert DEMANDS[int(lesson.demand[row])] == demand
        assert lesson.count[row] == len(cells[0])
        assert len(nouns) == (lesson.word[row] != UNKNOWN).sum() == (lesson.hue[row] != UNKNOWN).sum()
        for noun, (name, color) in enumerate(nouns):
            named = words.decode(lesson.ids[row, lesson.word[row, noun]])
            assert named in (name, plural(name)) and lesson.word[row, noun] < lesson.answer[row, 0] - 16
            assert (*COLOR_NAMES, None)[int(lesson.hue[row, noun])] == color
        for noun, own in enumerate(cells):
            assert lesson.place[row, noun] == (own[0] if len(own) == 1 else UNKNOWN)
        two = len(cells) == 2 and len(cells[0]) == len(cells[1]) == 1
        assert two or bool(lesson.relations[row].isnan().all())
        if two:
            (ay, ax), (by, bx) = (divmod(own[0], 4) for own in cells)
            right, down = bx - ax, by - ay
            expected = [right >= max(abs(down), 1), -right >= max(abs(down), 1)]
            expected += [down >= max(abs(right), 1), -down >= max(abs(right), 1)]
            assert lesson.relations[row].tolist() == [float(relation) for relation in expected]
        kinds.add(demand)
    assert easy == (kinds == {None})


def test_a_number_is_about_as_often_right_as_wrong(words: PreTrainedTokenizerFast, board_sampler: BoardSampler) -> None:
    """A judge that sees mostly wrong numbers learns to say so without counting."""
    drawn = board_sampler.boards(400, most=MOST, alike=0.5)
    lesson = judge_batch(words, drawn, 4, random.Random(1))
    verdicts = [read(words, lesson, row)[1] for row in range(len(lesson.ids)) if 1 <= lesson.demand[row] <= 3]
    assert len(verdicts) > 100
    assert 0.4 < sum(verdicts) / len(verdicts) < 0.6

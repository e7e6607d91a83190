"""wise-mini's prompts, and the embedded judge on pictures of them: right ones, and ones wrong in one attribute."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness._util.text import plural
from evalharness.api.benchmark import ScoreRequest
from evalharness.api.judge import JudgePrompt
from evalharness.benchmarks.wise.mini import WiseMini
from evalharness.miniature.model.tokenizer import Tokenizer
from evalharness.miniature.world import scenes
from evalharness.miniature.world.board import CLASSES, Scene, natural_color, render
from evalharness.miniature.world.judge_statements import explain
from evalharness.miniature.world.knowledge import FACTS, Fact, taught
from evalharness.miniature.world.knowledge_prompts import meaning, prompt_about
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score

TAGS = {"thing": "single_object", "color": "colors", "number": "counting", "place": "position"}
JUDGE = Path(scenes.__file__).parents[1] / "weights" / "judge"
needs_judge = pytest.mark.skipif(not JUDGE.is_dir(), reason="no embedded judge in this checkout")


class Forgets:
    """Replies that are not kept."""

    def get(self, key: str) -> list[Reply]:
        return []

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None: ...


def benchmark() -> WiseMini:
    return WiseMini(WiseMini.Settings())


def fact_of(item: Item) -> tuple[Fact, tuple[str, ...]]:
    """The fact that an item asks for, and the classes beside its riddle."""
    fact = FACTS[int(item.id) - 1]
    form = {
        "thing": "{}",
        "color": "an? (.+) in {}",
        "number": "as many (.+) as {}",
        "place": "an? (.+) {} an? (.+)",
    }[fact.kind]
    match = re.fullmatch("a photo of " + form.format(re.escape(fact.phrase)), item.prompt)
    assert match, item.prompt
    singular = {plural(name): name for name in CLASSES}
    return fact, tuple(singular.get(name, name) if fact.kind == "number" else name for name in match.groups())


def test_each_prompt_is_a_riddle_beside_classes_that_no_lesson_puts_there() -> None:
    items = benchmark().items()
    assert len(items) == len(FACTS) >= 120
    for item in items:
        fact, names = fact_of(item)
        assert item.prompt == prompt_about(fact, *names)
        assert item.category == fact.category
        assert not any(taught(fact, name) for name in names)
        answer = item.metadata["Explanation"].removeprefix(explain(fact) + " ")
        assert re.fullmatch(r"The image should show [a-z -]+\.", answer)
        assert re.search(rf"\b{fact.answer}\b", answer)
        assert all(name in answer or plural(name) in answer for name in names)
        if fact.kind == "color":
            assert natural_color(names[0]) != fact.answer, "the color must be asked for to be had"


def test_the_miniature_can_read_them() -> None:
    tokenizer, items = Tokenizer(), benchmark().items()
    assert all(tokenizer.encode(item.prompt) for item in items) and items


def test_the_prompt_file_has_the_form_of_wise_s() -> None:
    keys = ["Prompt", "Explanation", "Category", "Subcategory", "prompt_id"]
    assert all(list(line) == keys for line in json.loads(WiseMini.prompt_file()))
    assert benchmark().prompt_set().name == "original"


def judged(kinds: set[str], draw: Callable[[dict[str, Any], random.Random], Scene], seed: int) -> list[float]:
    """Scores of pictures drawn for the items about these kinds of facts, by wise-mini's own scorer."""
    rng = random.Random(seed)
    requests = []
    for item in benchmark().items():
        fact, names = fact_of(item)
        if fact.kind in kinds:
            buffer = io.BytesIO()
            render(draw({"tag": TAGS[fact.kind], **meaning(fact, *names)}, rng)).save(buffer, "PNG")
            requests.append(ScoreRequest(item.id, item, buffer.getvalue(), f"{seed} {item.id}"))
    outcomes = [outcome for _, outcome in benchmark().scorer().judge(requests, Forgets())]
    assert len(outcomes) == len(requests) > 0
    assert all(isinstance(outcome, Score) for outcome in outcomes)
    return [outcome.value for outcome in outcomes if isinstance(outcome, Score)]


def verdicts(kinds: set[str]) -> tuple[int, int]:
    """Right verdicts and all: on two right scenes an item, and on two that are wrong in one attribute."""
    right = judged(kinds, scenes.right, 0) + judged(kinds, scenes.right, 1)
    wrong = [score for seed in (2, 3) for score in judged(kinds, lambda line, rng: scenes.wrong(line, rng)[0], seed)]
    return round(sum(right) + len(wrong) - sum(wrong)), len(right) + len(wrong)


@needs_judge
@pytest.mark.slow
def test_the_judge_tells_right_from_wrong() -> None:
    pytest.importorskip("lm_eval")
    counts = {kind: verdicts({kind}) for kind in TAGS}
    right, total = (sum(column) for column in zip(*counts.values(), strict=True))
    assert total == 4 * len(FACTS)
    assert right / total >= 0.95, counts
    for kind, least in (("thing", 0.95), ("color", 0.95), ("number", 0.85)):
        assert counts[kind][0] / counts[kind][1] >= least, counts


@needs_judge
@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="the judge does not tell which of two things is which; see docs/miniature.md")
def test_the_judge_tells_a_right_relation_from_a_wrong_one() -> None:
    pytest.importorskip("lm_eval")
    right, total = verdicts({"place"})
    assert right / total >= 0.95


@needs_judge
@pytest.mark.slow
def test_the_judge_is_plain_transformers() -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, info = AutoModelForImageTextToText.from_pretrained(JUDGE, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    assert AutoProcessor.from_pretrained(JUDGE).chat_template

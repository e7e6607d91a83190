"""How answers in words are understood, and what the loops of other checkpoints read, write and draw from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from PIL import Image

from evalharness.api.model import Branching, Drawn, Written
from evalharness.errors import ConfigError
from evalharness.generation import variants
from evalharness.generation.formats.bagel import Bagel
from evalharness.generation.formats.prompted import PLAN, Prompted
from evalharness.generation.formats.unicot import Unicot
from evalharness.generation.formats.zebra import Zebra
from evalharness.generation.process import Process
from evalharness.generation.text_cot import TextCot
from evalharness.testing import MockModel
from evalharness.types.trajectory import Trajectory


@pytest.mark.parametrize("answer", ["finished", " Finished.", "**FINISHED**\nThe picture", '"finished"'])
def test_a_plan_that_says_finished(answer: str) -> None:
    assert Prompted({}).done(answer)


@pytest.mark.parametrize("answer", ["", "…", "Add a dog.", "It is not finished", "finishedness"])
def test_a_plan_that_does_not(answer: str) -> None:
    assert not Prompted({}).done(answer)


@pytest.mark.parametrize(("answer", "conflict"), [("Fine.", False), ("", False), ("The cat is missing", True)])
def test_an_inspection(answer: str, conflict: bool) -> None:
    assert Prompted({}).conflict(answer) is conflict


def test_requests_of_your_own() -> None:
    spoken = Prompted({"inspect": "Well?"})
    assert (spoken.inspect.ask, spoken.plan.ask) == ("Well?", PLAN)


def test_thinking_needs_a_system_prompt() -> None:
    with pytest.raises(ConfigError, match=r"give the model `words: official`, or `words: \{system"):
        Bagel({})
    assert Bagel({"system": ""}).system == ""


# --- loops ---


@dataclass
class Diary(Branching):
    """Writes from a script; keeps for each text and drawing what stood before it. ``|`` is where guidance begins."""

    script: list[str]
    words: Mapping[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    name = "diary"
    batch_size = 8
    formats: ClassVar[tuple[str, ...]] = ("unicot", "unicot-mended", "zebra")
    guided = False
    continues = True
    drawn = 0

    def identity(self) -> dict[str, Any]:
        return {}

    def check(self, prompt: str) -> None: ...

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        raise NotImplementedError

    def start(self, count: int) -> list[list[str]]:
        return [["|"] for _ in range(count)]

    def blank(self) -> None: ...

    def fork(self, contexts: Sequence[list[str]]) -> list[list[str]]:
        return [[*context] for context in contexts]

    def _mark(self, context: list[str]) -> None:
        context.remove("|")
        context.append("|")

    def read(self, contexts: Sequence[list[str]], texts: Sequence[str]) -> None:
        for context, text in zip(contexts, texts, strict=True):
            self._mark(context)
            context.append(text)

    def append(self, contexts: Sequence[list[str]], texts: Sequence[str]) -> None:
        for context, text in zip(contexts, texts, strict=True):
            context.append(text)

    def look(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        for context, image in zip(contexts, images, strict=True):
            context.append(f"<image {image.getpixel((0, 0))[0]}>")  # type: ignore[index]
            self._mark(context)

    def glance(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        for context, image in zip(contexts, images, strict=True):
            context.append(f"<glance {image.getpixel((0, 0))[0]}>")  # type: ignore[index]

    def write(
        self,
        contexts: Sequence[list[str]],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        assert len(set(seeds)) == len(seeds)
        written = []
        for context in contexts:
            context += [ask] if ask else []
            text = self.script.pop(0)
            self.log.append(f"{' '.join(one for one in context if one != '|')} -> {text}")
            context.append(text)
            written.append(Written(text, 1))
        return written

    def draw(
        self, contexts: Sequence[list[str]], *, unguided: Sequence[Any], seeds: Sequence[int], kind: str = "draw"
    ) -> list[Drawn]:
        made = []
        for context in contexts:
            self.drawn += 1
            self.log.append(f"{' '.join(context)} => {self.drawn}")
            made.append(Drawn(Image.new("RGB", (4, 4), (self.drawn, 0, 0)), 5))
        return made


def process(model: Diary, format: str, **settings: Any) -> Trajectory:
    (made,) = variants.run(Process(format=format, **settings), model, ["p"], [7])
    assert model.script == []
    return made


def kinds(trajectory: Trajectory) -> list[tuple[str, int]]:
    return [(step.kind, step.iteration) for step in trajectory.steps]


WORDS = {"system": "s", "detail": "d?"}


@pytest.mark.parametrize(
    ("format", "twice", "suggestion"),
    [("unicot", " p", ""), ("unicot-mended", "", " sugg")],
    ids=["published", "mended"],
)
def test_unicot_evaluates_and_edits_until_all_is_good(format: str, twice: str, suggestion: str) -> None:
    """The contexts of inference_mdp_self_reflection.py: fresh ones in each round, guidance begins behind the image.

    As published, the suggestion is dropped before the change is written in detail, and the prompt is read twice to
    think. Mended, neither is.
    """
    good = ["e", "Everything is good"]
    model = Diary([" think ", *good, "e2", "sugg", "detail", *good * 3], WORDS)
    assert isinstance(model, Branching)
    made = process(model, format, max_iterations=5)
    assert model.log == [
        f"s p{twice} ->  think ",
        "s | p  think  => 1",
        "s p think <glance 1> -> e",
        "s p think <glance 1> e -> Everything is good",
        "s p think <glance 1> -> e2",
        "s p think <glance 1> e2 -> sugg",
        f"s p think <glance 1> e2{suggestion} d? -> detail",
        "s p think <image 1> | detail => 2",
        *["s p think <glance 2> -> e", "s p think <glance 2> e -> Everything is good"] * 3,
    ]
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("inspect", 1), ("refine", 1), ("inspect", 2)]
    assert made.finished
    assert made.steps[2].cost.tokens == 4
    assert made.steps[3].text == "detail"
    assert (made.steps[3].cost.tokens, made.steps[3].cost.evaluations) == (1, 5)
    assert made.image == made.steps[3].image != made.steps[1].image


@pytest.mark.parametrize("format", ["unicot", "unicot-mended"])
def test_text_cot_and_process_think_and_draw_in_the_same_contexts(format: str) -> None:
    logs = []
    for variant in (TextCot(format=format), Process(format=format, refine=False, inspect=False)):
        model = Diary(["t"], WORDS)
        variants.run(variant, model, ["p"], [7])
        logs.append(model.log)
    assert logs[0] == logs[1]


def test_thinking_in_a_copy_of_the_context_needs_contexts_that_fork() -> None:
    model = MockModel()
    model.formats, model.words = ("unicot",), WORDS  # type: ignore[misc]
    with pytest.raises(ConfigError, match="format 'unicot' thinks in a copy of the context"):
        TextCot(format="unicot").check(model)


def test_unicot_without_stages() -> None:
    made = process(Diary(["t", "sugg", "detail"], WORDS), "unicot", max_iterations=1, inspect=False)
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("refine", 1)]
    assert made.steps[2].text == "sugg\ndetail"
    assert not made.finished
    made = process(Diary(["t", "e", "sugg"], WORDS), "unicot", refine=False)
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("inspect", 1)]
    assert made.finished
    made = process(Diary(["t"], WORDS), "unicot", refine=False, inspect=False)
    assert kinds(made) == [("plan", 1), ("sketch", 1)]


def test_unicot_with_samples_at_different_stages() -> None:
    """The second sample is good at once."""
    script = ["t1", "t2", "e1", "e2", "sugg", "No editing", "e2", "No editing", "e2", "No editing", "detail"]
    model = Diary([*script, *["e1", "No editing"] * 3], WORDS)
    one, two = variants.run(Process(format="unicot", max_iterations=3), model, ["p", "q"], [7, 8])
    assert kinds(one) == [("plan", 1), ("sketch", 1), ("inspect", 1), ("refine", 1), ("inspect", 2)]
    assert kinds(two) == [("plan", 1), ("sketch", 1), ("inspect", 1)]
    assert two.steps[2].text == "e2\nNo editing\ne2\nNo editing\ne2\nNo editing"
    assert "s p t1 <image 1> | detail => 3" in model.log


def test_zebra_writes_and_draws_until_it_answers() -> None:
    """Words see images as understood, drawings as drawn from; guidance leads to the newest text (infz_bf16.py)."""
    model = Diary(["a", "b", "Final Answer: c"], WORDS)
    made = process(model, "zebra", inspect=False, refine=False)
    assert model.log == [
        "s p -> a",
        "s p | a => 1",
        "s p a <glance 1> -> b",
        "s p a <image 1> | b => 2",
        "s p a <glance 1> b <glance 2> -> Final Answer: c",
    ]
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("plan", 2), ("sketch", 2), ("plan", 3)]
    assert made.finished


def test_zebra_has_no_inspection_and_always_draws_once() -> None:
    with pytest.raises(ConfigError, match="format 'zebra' has no stage 'inspect'; set `inspect: false`"):
        process(Diary([], WORDS), "zebra")
    made = process(Diary(["<answer> 3", "<answer> 3"], WORDS), "zebra", inspect=False, refine=False)
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("plan", 2)]


@pytest.mark.parametrize("cap", [1, 2])
@pytest.mark.parametrize("format", ["unicot", "zebra"])
def test_a_prefix_is_a_shorter_run(format: str, cap: int) -> None:
    script = {"unicot": ["t", *["e", "sugg", "detail"] * 3], "zebra": ["a", "b", "c"]}[format]
    off = {"inspect": False, "refine": False} if format == "zebra" else {}
    whole = process(Diary([*script], WORDS), format, max_iterations=3, **off)
    shorter = {"unicot": 1 + 3 * cap, "zebra": cap}[format]
    alone = process(Diary(script[:shorter], WORDS), format, max_iterations=cap, **off)
    cut = whole.prefix(cap)
    found, expected = ([(s.kind, s.text, s.image, s.seed) for s in one.steps] for one in (cut, alone))
    assert found == expected
    assert cut.finished == alone.finished


@pytest.mark.parametrize(("spoken", "missing"), [(Unicot, "system"), (Unicot, "detail"), (Zebra, "system")])
def test_words_that_must_be_given(spoken: Any, missing: str) -> None:
    with pytest.raises(ConfigError, match=rf"give the model `words: \w+`, or `words: \{{{missing}"):
        spoken({name: word for name, word in WORDS.items() if name != missing})


# --- the same settings in every format ---


class Critic(Diary):
    """Is never done, and finds every picture wanting, in any format's words."""

    formats: ClassVar[tuple[str, ...]] = ("strokes", "prompted", "unicot", "zebra")

    def write(self, contexts: Sequence[list[str]], **how: Any) -> list[Written]:
        self.script += ["<inspect> a cat is missing </inspect>"] * len(contexts)
        return super().write(contexts, **how)


@pytest.mark.parametrize("cap", [1, 3])
@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("inspect", [True, False])
@pytest.mark.parametrize("format", ["strokes", "prompted", "unicot"])
def test_stages_and_caps_mean_the_same_in_every_format(format: str, inspect: bool, refine: bool, cap: int) -> None:
    """Every iteration inspects, and refines what it found; without inspection all is refined, without refinement
    nothing. Uni-CoT's rounds only refine, so there is one without."""
    made = process(Critic([], WORDS), format, max_iterations=cap, inspect=inspect, refine=refine)
    rounds = 1 if format == "unicot" and not refine else cap
    assert made.iterations == rounds
    for kind, wanted in (("inspect", inspect), ("refine", refine)):
        expected = list(range(1, rounds + 1)) if wanted else []
        assert [step.iteration for step in made.steps if step.kind == kind] == expected
    drawn = [step.kind for step in made.steps if step.image is not None]
    sketches = 1 if format == "unicot" else cap
    assert (drawn.count("sketch"), drawn.count("refine")) == (sketches, rounds if refine else 0)


@pytest.mark.parametrize(("stages", "missing"), [({}, "inspect"), ({"inspect": False}, "refine")])
def test_a_stage_that_a_format_has_not_is_an_error(stages: dict[str, bool], missing: str) -> None:
    with pytest.raises(ConfigError, match=f"format 'zebra' has no stage '{missing}'; set `{missing}: false`"):
        process(Critic([], WORDS), "zebra", **stages)
    made = process(Critic([], WORDS), "zebra", max_iterations=3, inspect=False, refine=False)
    assert kinds(made) == [(kind, n) for n in (1, 2, 3) for kind in ("plan", "sketch")]

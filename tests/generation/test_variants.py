"""The loop over a model's verbs, watched through a model that does as it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from PIL import Image

from evalharness.api.model import Drawn, ImageModel, Interleaver, Written
from evalharness.errors import ConfigError, SampleError
from evalharness.generation import steps, variants
from evalharness.generation.best_of_n import BestOfN
from evalharness.generation.process import Process
from evalharness.generation.sample import noise_seed
from evalharness.generation.single_pass import SinglePass
from evalharness.generation.spoken import TokenLimits
from evalharness.generation.text_cot import TextCot
from evalharness.types.trajectory import Trajectory


class Painter(ImageModel):
    """Only draws: an image whose red channel is its seed."""

    name = "painter"
    batch_size = 8

    def identity(self) -> dict[str, Any]:
        return {"name": self.name}

    def check(self, prompt: str) -> None: ...

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return [Drawn(Image.new("RGB", (4, 4), (seed % 256, 0, 0)), 5) for seed in seeds]


@dataclass
class Told(Painter, Interleaver):
    """An interleaved model that writes from a script, a list of texts a prompt, and keeps a diary of its contexts."""

    script: dict[str, list[str]]
    formats: ClassVar[tuple[str, ...]] = ("strokes",)
    guided: bool = True
    continues: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    first: Image.Image | None = field(default_factory=lambda: Image.new("RGB", (4, 4), "white"))

    def __post_init__(self) -> None:
        self.said = {prompt: list(texts) for prompt, texts in self.script.items()}

    def start(self, count: int) -> list[list[Any]]:
        return [[] for _ in range(count)]

    def blank(self) -> Image.Image | None:
        return self.first

    def read(self, contexts: Sequence[list[Any]], texts: Sequence[str]) -> None:
        for context, text in zip(contexts, texts, strict=True):
            context.append(text)

    def look(self, contexts: Sequence[list[Any]], images: Sequence[Image.Image]) -> None:
        for context, image in zip(contexts, images, strict=True):
            context.append(image)

    def write(
        self,
        contexts: Sequence[list[Any]],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        out = []
        for context in contexts:
            context += [one for one in (ask, opening) if one]
            prompt = context[0].removeprefix("<text> ").removesuffix(" </text>")
            text = self.said[prompt].pop(0)
            context.append(text)
            out.append(Written(text, len(text.split())))
        return out

    def draw(
        self, contexts: Sequence[list[Any]], *, unguided: Sequence[list[Any]], seeds: Sequence[int], kind: str = "draw"
    ) -> list[Drawn]:
        assert len(unguided) == (len(contexts) if self.guided else 0)
        assert all(not any(isinstance(part, str) for part in context) for context in unguided)
        return [
            Drawn(Image.new("RGB", (4, 4), (seed % 256, len(context), 0)), 7)
            for context, seed in zip(contexts, seeds, strict=True)
        ]


PLAN = "<ins> add a dog at left </ins> <des> a dog at left </des>"
OK = "<inspect> ok </inspect>"
BAD = "<inspect> nothing at left should be a dog </inspect>"
MEND = "<refine> change left to a dog </refine>"
END = "<end>"


def kinds(trajectory: Trajectory) -> list[tuple[str, int]]:
    return [(step.kind, step.iteration) for step in trajectory.steps]


def test_single_pass_needs_only_painting() -> None:
    (made,) = variants.run(SinglePass(), Painter(), ["a dog"], [3])
    assert kinds(made) == [("draw", 0)]
    assert made.cost.evaluations == 5
    assert made.finished


def test_what_a_model_loads_first_is_no_part_of_what_an_image_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(steps.time, "perf_counter", lambda: clock[0])

    class Slow(Painter):
        def prepare(self) -> None:
            clock[0] += 60

        def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
            clock[0] += 4
            return super().paint(prompts, seeds)

    made = variants.run(SinglePass(), Slow(), ["a", "b"], [1, 2])
    assert [trajectory.cost.seconds for trajectory in made] == [2, 2]


def test_the_other_variants_say_what_a_painter_lacks() -> None:
    with pytest.raises(ConfigError, match="'painter' only draws"):
        variants.run(Process(), Painter(), ["a dog"], [3])


def test_text_cot_thinks_then_draws() -> None:
    model = Told({"a dog": ["<think> a dog at left </think>"]})
    (made,) = variants.run(TextCot(), model, ["a dog"], [3])
    assert kinds(made) == [("think", 0), ("draw", 0)]
    assert made.steps[0].text == "<think> a dog at left </think>"
    assert (made.cost.evaluations, made.cost.tokens) == (7, 6)


class _Rememberer(Told):
    remembers = True

    def start(self, count: int) -> list[list[Any]]:
        self.begun = [*getattr(self, "begun", []), *(made := super().start(count))]
        return made


def test_a_model_that_remembers_begins_with_its_last_plan_and_what_corrected_it() -> None:
    model = _Rememberer({"a dog": [PLAN, BAD, MEND, PLAN, OK, END]}, guided=False)
    variants.run(Process(max_iterations=5), model, ["a dog"], [1])
    asked = "<text> a dog </text>"
    texts = [[part for part in context if isinstance(part, str)] for context in model.begun]
    assert texts == [[asked, PLAN, BAD, MEND], [asked, f"{PLAN} {MEND}", PLAN, OK], [asked, PLAN, END]]


def test_process_refines_only_what_conflicts_and_stops_when_the_model_is_done() -> None:
    model = Told({"a dog": [PLAN, BAD, MEND, END], "a cat": [PLAN, OK, PLAN, OK, END]})
    dog, cat = variants.run(Process(max_iterations=5), model, ["a dog", "a cat"], [1, 2])
    assert kinds(dog) == [("plan", 1), ("sketch", 1), ("inspect", 1), ("refine", 1), ("plan", 2)]
    assert kinds(cat) == [
        ("plan", 1), ("sketch", 1), ("inspect", 1), ("plan", 2), ("sketch", 2), ("inspect", 2), ("plan", 3),
    ]  # fmt: skip
    assert dog.finished
    assert cat.finished
    refinement = dog.steps[3]
    assert refinement.text == MEND
    assert refinement.image == dog.image != dog.steps[1].image
    assert refinement.cost.evaluations == 7
    assert refinement.cost.tokens == 7
    assert model.said == {"a dog": [], "a cat": []}


def test_the_cap_bounds_the_loop_and_a_prefix_is_a_separate_run() -> None:
    script = {"a dog": [PLAN, BAD, MEND, PLAN, OK, PLAN, BAD, MEND, END]}
    (whole,) = variants.run(Process(max_iterations=8), Told(script), ["a dog"], [9])
    for cap in range(1, 6):
        (alone,) = variants.run(Process(max_iterations=cap), Told(script), ["a dog"], [9])
        cut = whole.prefix(cap)
        assert [(s.kind, s.iteration, s.text, s.image, s.seed) for s in cut.steps] == [
            (s.kind, s.iteration, s.text, s.image, s.seed) for s in alone.steps
        ]
        assert cut.finished == alone.finished == (cap >= 4)


def test_without_refine_a_conflict_is_named_but_not_mended() -> None:
    model = Told({"a dog": [PLAN, BAD, END]})
    (made,) = variants.run(Process(refine=False), model, ["a dog"], [1])
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("inspect", 1), ("plan", 2)]


def test_without_inspect_every_sketch_is_refined() -> None:
    model = Told({"a dog": [PLAN, "change left to a dog </refine>", END]})
    (made,) = variants.run(Process(inspect=False), model, ["a dog"], [1])
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("refine", 1), ("plan", 2)]
    assert made.steps[2].text == MEND


def test_without_both_a_sketch_stays() -> None:
    model = Told({"a dog": [PLAN, END]})
    (made,) = variants.run(Process(inspect=False, refine=False), model, ["a dog"], [1])
    assert kinds(made) == [("plan", 1), ("sketch", 1), ("plan", 2)]


def test_rounds_of_refinement_end_with_the_first_that_finds_nothing() -> None:
    script = {"a dog": [PLAN, BAD, MEND, BAD, MEND, OK, END], "a cat": [PLAN, OK, END]}
    dog, cat = variants.run(Process(refinements=4), Told(script), ["a dog", "a cat"], [1, 2])
    rounds = [("inspect", 1), ("refine", 1)]
    assert kinds(dog) == [("plan", 1), ("sketch", 1), *rounds, *rounds, ("inspect", 1), ("plan", 2)]
    assert kinds(cat) == [("plan", 1), ("sketch", 1), ("inspect", 1), ("plan", 2)]


@pytest.mark.parametrize("refinements", range(5))
def test_there_are_at_most_so_many_rounds_of_refinement(refinements: int) -> None:
    script = {"a dog": [PLAN, *[BAD, MEND] * refinements, END]}
    (made,) = variants.run(Process(refinements=refinements), Told(script), ["a dog"], [1])
    drawn = [step for step in made.steps if step.kind == "refine"]
    assert len(drawn) == refinements
    assert len({step.seed for step in drawn}) == refinements, "each round has noise of its own"
    assert (
        made.cost.evaluations
        == 7 * (1 + refinements)
        <= 7 * Process(max_iterations=1, refinements=refinements).drawings
    )


def test_one_round_is_what_was_drawn_before_there_were_rounds() -> None:
    assert "refinements" not in Process().key()
    assert Process(refinements=2).key()["refinements"] == 2
    script = {"a dog": [PLAN, BAD, MEND, BAD, MEND, OK, END]}
    (made,) = variants.run(Process(refinements=4), Told(script), ["a dog"], [1])
    first, second = (step for step in made.steps if step.kind == "refine")
    assert first.seed == noise_seed(1, 1, "refine")
    assert second.seed == noise_seed(1, 1, "refine", 2) != first.seed


def test_best_of_n_takes_the_first_drawing_that_the_model_finds_nothing_wrong_with() -> None:
    ok, bad = OK.removeprefix("<inspect> "), BAD.removeprefix("<inspect> ")
    model = Told({"a dog": [bad, ok, ok], "a cat": [bad, bad, bad], "a cow": [ok, bad, ok]})
    prompts, seeds = ["a dog", "a cat", "a cow"], [1, 2, 3]
    made = variants.run(BestOfN(n=3), model, prompts, seeds)
    for trajectory, chosen in zip(made, (2, 1, 1), strict=True):
        drawn = [step for step in trajectory.steps if step.kind == "draw"]
        assert [step.iteration for step in drawn] == [1, 2, 3]
        assert len({step.image for step in drawn}) == 3
        assert trajectory.steps[-1].kind == "choose"
        assert trajectory.image == drawn[chosen - 1].image
        assert trajectory.steps[-1].seed == drawn[chosen - 1].seed
        assert trajectory.cost.evaluations == 15
        assert trajectory.finished
    assert made[0].steps[-1].text == "drawing 2 of 3: the model finds nothing wrong with it"
    assert made[1].steps[-1].text == "drawing 1 of 3: the model finds fault with every one"
    assert model.said == {prompt: [] for prompt in prompts}
    alone = variants.run(SinglePass(), model, prompts, seeds)
    assert [one.image for one in alone] == [one.steps[0].image for one in made]


def test_best_of_n_contains_what_fewer_drawings_would_have_made() -> None:
    ok, bad = OK.removeprefix("<inspect> "), BAD.removeprefix("<inspect> ")
    script = {"a dog": [bad, bad, ok, bad], "a cat": [bad, ok, bad, bad], "a cow": [ok, bad, ok, bad]}
    larger = variants.run(BestOfN(n=4), Told(script), list(script), [1, 2, 3])
    for count in (1, 2, 3, 4):
        model = Told({prompt: replies[:count] for prompt, replies in script.items()})
        smaller = variants.run(BestOfN(n=count), model, list(script), [1, 2, 3])
        contained = [BestOfN(n=count).contained(trajectory, model) for trajectory in larger]
        assert [timeless(trajectory) for trajectory in contained] == [timeless(trajectory) for trajectory in smaller]


def timeless(trajectory: Trajectory) -> Trajectory:
    """The trajectory without the seconds that it took."""
    steps = [replace(step, cost=replace(step.cost, seconds=0.0)) for step in trajectory.steps]
    return replace(trajectory, steps=tuple(steps))


def test_best_of_n_inspects_each_drawing_anew_and_in_the_format_s_own_words() -> None:
    contexts: list[list[Any]] = []

    class Watched(Told):
        def start(self, count: int) -> list[list[Any]]:
            made = super().start(count)
            contexts.extend(made)
            return made

    (made,) = variants.run(BestOfN(n=2), Watched({"a dog": ["ok </inspect>", BAD]}), ["a dog"], [1])
    assert [[type(part).__name__ for part in context] for context in contexts] == [["str", "Image", "str", "str"]] * 2
    assert all(context[2] == "<inspect>" for context in contexts)
    assert made.steps[1].text == "<inspect> ok </inspect>"
    assert made.steps[-1].text.startswith("drawing 1 of 2")


def test_best_of_n_needs_a_format_that_inspects(monkeypatch: pytest.MonkeyPatch) -> None:
    from evalharness.generation.formats.strokes import Strokes

    monkeypatch.setattr(Strokes, "inspect", None)
    with pytest.raises(ConfigError, match="no stage 'inspect', by which to choose"):
        variants.run(BestOfN(), Told({}), ["a dog"], [1])


def test_a_model_without_guidance_is_given_no_contexts_for_it() -> None:
    (made,) = variants.run(Process(), Told({"a dog": [PLAN, OK, END]}, guided=False), ["a dog"], [1])
    assert made.finished


def test_the_first_iteration_always_draws() -> None:
    (made,) = variants.run(Process(), Told({"a dog": [END, OK, END]}), ["a dog"], [1])
    assert made.image is not None
    assert kinds(made)[:2] == [("plan", 1), ("sketch", 1)]


def test_a_model_without_a_blank_canvas_first_draws_unseen() -> None:
    model = Told({"a dog": [PLAN, OK, END]}, first=None)
    (made,) = variants.run(Process(), model, ["a dog"], [1])
    assert made.finished


def test_first_drawings_share_the_sample_s_noise_and_later_ones_do_not() -> None:
    seeds = [noise_seed(5, i, kind) for i in (1, 2, 3) for kind in ("sketch", "refine", "plan")]
    assert seeds[0] == noise_seed(5, 0, "draw") == 5
    assert len(set(seeds)) == 9
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(Exception, match="did you mean 'strokes'"):
        variants.run(Process(format="stroke"), Told({}), ["a dog"], [1])


@pytest.mark.parametrize("text", ["", "<inspect>", "nonsense", "<inspect> OK </inspect>", "<inspect>  </inspect>"])
def test_an_unreadable_inspection_has_found_nothing(text: str) -> None:
    from evalharness.generation.formats.strokes import Strokes

    assert not Strokes({}).conflict(text)


# --- what a drawing is made from ---


class Reading(Told):
    """Paints a text in the colour of its length, and keeps what it painted and the contexts that it drew after."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.painted: list[str] = []
        self.drawn_after: list[list[str]] = []

    def check(self, prompt: str) -> None:
        if "unicorn" in prompt:
            raise SampleError("no unicorns")

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        self.painted += prompts
        return super().paint(prompts, seeds)

    def draw(self, contexts: Sequence[list[Any]], **how: Any) -> list[Drawn]:
        shown = [["image" if isinstance(part, Image.Image) else part for part in context] for context in contexts]
        self.drawn_after += shown
        return super().draw(contexts, **how)


THOUGHTS = {"a dog": ["<think> a dog, so </think> a brown dog"], "a cat": ["<think> a black cat </think>"]}


def test_a_thought_alone_is_drawn_as_a_prompt_is() -> None:
    """What follows the reasoning, or the reasoning if nothing does; the words of both stay in the trajectory."""
    model = Reading(THOUGHTS)
    dog, cat = variants.run(TextCot(context="thought"), model, ["a dog", "a cat"], [3, 4])
    assert model.painted == ["a brown dog", "a black cat"]
    assert model.drawn_after == []
    assert dog.steps[0].text == THOUGHTS["a dog"][0]
    assert kinds(cat) == [("think", 0), ("draw", 0)]
    (plain,) = variants.run(SinglePass(), model, ["a brown dog"], [3])
    assert dog.image == plain.image


def test_both_are_in_the_context_or_in_the_text_of_a_model_that_draws_texts() -> None:
    model = Reading(THOUGHTS)
    variants.run(TextCot(), model, ["a dog"], [3])
    assert model.drawn_after == [["<text> a dog </text>", THOUGHTS["a dog"][0]]]
    model = Reading(THOUGHTS)
    model.draws_context = False
    variants.run(TextCot(), model, ["a dog"], [3])
    assert (model.painted, model.drawn_after) == (["a dog\na brown dog"], [])


def test_only_a_thought_that_is_drawn_differently_has_another_key() -> None:
    assert TextCot(context="both").key() == {"variant": "text_cot", "format": None}
    assert TextCot(context="thought").key() == {"variant": "text_cot", "format": None, "context": "thought"}


@pytest.mark.parametrize(("thought", "message"), [("<think> </think>", "no words"), ("a unicorn", "no unicorns")])
def test_a_thought_that_cannot_be_drawn_is_the_samples_fault(thought: str, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        variants.run(TextCot(context="thought"), Reading({"a dog": [thought]}), ["a dog"], [3])


def test_latest_keeps_one_image_and_the_plans_and_corrections() -> None:
    """Every drawing after the first has one image before it, whatever the number of iterations."""
    script = {"a dog": [PLAN, BAD, MEND, PLAN, OK, PLAN, OK, END], "a cat": [PLAN, OK, END]}
    model = Reading(script, continues=True, first=None)
    dog, cat = variants.run(Process(context="latest"), model, ["a dog", "a cat"], [1, 2])
    prompt = "<text> a dog </text>"
    of_dog = [context for context in model.drawn_after if context[0] == prompt]
    assert of_dog == [
        [prompt, PLAN],
        [prompt, PLAN, "image", BAD, MEND],
        [prompt, PLAN, MEND, "image", PLAN],
        [prompt, PLAN, MEND, PLAN, "image", PLAN],
    ]
    whole = Reading(script, continues=True, first=None)
    (again, _) = variants.run(Process(), whole, ["a dog", "a cat"], [1, 2])
    assert kinds(dog) == kinds(again)
    assert max(context.count("image") for context in whole.drawn_after) == 3
    assert cat.finished


def test_latest_is_continued_from_stored_steps() -> None:
    script = {"a dog": [PLAN, BAD, MEND, PLAN, OK, PLAN, OK, END]}
    variant = Process(context="latest")
    whole = Reading(script, continues=True, first=None)
    whole.replays = True
    (made,) = variants.run(variant, whole, ["a dog"], [1])
    for begun in range(1, len(made.steps)):
        written = sum(bool(step.text) for step in made.steps[:begun])
        model = Reading({"a dog": script["a dog"][written:]}, continues=True, first=None)
        model.replays = True
        (again,) = variants.run(variant, model, ["a dog"], [1], stored=[made.steps[:begun]])
        assert [(step.text, step.image) for step in again.steps] == [(step.text, step.image) for step in made.steps]
        drawn = len(model.drawn_after)
        assert model.drawn_after == whole.drawn_after[len(whole.drawn_after) - drawn :]


def test_latest_without_inspection_reads_corrections_with_their_opening() -> None:
    script = {"a dog": [PLAN, "more dog </refine>", PLAN, "less dog </refine>", END]}
    model = Reading(script, continues=True, first=None)
    variants.run(Process(context="latest", inspect=False), model, ["a dog"], [1])
    assert model.drawn_after[2][:4] == ["<text> a dog </text>", PLAN, "<refine>", "more dog </refine>"]


def test_latest_is_for_models_that_would_keep_more() -> None:
    with pytest.raises(ConfigError, match="each iteration of 'painter' sees the newest image alone already"):
        Process(context="latest").check(Told({}))
    assert Process(context="latest").key()["context"] == "latest"
    assert "context" not in Process().key()


# --- limits of tokens ---


class Wordy(Told):
    """Writes no more words than it may."""

    def write(self, contexts: Sequence[list[Any]], *, max_tokens: int, **how: Any) -> list[Written]:
        written = super().write(contexts, max_tokens=max_tokens, **how)
        cut = [" ".join(text.text.split()[:max_tokens]) for text in written]
        return [
            Written(text, len(text.split()), text == all_of_it.text)
            for text, all_of_it in zip(cut, written, strict=True)
        ]


def test_limits_of_tokens_are_settings_and_a_cut_text_is_said() -> None:
    script = {"a dog": [PLAN, BAD, MEND, END]}
    limits = {"plan": 3, "refine": 4}
    (made,) = variants.run(Process(tokens=TokenLimits(**limits)), Wordy(script), ["a dog"], [1])
    assert [(step.kind, step.cut) for step in made.steps] == [
        ("plan", True), ("sketch", False), ("inspect", False), ("refine", True), ("plan", False),
    ]  # fmt: skip
    assert made.steps[0].text == "<ins> add a"
    (whole,) = variants.run(Process(), Wordy(script), ["a dog"], [1])
    assert not any(step.cut for step in whole.steps)


def test_limits_are_part_of_the_key_if_there_are_any() -> None:
    assert "tokens" not in Process().key()
    assert Process(tokens=TokenLimits(plan=256)).key()["tokens"] == {"plan": 256}
    with pytest.raises(ConfigError, match="format 'bagel' has no stage 'plan', whose `tokens:` could be limited"):
        model = Told({}, words={"system": "s"})
        model.formats = ("bagel",)  # type: ignore[misc]
        TextCot(tokens=TokenLimits(plan=3)).check(model)

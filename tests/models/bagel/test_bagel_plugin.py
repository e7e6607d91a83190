"""The plugin through the harness: the small checkpoint in sweeps, its settings, its identity, its words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from mock_sweeps import run_without_report
from plugin_packages import InstallPlugins
from torch.nn.attention import _cur_sdpa_kernel_backends

from evalharness import Results
from evalharness._util import environment
from evalharness.api.benchmark import Benchmark, Scorer
from evalharness.api.model import Interleaver
from evalharness.errors import ConfigError, SampleError
from evalharness.generation import variants
from evalharness.generation.process import Process
from evalharness.generation.single_pass import SinglePass
from evalharness.generation.text_cot import TextCot
from evalharness.models.bagel import layers
from evalharness.models.bagel.plugin import Bagel
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score
from evalharness.types.trajectory import Trajectory

PROMPTS = ["a photo of the dog", "three red cubes on top of a cat, in the rain", "one"]
Make = Callable[..., Any]


@pytest.fixture(scope="session")
def model(bagel_settings: Make) -> Bagel:
    words = {"system": "think", "detail": "how?"}
    return Bagel(bagel_settings(words=words, max_tokens=12, steps=3, image_scale=2.0, interval=(0.0, 1.0)))


def kinds(trajectory: Trajectory) -> list[tuple[str, int]]:
    return [(step.kind, step.iteration) for step in trajectory.steps]


def bytes_of(trajectory: Trajectory) -> list[tuple[str, int, str, bytes | None]]:
    return [(step.kind, step.iteration, step.text, step.image) for step in trajectory.steps]


def close(first: bytes | None, second: bytes | None) -> bool:
    """The same image, up to a value that falls on the other side of a step of 8 bits."""
    import io

    pixels = [np.asarray(Image.open(io.BytesIO(data or b"")), dtype=int) for data in (first, second)]
    return bool(np.abs(pixels[0] - pixels[1]).max() <= 1)


VARIANTS = [
    SinglePass(),
    TextCot(),
    Process(format="strokes", max_iterations=2),
    Process(format="strokes", max_iterations=2, inspect=False),
    Process(format="strokes", max_iterations=2, inspect=False, refine=False),
    Process(format="prompted", max_iterations=2),
    Process(format="unicot", max_iterations=2),
    Process(format="zebra", max_iterations=2, inspect=False, refine=False),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: json.dumps(variant.key()))
def test_a_sample_is_the_same_bytes_alone_among_others_and_in_another_order(model: Bagel, variant: Any) -> None:
    together = variants.run(variant, model, PROMPTS, [1, 2, 3])
    turned = variants.run(variant, model, [PROMPTS[2], PROMPTS[0]], [3, 1])
    (alone,) = variants.run(variant, model, [PROMPTS[2]], [3])
    assert bytes_of(together[2]) == bytes_of(turned[0]) == bytes_of(alone)
    assert bytes_of(together[0]) == bytes_of(turned[1])
    assert len({trajectory.image for trajectory in together}) == 3


def test_a_process_is_one_context_that_grows(model: Bagel) -> None:
    (trajectory,) = variants.run(Process(format="strokes", max_iterations=2, inspect=False), model, PROMPTS[:1], [1])
    assert kinds(trajectory) == [("plan", 1), ("sketch", 1), ("refine", 1), ("plan", 2), ("sketch", 2), ("refine", 2)]
    assert trajectory.steps[2].text.startswith("<refine>")
    assert trajectory.cost.evaluations == 4 * 2  # 3 points of time are 2 evaluations
    (shorter,) = variants.run(Process(format="strokes", max_iterations=1, inspect=False), model, PROMPTS[:1], [1])
    assert [(step.text, step.image) for step in trajectory.prefix(1).steps] == [
        (step.text, step.image) for step in shorter.steps
    ]


@pytest.mark.parametrize("variant", VARIANTS[2:], ids=lambda variant: json.dumps(variant.key()))
def test_a_process_continues_from_its_stored_steps(model: Bagel, variant: Process) -> None:
    """Contexts are read in larger pieces than they were written."""
    whole = variants.run(variant, model, PROMPTS, [1, 2, 3])
    count = max(len(trajectory.steps) for trajectory in whole)
    for begun in range(1, count):
        stored = [trajectory.steps[:begun] for trajectory in whole]
        again = variants.run(variant, model, PROMPTS, [1, 2, 3], stored=stored)
        for made, expected in zip(again, whole, strict=True):
            assert [step.text for step in made.steps] == [step.text for step in expected.steps]
            assert made.steps[:begun] == expected.steps[:begun]
            for step, other in zip(made.steps, expected.steps, strict=True):
                assert step.image == other.image or close(step.image, other.image)


def test_a_seed_draws_other_noise_and_other_words(model: Bagel) -> None:
    first, repeated, reseeded = variants.run(TextCot(), model, [PROMPTS[0]] * 3, [1, 1, 2])
    assert first.steps[0].text == repeated.steps[0].text != reseeded.steps[0].text
    assert close(first.image, repeated.image)
    assert not close(first.image, reseeded.image)


# --- words ---


def test_a_text_ends_with_a_stop_marker(bagel_settings: Make, bagel_recording: Mapping[str, np.ndarray]) -> None:
    greedy = Bagel(bagel_settings(temperature=0))
    text = json.loads(str(bagel_recording["greedy/0"]))
    contexts = greedy.start(1)
    greedy.read(contexts, [PROMPTS[0]])
    (written,) = greedy.write(contexts, stop=("h",), max_tokens=30, seeds=[0])
    assert written.text == text[: text.index("h") + 1]
    (rest,) = greedy.write(contexts, stop=("nothing",), max_tokens=2, seeds=[0])
    assert rest.tokens == 2


def test_what_was_written_is_read_as_a_text_is(bagel_settings: Make) -> None:
    """A context after writing is the one after reading the same words, whatever tokens they were written in."""
    greedy = Bagel(bagel_settings(temperature=0))
    for opening in ("", "a the dog"):
        wrote, read = greedy.start(1), greedy.start(1)
        for contexts in (wrote, read):
            greedy.read(contexts, [PROMPTS[0]])
        (written,) = greedy.write(wrote, stop=("<|im_end|>",), max_tokens=9, seeds=[0], opening=opening)
        greedy.read(read, [opening + written.text])
        (mine,), (theirs,) = wrote, read
        assert (mine.full.cache.length, mine.full.position) == (theirs.full.cache.length, theirs.full.position)
        length = mine.full.cache.length
        for ours, others in zip(mine.full.cache.layers, theirs.full.cache.layers, strict=True):
            np.testing.assert_allclose(ours[:, :, :length], others[:, :, :length], rtol=1e-4, atol=1e-5)


def test_thinking_needs_a_system_prompt(bagel_settings: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="GEN_THINK_SYSTEM_PROMPT"):
        variants.run(TextCot(), Bagel(bagel_settings()), PROMPTS[:1], [0])
    source = tmp_path / "inferencer.py"
    source.write_text('raise SystemExit("never run")\nTHINK = """think\nfirst"""\nOTHER: str = "other"\n')
    named = Bagel(bagel_settings(words={"system": {"file": str(source), "constant": "THINK"}}))
    assert named.identity() == Bagel(bagel_settings(words={"system": "think\nfirst"})).identity()
    assert named.identity() != Bagel(bagel_settings()).identity()
    with pytest.raises(ConfigError, match=r"assigns no string to 'THINKS'; did you mean 'THINK'\?"):
        Bagel(bagel_settings(words={"system": {"file": str(source), "constant": "THINKS"}})).identity()
    with pytest.raises(ConfigError, match="cannot read"):
        Bagel(bagel_settings(words={"system": {"file": str(tmp_path / "none.py"), "constant": "THINK"}})).identity()
    source.write_text("def broken(:")
    with pytest.raises(ConfigError, match="not Python source"):
        Bagel(bagel_settings(words={"system": {"file": str(source), "constant": "THINK"}})).identity()


def test_what_guides_a_thought_through_drawing(bagel_settings: Make) -> None:
    """The context without the prompt keeps the system prompt, or only its length, as the WISE script has it."""
    for unconditional, length in (("system", 5), ("empty", 0)):
        mine = Bagel(bagel_settings(words={"system": "think"}, unconditional=unconditional))
        (context,) = contexts = mine.start(1)
        mine.read(contexts, ["think"])
        mine.read(contexts, [PROMPTS[0]])
        view = context.without_newest_text()
        assert (view.length, view.position) == (length, 5)
        mine.look(contexts, [Image.new("RGB", (64, 48))])
        after = context.without_newest_text()
        assert (after.length, after.position) == (context.full.cache.length, context.full.position)


def test_the_public_format_has_no_process(model: Bagel) -> None:
    with pytest.raises(ConfigError, match="format 'bagel' has no process; set `format:`"):
        variants.run(Process(), model, PROMPTS[:1], [0])


# --- settings ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 100}, {"steps": 1}, {"interval": (0.5, 0.4)}, {"vae_sizes": (512, 1024)}, {"mode": "quick"},
        {"renorm": "none"}, {"residuals": "bfloat16"}, {"words": {"system": {"file": "a.py"}}}, {"unknown": 1},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_settings(bagel_settings: Make, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        bagel_settings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 256}, "height: this checkpoint has places for images of up to 128 pixels"),
        ({"vae_sizes": (256, 32)}, "vae_sizes: this checkpoint has places"),
        ({"vit_sizes": (70, 28)}, "vit_sizes: this checkpoint sees at most 56 pixels"),
    ],
)
def test_images_beyond_the_tables_of_places(bagel_settings: Make, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Bagel(bagel_settings(**wrong)).start(1)


def test_the_identity_is_what_decides_an_image(bagel_settings: Make, bagel_folder: Path) -> None:
    first = Bagel(bagel_settings()).identity()
    assert first == Bagel(bagel_settings(batch_size=9, devices=("cpu", "cpu"))).identity()
    for change in ({"steps": 7}, {"dtype": "bfloat16"}, {"renorm": "channel"}, {"width": 64}, {"temperature": 1.0}):
        assert Bagel(bagel_settings(**change)).identity() != first
    assert str(bagel_folder) not in json.dumps(first)


def test_it_speaks_all_verbs(model: Bagel) -> None:
    assert isinstance(model, Interleaver)
    with pytest.raises(SampleError, match="empty"):
        model.check(" \n")


def test_a_drawing_after_an_image_has_its_own_guidance(bagel_settings: Make) -> None:
    """In one batch with a drawing after a text alone, which no setting of editing changes."""

    def drawn(**chosen: Any) -> list[bytes]:
        mine = Bagel(bagel_settings(steps=4, interval=(0.0, 1.0), **chosen))
        contexts = mine.start(2)
        mine.read(contexts, PROMPTS[:2])
        mine.look(contexts[:1], [Image.new("RGB", (64, 48), "red")])
        mine.read(contexts[:1], ["then"])
        return [drawn.image.tobytes() for drawn in mine.draw(contexts, unguided=[], seeds=[1, 2])]

    edit, first = drawn(image_scale=2.0, renorm="global")
    assert drawn(image_scale=2.0, renorm="global", editing={"renorm": "channel"})[1] == first
    assert drawn(image_scale=2.0, renorm="global", editing={"renorm": "channel"})[0] != edit
    assert drawn(renorm="channel", editing={"renorm": "global", "image_scale": 2.0})[0] == edit
    assert drawn(image_scale=2.0, renorm="global", editing={"image_scale": 1.0})[0] != edit


def test_images_of_any_size_and_mode(model: Bagel) -> None:
    contexts = model.start(3)
    model.look(contexts, [Image.new("L", (31, 200)), Image.new("RGBA", (500, 20)), Image.new("P", (64, 48))])
    assert all(context.full.position == 2 for context in contexts)


def test_the_precision_of_residuals_is_a_setting_of_its_own(bagel_settings: Make) -> None:
    """By default that of the mode, which the identity does not mention."""
    rounded = {
        residuals: Bagel(bagel_settings(steps=4, dtype="bfloat16", residuals=residuals))
        for residuals in (None, "float32", "bfloat16")
    }
    usual, float32, bfloat16 = (model.paint(PROMPTS[:1], [1])[0].image.tobytes() for model in rounded.values())
    assert usual == float32 != bfloat16
    assert rounded[None].identity() == rounded["float32"].identity() != rounded["bfloat16"].identity()
    assert "residuals" not in rounded[None].identity()
    assert (
        Bagel(bagel_settings(mode="fast", dtype="bfloat16", residuals="float32")).identity()["residuals"] == "float32"
    )


def test_the_kernels_of_attention_are_pinned_and_recorded(
    bagel_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    attend = layers.scaled_dot_product_attention

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(_cur_sdpa_kernel_backends(with_priority=True))
        return attend(*arguments, **options)

    monkeypatch.setattr(layers, "scaled_dot_product_attention", watched)
    Bagel(bagel_settings(steps=2)).paint(PROMPTS[:1], [1])
    assert all(
        [kernel.name for kernel in kernels] == ["FLASH_ATTENTION", "EFFICIENT_ATTENTION", "MATH"] for kernels in seen
    )
    assert json.loads(environment.described())["attention"] == "flash, efficient, math"


def test_bfloat16_is_close_and_layers_may_lie_apart(bagel_settings: Make) -> None:
    exact = Bagel(bagel_settings(steps=4)).paint(PROMPTS, [1, 2, 3])
    apart = Bagel(bagel_settings(steps=4, devices=("cpu", "cpu", "cpu"))).paint(PROMPTS, [1, 2, 3])
    low = Bagel(bagel_settings(steps=4, dtype="bfloat16")).paint(PROMPTS, [1, 2, 3])
    for reference, spread, rounded in zip(exact, apart, low, strict=True):
        assert reference.image.tobytes() == spread.image.tobytes()
        difference = np.abs(np.asarray(reference.image, int) - np.asarray(rounded.image, int))
        assert 0 < difference.mean() < 4


# --- a sweep ---


class Brightness(Benchmark, Scorer):
    """A benchmark that takes the mean of an image for its score."""

    name, version, weights, images_per_prompt, batch_size = "brightness", "1", {"all": 1.0}, 1, 8

    def __init__(self, settings: Any) -> None: ...

    def prompt_set(self) -> PromptSet:
        return PromptSet("original", "0" * 64)

    def items(self) -> list[Item]:
        return [Item(str(i), prompt, "all", {}) for i, prompt in enumerate(PROMPTS[:2])]

    def scorer(self) -> Brightness:
        return self

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        assert all(image.size == (48, 64) for image in images)
        return [Score(float(np.asarray(image).mean() / 255)) for image in images]


SWEEP = """\
name: small-bagel
models:
  bagel:
    name: bagel
    weights: {weights}
    dtype: float32
    device: cpu
    height: 64
    width: 48
    steps: 3
    image_scale: 2.0
    words: {{system: think}}
    max_tokens: 8
    vae_sizes: [64, 32]
    vit_sizes: [56, 28]
    batch_size: 2
benchmarks: [brightness]
arms:
  - {{name: single-pass, variant: single_pass}}
  - {{name: think, variant: text_cot}}
  - {{name: process, variant: process, format: strokes, max_iterations: 1..2, inspect: [true, false]}}
"""


@pytest.fixture
def run(tmp_path: Path, bagel_folder: Path, install_plugins: InstallPlugins) -> Callable[..., Results]:
    install_plugins(benchmarks=[Brightness])

    def run(text: str = SWEEP) -> Results:
        file = tmp_path / "sweep.yaml"
        file.write_text(text.format(weights=bagel_folder))
        return run_without_report(file, tmp_path / "report")

    return run


def test_a_sweep_from_checkpoint_to_results(run: Callable[..., Results]) -> None:
    """What a second run finds is what the first one drew."""
    first, again = run().samples, run().samples
    assert first.equals(again)
    assert len(first) == 6 * 2
    assert set(first["state"]) == {"scored"}
    evaluations = first.groupby("arm")["evaluations"].max().to_dict()
    assert evaluations["single-pass"] == evaluations["think"] == 2
    assert evaluations["process max_iterations=2 inspect=false"] == 8
    assert (first["tokens"] > 0).sum() == 5 * 2


def test_a_process_in_a_format_without_one_is_refused_before_anything_runs(run: Callable[..., Results]) -> None:
    message = "arm 'process max_iterations=1 inspect=true': format 'bagel' has no process"
    with pytest.raises(ConfigError, match=message):
        run(SWEEP.replace("format: strokes, ", ""))

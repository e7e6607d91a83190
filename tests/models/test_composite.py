"""Models made of a writer, a painter and an editor: who does what with which words, and what each of them costs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import chatting, images
from image_server import drawing, editing, form
from judge_server import Answer, Call, error, serving
from PIL import Image
from plugin_packages import InstallPlugins
from pydantic import ValidationError

from evalharness._util.exit_codes import ExitCode
from evalharness._util.image_files import decode_png
from evalharness.api.model import Drawn, ImageEditor
from evalharness.api.plugin_results import plain_trajectory
from evalharness.cli import sweep
from evalharness.config import sweep_files
from evalharness.errors import ConfigError, SampleError
from evalharness.generation import variants
from evalharness.generation.process import Process
from evalharness.generation.sample import noise_seed
from evalharness.generation.single_pass import SinglePass
from evalharness.miniature.model.plugin import Miniature
from evalharness.models.composite import words
from evalharness.models.composite.plugin import Composite
from evalharness.planning.planner import make_plan
from evalharness.store.store import Store
from evalharness.types.trajectory import Step, Trajectory

pytest.importorskip("openai", reason="the extra `judge` is not installed")
pytest.importorskip("aiohttp", reason="the extra `judge` is not installed")

PROMPTS, SEEDS = ["a photo of a dog", "two cats", "a red bench"], [3, 4, 2**62]
BOARDS = ["a photo of a dog right of a bench", "a photo of two red cups", "a photo of a cat and a green apple"]
MINIATURE = {"name": "miniature", "steps": 2}


class Crayon(ImageEditor):
    """Its colours follow from the text and the seed, and for an edit from the image as well."""

    name = "crayon"
    batch_size = 4

    def __init__(self, settings: Any) -> None: ...

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return [self._color(b"", prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def edit(self, images: Sequence[Image.Image], instructions: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        rows = zip(images, instructions, seeds, strict=True)
        return [self._color(image.tobytes(), text, seed) for image, text, seed in rows]

    def _color(self, before: bytes, text: str, seed: int) -> Drawn:
        digest = hashlib.sha256(before + f"{text}{seed}".encode()).digest()
        image = Image.new("RGB", (4, 4), (digest[0], digest[1], digest[2]))
        image.putpixel((0, 0), (digest[3], digest[4], digest[5]))
        return Drawn(image, 3)


@pytest.fixture
def crayon(install_plugins: InstallPlugins) -> None:
    install_plugins(models=[Crayon])


def composite(**settings: Any) -> Composite:
    return Composite(Composite.Settings.model_validate_json(json.dumps(settings), strict=True))


def chat(url: str, **settings: Any) -> dict[str, Any]:
    return {"name": "openai", "model": "eye", "base_url": url, "key_env": "CHAT_KEY", "backoff": 0.01, **settings}


def content(trajectory: Trajectory) -> tuple[list[Any], bool]:
    """All but the costs and the mark of being continued."""
    steps = [(step.kind, step.iteration, step.text, step.image, step.seed) for step in trajectory.steps]
    return steps, trajectory.finished


def picture(step: Step) -> Image.Image:
    assert step.image is not None
    return decode_png(step.image)


# --- unified parts ---


@pytest.mark.parametrize(
    ("variant", "settings"),
    [("process", {"max_iterations": 2}), ("best_of_n", {"n": 2}), ("text_cot", {}), ("single_pass", {})],
)
def test_a_model_composed_with_itself_is_itself(variant: str, settings: dict[str, Any]) -> None:
    """Whether its parts are one model or two; bytes and words."""
    run = variants.from_json({"variant": variant, **settings})
    alone = variants.run(run, Miniature(Miniature.Settings(steps=2)), BOARDS, SEEDS)
    for batch_size in (64, 32):  # parts that differ in a setting are two models
        model = composite(writer=MINIATURE, editor={**MINIATURE, "batch_size": batch_size})
        assert list(map(content, variants.run(run, model, BOARDS, SEEDS))) == list(map(content, alone))


@pytest.fixture(scope="module")
def other_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second checkpoint of the miniature: the embedded weights, a little changed."""
    import torch
    from safetensors.torch import load_file, save_file

    from evalharness.assets.weights_folder import embedded_weights

    folder = tmp_path_factory.mktemp("other")
    shutil.copy(embedded_weights("unified") / "config.json", folder)
    tensors = load_file(embedded_weights("unified") / "model.safetensors")
    noise = torch.Generator().manual_seed(0)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not name.startswith("codec"):
            scale = 0.02 * tensor.float().std().nan_to_num() if tensor.numel() > 1 else 0.0
            tensors[name] = (tensor + scale * torch.randn(tensor.shape, generator=noise)).to(tensor.dtype)
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_one_checkpoint_writes_and_another_draws(other_checkpoint: Path) -> None:
    """The first words are the writer's own, and their drawing is what the other draws after them."""
    other = {**MINIATURE, "weights": str(other_checkpoint)}
    model = composite(writer=MINIATURE, editor=other)
    process = Process(max_iterations=1, inspect=False, refine=False)
    made = variants.run(process, model, BOARDS, SEEDS)
    of_writer = variants.run(process, Miniature(Miniature.Settings(steps=2)), BOARDS, SEEDS)
    assert [trajectory.steps[0].text for trajectory in made] == [trajectory.steps[0].text for trajectory in of_writer]
    artist = Miniature(Miniature.Settings(steps=2, weights=other_checkpoint))
    begun = [trajectory.steps[:1] for trajectory in made]
    drawn = variants.run(process, artist, BOARDS, SEEDS, stored=begun)
    assert [content(trajectory) for trajectory in made] == [content(trajectory) for trajectory in drawn]
    assert [content(trajectory) for trajectory in made] != [content(trajectory) for trajectory in of_writer]
    assert [list(step.cost.parts) for step in made[0].steps] == [["writer"], ["painter"]]


# --- a chat model ---


@pytest.mark.usefixtures("crayon")
def test_the_artist_is_given_the_newest_words_and_the_newest_picture() -> None:
    with serving(chatting) as (server, url):
        model = composite(writer=chat(url), editor={"name": "crayon"})
        trajectories = variants.run(Process(max_iterations=3), model, PROMPTS, SEEDS)
    artist, refined = Crayon(None), 0
    for trajectory, seed in zip(trajectories, SEEDS, strict=True):
        before, plan = None, ""
        for step in trajectory.steps:
            noise = noise_seed(seed, step.iteration, step.kind)
            if step.kind == "plan":
                plan = step.text
            elif step.kind == "sketch" and before is None:
                assert picture(step).tobytes() == artist.paint([plan], [noise])[0].image.tobytes()
            elif step.image is not None:
                assert before is not None
                text = plan if step.kind == "sketch" else step.text
                assert picture(step).tobytes() == artist.edit([before], [text], [noise])[0].image.tobytes()
                refined += step.kind == "refine"
            before = picture(step) if step.image is not None else before
    assert refined
    for call in server.calls:
        first = call.body["messages"][0]
        assert first["role"] == "user"
        assert first["content"][0]["text"] in PROMPTS
    shown = {image for call in server.calls for image in images(call.body["messages"])}
    states = {step.image for trajectory in trajectories for step in trajectory.steps if step.image is not None}
    assert {decode_png(image).tobytes() for image in shown} <= {decode_png(image).tobytes() for image in states}


@pytest.mark.usefixtures("crayon")
def test_a_chat_sees_the_latest_picture_or_all_that_was() -> None:
    counts = {}
    for context in ("latest", "all"):
        with serving(chatting) as (server, url):
            model = composite(writer=chat(url), editor={"name": "crayon"}, context=context)
            variants.run(Process(max_iterations=3), model, PROMPTS, SEEDS)
        plans = [call for call in server.calls if call.text.endswith("one word: finished.")]
        counts[context] = max(len(images(call.body["messages"])) for call in plans)
    assert counts["latest"] == 1
    assert counts["all"] >= 2


@pytest.mark.usefixtures("crayon")
@pytest.mark.parametrize("context", ["latest", "all"])
def test_what_is_continued_at_any_step_is_what_it_would_have_been(context: str) -> None:
    variant = Process(max_iterations=3)
    with serving(chatting) as (server, url):
        model = composite(writer=chat(url), editor={"name": "crayon"}, context=context)
        whole = variants.run(variant, model, PROMPTS, SEEDS)
        longest = max(len(trajectory.steps) for trajectory in whole)
        assert longest > 5
        for count in range(1, longest + 1):
            before = len(server.calls)
            stored = [trajectory.steps[: max(0, count - number)] for number, trajectory in enumerate(whole)]
            again = variants.run(variant, model, PROMPTS, SEEDS, stored=stored)
            assert list(map(content, again)) == list(map(content, whole))
            missing = [step for all_, begun in zip(whole, stored, strict=True) for step in all_.steps[len(begun) :]]
            assert len(server.calls) - before == sum(bool(step.text) for step in missing)


@pytest.mark.usefixtures("crayon")
def test_a_painter_that_redraws_sees_only_the_revised_words() -> None:
    with serving(chatting) as (server, url):
        model = composite(writer=chat(url), painter={"name": "crayon"}, redraw=True)
        (trajectory,) = variants.run(Process(max_iterations=2), model, PROMPTS[:1], SEEDS[:1])
    artist, text = Crayon(None), ""
    for step in trajectory.steps:
        text = step.text or text
        if step.image is not None:
            seed = noise_seed(SEEDS[0], step.iteration, step.kind)
            assert picture(step).tobytes() == artist.paint([text], [seed])[0].image.tobytes()
    assert any(words.REDRAW_PLAN in call.text for call in server.calls)


@pytest.mark.usefixtures("crayon")
def test_words_of_ones_own_replace_the_requests() -> None:
    with serving(chatting) as (server, url):
        mine = {"plan": "What next? Or one word: finished."}
        model = composite(writer=chat(url, max_tokens=77), editor={"name": "crayon"}, words=mine)
        variants.run(Process(max_iterations=1), model, PROMPTS, SEEDS)
    asked = {call.text.rpartition(" ")[0] for call in server.calls}
    assert any("What next?" in text for text in asked)
    assert not any("You direct an artist" in text for text in asked)
    assert {call.body["max_tokens"] for call in server.calls} == {77}


# --- faults and costs ---


@pytest.mark.usefixtures("crayon")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(error("no", code="content_filter"), 400), "no"),
        (Answer({"choices": [{"message": {"content": "<think>so"}, "finish_reason": "length"}]}), "raise `max_tokens`"),
        (Answer({"choices": [{"message": {"content": None, "refusal": "I will not"}}]}), "I will not"),
    ],
)
def test_a_sample_without_an_answer_costs_no_other_a_second_call(answer: Answer, reason: str) -> None:
    from evalharness.api.executor import isolate
    from evalharness.api.failure import Failure

    def respond(call: Call) -> Answer:
        return answer if "cats" in call.text else chatting(call)

    def run(numbers: Sequence[int]) -> list[Trajectory]:
        return variants.run(variant, model, [PROMPTS[i] for i in numbers], [SEEDS[i] for i in numbers])

    variant = Process(max_iterations=1, inspect=False, refine=False)
    with serving(respond) as (server, url):
        model = composite(writer=chat(url), editor={"name": "crayon"})
        outcomes = isolate(run, range(3))
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert len(failed) == 1 and isinstance(outcomes[1], Failure) and reason in failed[0].reason
    assert sum("cats" not in call.text for call in server.calls) == 2


SWEEP = """
name: composed
models:
  composed: {{name: composite, writer: {writer}, {hands}}}
benchmarks: [{{name: mock, limit: 4, samples: 1}}]
arms:
  - {{name: single pass, variant: single_pass}}
  - {{name: process{more}, variant: process, max_iterations: 1..2}}
executor: {{name: local, in_process: true}}
"""


def swept(folder: Path, writer: Mapping[str, Any], hands: str, more: str = "") -> int:
    (folder / "composed.yaml").write_text(SWEEP.format(writer=json.dumps(writer), hands=hands, more=more))
    return sweep.main([str(folder / "composed.yaml"), "--out", str(folder / "out"), "--quiet"])


@pytest.mark.usefixtures("crayon")
def test_costs_are_kept_by_part(tmp_path: Path) -> None:
    with serving(chatting) as (chats, url), serving(lambda call: _hand(call)) as (hands, hand_url):
        writer = chat(url, price_prompt=10, price_completion=100)
        hand = {"name": "images-api", "model": "hand", "base_url": hand_url, "price_image": 0.5}
        assert swept(tmp_path, writer, f"painter: crayon, editor: {json.dumps(hand)}") == 0
    with Store(tmp_path / "out" / ".." / "store", write=False) as store:
        trajectories = [trajectory for _, trajectory in store.trajectories.all()]
    steps = [step for trajectory in trajectories for step in trajectory["steps"]]
    of_writer = [step["parts"]["writer"] for step in steps if "writer" in step["parts"]]
    of_editor = [step["parts"]["editor"] for step in steps if "editor" in step["parts"]]
    assert len(of_writer) == len(chats.calls)
    assert [part["dollars"] for part in of_writer] == pytest.approx([1000 * 10e-6 + 10 * 100e-6] * len(of_writer))
    assert {part["tokens"] for part in of_writer} == {10}
    assert len(of_editor) == len(hands.calls) > 0
    assert {part["dollars"] for part in of_editor} == {0.5}
    assert {part for step in steps for part in step["parts"]} == {"writer", "painter", "editor"}
    for step in steps:
        for name in ("evaluations", "tokens", "seconds", "dollars"):
            assert step[name] == pytest.approx(sum(part[name] for part in step["parts"].values()))
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    parts = results["cost"]["parts"]
    assert parts["single pass"]["painter"] == {
        "samples": 4, "calls": 4, "evaluations": 12, "tokens": 0, "dollars": 0,
        "seconds": pytest.approx(results["cost"]["arms"]["single pass"]["seconds"]),
    }  # fmt: skip
    assert parts["process max_iterations=2"]["editor"]["calls"] == len(hands.calls)
    for arm, costs in results["cost"]["arms"].items():
        assert sum(part["dollars"] for part in parts[arm].values()) == pytest.approx(costs["dollars"])
    assert "What each part of a composite model cost" in (tmp_path / "out" / "index.html").read_text()


def _hand(call: Call) -> Answer:
    return editing(call) if call.path.endswith("/edits") else drawing(call)


@pytest.mark.usefixtures("crayon")
def test_the_budget_of_a_part_holds_over_all_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(chatting) as (server, url):
        for limit in (9, 9, 12):
            capsys.readouterr()
            assert swept(tmp_path, chat(url, max_calls=limit, concurrency=1), "editor: crayon") == ExitCode.INCOMPLETE
            assert "the budget is spent" in capsys.readouterr().err
            assert len(server.calls) <= limit
        assert swept(tmp_path, chat(url), "editor: crayon") == 0


@pytest.mark.usefixtures("crayon")
def test_a_budget_needs_one_worker(tmp_path: Path) -> None:
    text = SWEEP.format(writer=json.dumps(chat("http://x/v1", max_calls=9)), hands="editor: crayon", more="")
    path = tmp_path / "composed.yaml"
    for executor, refused in (("local", True), ("{name: local, workers: 1}", False)):
        path.write_text(text.replace("{name: local, in_process: true}", executor))
        if refused:
            with pytest.raises(ConfigError, match="a part of its model has a budget, which is counted in one worker"):
                make_plan(sweep_files.load(path))
        else:
            make_plan(sweep_files.load(path))


@pytest.mark.usefixtures("crayon")
def test_redrawing_is_said_in_the_name_of_the_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hands = "painter: crayon, redraw: true"
    assert swept(tmp_path, chat("http://127.0.0.1:9/v1"), hands) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "arm 'process max_iterations=1': its model does 'redraw', which the name of the arm must say" in line
    with serving(chatting) as (_, url):
        assert swept(tmp_path, chat(url), hands, more=" by redraw") == 0


# --- what it is made of ---


@pytest.mark.usefixtures("crayon")
def test_the_identity_follows_from_those_of_the_parts() -> None:
    url = "http://127.0.0.1:9/v1"
    base: dict[str, Any] = {"writer": chat(url), "editor": {"name": "crayon"}}
    first = composite(**base)
    same = [{**base, "painter": {"name": "crayon"}}, {**base, "writer": chat("http://b/v1")}, {**base, "batch_size": 9}]
    assert all(composite(**settings).identity() == first.identity() for settings in same)
    others = [
        {**base, "writer": chat(url, temperature=1.0)},
        {**base, "writer": MINIATURE},
        {**base, "painter": MINIATURE},
        {**base, "context": "all"},
        {"writer": chat(url), "painter": {"name": "crayon"}, "redraw": True},
    ]
    identities = [json.dumps(composite(**settings).identity(), sort_keys=True) for settings in [base, *others]]
    assert len(set(identities)) == len(identities)
    assert first.address == f"writer={url}"
    assert first.batch_size == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"editor": MINIATURE}, "writer"),
        ({"writer": MINIATURE}, "an editor is missing"),
        ({"writer": MINIATURE, "redraw": True}, "a painter is missing"),
        (
            {"writer": MINIATURE, "editor": MINIATURE, "redraw": True},
            "redraw: true is for a composite without an",
        ),
        ({"writer": "nobody", "editor": MINIATURE}, "no model named 'nobody'"),
        ({"writer": {**MINIATURE, "stepz": 1}, "editor": MINIATURE}, "unknown key 'stepz'; did you mean 'steps'"),
    ],
)
def test_settings_that_are_no_composite(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        composite(**settings)


@pytest.mark.usefixtures("crayon")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"writer": "crayon", "editor": MINIATURE}, "the writer 'crayon' does not write"),
        ({"writer": MINIATURE, "editor": MINIATURE, "context": "all"}, "`context` is for chat models"),
        ({"writer": MINIATURE, "editor": {"name": "folder", "path": "x"}}, "'folder' does not"),
    ],
)
def test_parts_that_cannot_do_what_they_are_for(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composite(**settings)


def test_a_prompt_is_checked_by_all_parts() -> None:
    with pytest.raises(SampleError, match="the prompt is empty"):
        composite(writer=MINIATURE, editor=MINIATURE).check("")


# --- an endpoint that draws ---


def test_an_image_endpoint_paints_and_edits() -> None:
    with serving(chatting) as (_, url), serving(_hand) as (hands, hand_url):
        hand = {"name": "images-api", "model": "hand", "base_url": hand_url}
        model = composite(writer=chat(url), editor=hand)
        (made,) = variants.run(Process(max_iterations=2, inspect=False), model, PROMPTS[:1], SEEDS[:1])
        (single,) = variants.run(SinglePass(), model, PROMPTS[:1], SEEDS[:1])
    drawn = [step for step in made.steps if step.image is not None]
    assert len(hands.calls) == len(drawn) + 1
    assert hands.calls[0].body["prompt"] == made.steps[0].text
    edit = next(call for call in hands.calls if call.path.endswith("/edits"))
    with Image.open(io.BytesIO(form(edit)["image"])) as image:
        assert image.convert("RGB").tobytes() == picture(drawn[0]).tobytes()
    assert hands.calls[-1].body["prompt"] == PROMPTS[0]
    assert single.image is not None
    assert {part for step in made.steps for part in step.cost.parts} == {"writer", "painter"}
    assert not any(step.transparent for step in plain_trajectory(made, "composite").steps)
    assert replace(made.steps[0].cost, parts={}) == made.steps[0].cost.parts["writer"]


def test_a_transparent_image_of_a_part_is_counted_and_passed_on_opaque() -> None:
    """An endpoint that edits would take transparent pixels for a mask of what to change."""

    def clear(call: Call) -> Answer:
        buffer = io.BytesIO()
        Image.new("RGBA", (16, 16), (len(call.data) % 256, 50, 100, 0)).save(buffer, "PNG")
        return Answer({"created": 1, "data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]})

    with serving(chatting) as (_, url), serving(clear) as (hands, hand_url):
        model = composite(writer=chat(url), editor={"name": "images-api", "model": "hand", "base_url": hand_url})
        (made,) = variants.run(Process(max_iterations=2, inspect=False), model, PROMPTS[:1], SEEDS[:1])
    drawn = [step for step in plain_trajectory(made, "composite").steps if step.image is not None]
    assert len(drawn) > 1
    assert all(step.transparent and picture(step).mode == "RGB" for step in drawn)
    sent = [form(call)["image"] for call in hands.calls if call.path.endswith("/edits")]
    assert sent
    assert {Image.open(io.BytesIO(data)).mode for data in sent} == {"RGB"}


def test_the_gpus_of_all_parts_count_and_a_shared_one_once() -> None:
    def devices(writer: str, painter: str) -> int | None:
        parts = {"writer": {"name": "any-to-any", "hub": "a/c", "device": writer}, "redraw": True}
        return composite(**parts, painter={"name": "diffusers", "hub": "a/b", "device": painter}).device_count

    assert (devices("cuda:0", "cuda:0"), devices("cuda:0", "cuda:1")) == (1, 2)


def test_the_words_of_an_endpoint_that_rewrites_are_kept_with_its_drawing() -> None:
    def rewriting(call: Call) -> Answer:
        buffer = io.BytesIO()
        Image.new("RGB", (16, 16), (len(call.data) % 256, 50, 100)).save(buffer, "PNG")
        encoded = base64.b64encode(buffer.getvalue()).decode()
        return Answer({"created": 1, "data": [{"b64_json": encoded, "revised_prompt": "rewritten"}]})

    with serving(chatting) as (_, url), serving(rewriting) as (_, hand_url):
        model = composite(writer=chat(url), editor={"name": "images-api", "model": "hand", "base_url": hand_url})
        (single,) = variants.run(SinglePass(), model, PROMPTS[:1], SEEDS[:1])
        variant = Process(max_iterations=2, inspect=False)
        (made,) = variants.run(variant, model, PROMPTS[:1], SEEDS[:1])
        (again,) = variants.run(variant, model, PROMPTS[:1], SEEDS[:1], stored=[made.steps[:2]])
    assert single.steps[0].text == "rewritten"
    assert next(step.text for step in made.steps if step.kind == "sketch") == "rewritten"
    assert [step.text for step in again.steps] == [step.text for step in made.steps]

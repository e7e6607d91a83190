"""Training on recorded trajectories: what is learned of them, image tokens, one command for all arms, differences."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_world import LIKELY, SmallWorld, records

from evalharness._util.image_files import png_bytes
from evalharness.errors import ConfigError
from evalharness.miniature.model import batches, codec
from evalharness.miniature.model.batches import EMPTY, collate, marked
from evalharness.miniature.model.codec import Codec
from evalharness.miniature.model.network import CLEAN, Network, NetworkConfig
from evalharness.miniature.model.plugin import Miniature
from evalharness.miniature.model.tokenizer import IMAGE, IMAGE_END, VOCABULARY, Tokenizer
from evalharness.miniature.training import recorded_examples, unified
from evalharness.miniature.training import training_run as runs
from evalharness.miniature.training.arms import SAMPLING, Study, main
from evalharness.miniature.training.recorded_examples import Cells, RecordedExamples, examples
from evalharness.miniature.world import bank as banks
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, Thing, render, tile
from evalharness.miniature.world.training_examples import Draw, Look, Text, TrainingExample

TOKENIZER = Tokenizer()
STEPS = ("step", "relate")


@pytest.fixture(scope="module", autouse=True)
def small_bank() -> Any:
    """Six things as they are, noise for the other icons: drawing all of them takes long."""
    tiles = np.random.default_rng(0).integers(0, 256, (80, 10, 32, 32, 3), dtype=np.uint8)
    for name in LIKELY:
        for at, color in enumerate(COLOR_NAMES):
            tiles[CLASSES.index(name), at] = tile(name, color)
    made = banks.Bank(tiles, np.zeros((80, 10, 32, 32), bool), np.zeros(80, np.int64))
    patch = pytest.MonkeyPatch()
    for module in (banks, batches, codec, recorded_examples, unified):
        patch.setattr(module, "bank", lambda: made)
    basis = torch.linalg.qr(torch.randn(3072, 256, generator=torch.Generator().manual_seed(0))).Q.T.contiguous()
    patch.setattr(unified, "fit", lambda: basis)
    yield Codec(basis)
    patch.undo()


@pytest.fixture(scope="module")
def cells(small_bank: Codec) -> Cells:
    return Cells(small_bank)


def test_a_picture_of_icons_is_their_rows(cells: Cells) -> None:
    board = cells.board(png_bytes(render((Thing("dog", "red", 4),))))
    row = CLASSES.index("dog") * 10 + COLOR_NAMES.index("red")
    assert board == {cell: row if cell == 4 else EMPTY for cell in range(CELLS)}


def test_a_picture_of_something_else_is_what_the_codec_makes_of_it(small_bank: Codec) -> None:
    fresh = Cells(small_bank)
    image = render((Thing("dog", "red", 4),))
    image.putpixel((10, 40), (1, 2, 3))
    board = fresh.board(png_bytes(image))
    assert board[4] == EMPTY + 1 and fresh.board(png_bytes(image)) == board
    latents = small_bank.encode(torch.from_numpy(np.array(image))[None])[0]
    torch.testing.assert_close(fresh.table()[EMPTY + 1], latents[4], atol=2e-3, rtol=1e-2)


def test_what_is_wrong_is_read_and_not_learned(cells: Cells) -> None:
    checked = set()
    for record in records("full", 2, 40):
        made = list(examples(record, cells))
        critiques = record.provenance.get("critiques", {})
        for kind, lesson in made:
            learned = [segment.words for segment in lesson if isinstance(segment, Text) and segment.learn]
            assert learned == [] if kind == "single" else len(learned) == 1
            assert not record.knowledge or not lesson[-1].learn  # type: ignore[union-attr]
        for number, about in critiques.items():
            by_kind = {step.kind: step for step in record.trajectory.steps if step.iteration == int(number)}
            steps = [lesson for kind, lesson in made if kind in STEPS and Text(by_kind["plan"].text) in lesson]
            wrong = cells.board(by_kind["sketch"].image or b"")
            if about["conflict"] == "state-prompt":
                assert steps == []
                steps = [lesson for kind, lesson in made if kind in STEPS and Text(about["plan"]) in lesson]
            if about["conflict"] != "none":
                (lesson,) = steps
                assert isinstance(lesson[-1], Draw) and lesson[-1].board == cells.board(by_kind["refine"].image or b"")
                assert lesson[-1].board != wrong
            checked.add(about["conflict"])
        pictures = [cells.board(step.image) for step in record.trajectory.steps if step.image]
        for kind, lesson in made:
            if kind == "inspect":
                assert [s.board for s in lesson if isinstance(s, Look)][-1] in pictures
    assert checked == {"none", "state-prompt", "instruction-state"}


def test_the_chain_of_lessons_looks_at_what_was_left(cells: Cells) -> None:
    """Each step begins with the state that the one before ended with; the last one ends."""
    chain = next(r for r in records("no-self-sampling", 2, 20) if r.kind == "process" and r.trajectory.iterations > 3)
    steps = [lesson for kind, lesson in examples(chain, cells) if kind in STEPS]
    assert steps[0][1] == Look(dict.fromkeys(range(CELLS), EMPTY)) or chain.provenance.get("critiques", {}).get("1")
    assert steps[-1][2] == Text("<end>")
    assert steps[-1][1] == Look(cells.board(chain.trajectory.image or b""))


def test_a_step_relates_if_its_instruction_has_a_relation(cells: Cells) -> None:
    checked, categories = set(), ("position", "two_object", "color_attr")
    for record in records("full", 2, 60):
        if record.kind == "process" and record.category in categories:
            kinds = [kind for kind, _ in examples(record, cells) if kind in STEPS]
            assert ("relate" in kinds) == (record.category == "position")
            assert kinds[-1] == "step", "the end"
            checked.add(record.category)
    assert len(checked) == 3


def test_each_round_of_inspection_is_an_example(cells: Cells) -> None:
    rounds = 0
    for record in records("no-self-sampling", 2, 40):
        made = [(kind, example) for kind, example in examples(record, cells) if kind in ("inspect", "again")]
        inspections = [step for step in record.trajectory.steps if step.kind == "inspect"]
        assert len(made) == len(inspections)
        for (kind, example), inspection in zip(made, inspections, strict=True):
            (learned,) = [segment for segment in example if isinstance(segment, Text) and segment.learn]
            assert learned.words.startswith(inspection.text)
            pictures = [segment for segment in example if isinstance(segment, Look)]
            assert (len(pictures) > 2) == (kind == "again")
            rounds += kind == "again"
    assert rounds > 5


def test_a_lesson_begins_as_the_loop_does(cells: Cells) -> None:
    """With the prompt and, after the first iteration, the last plan and its correction."""
    chains = [record for record in records("no-self-sampling", 2, 20) if record.kind == "process"]
    assert max(chain.trajectory.iterations for chain in chains) > 1
    for chain in chains:
        trajectory = chain.trajectory
        prompt = f"<text> {chain.prompt} </text>"
        expected = [prompt]
        for number in range(1, trajectory.iterations):
            steps = [step for step in trajectory.steps if step.iteration == number]
            expected.append(" ".join([prompt, *(step.text for step in steps if step.kind in ("plan", "refine"))]))
        beginnings = [example[0] for _, example in examples(chain, cells)]
        assert list(dict.fromkeys(beginnings)) == [Text(words, learn=False) for words in expected]


# --- tokens that start and end an image ---


def test_to_start_an_image_is_learned_where_the_model_has_to_say_so() -> None:
    prompt, plan, inspection = Text("p", learn=False), Text("<ins>"), Text("<inspect>")
    made: TrainingExample = [prompt, Look({}), plan, Look({}), inspection, Draw({})]
    starts = [segment.learn for segment in marked(made) if isinstance(segment, Text) and segment.words == IMAGE]
    assert starts == [False, True, True]
    ends = [segment.learn for segment in marked(made) if isinstance(segment, Text) and segment.words == IMAGE_END]
    assert ends == [True, True]


def test_marks_are_labels_of_the_tokens_before_them(cells: Cells) -> None:
    made: TrainingExample = [
        Text("<text> a dog </text>", learn=False),
        Look({}),
        Text("<ins> add a dog </ins>"),
        Draw({4: 3}),
    ]
    batch = collate([marked(made)], 48, TOKENIZER, cells.table())
    start, end = TOKENIZER.id(IMAGE), TOKENIZER.id(IMAGE_END)
    labels = batch.labels[0].tolist()
    prompt, plan = 4, 5
    last_cell = prompt + 1 + CELLS - 1
    assert labels[last_cell] == end
    at = [i for i, label in enumerate(labels) if label == start]
    assert at == [last_cell + 1 + plan]  # the last token of the plan; not that of the prompt, whose image was given
    assert batch.noisy_at[0, 0] == at[0] + 2


def test_a_marked_checkpoint_reads_as_it_was_trained(small_bank: Codec, cells: Cells, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Network(NetworkConfig(len(VOCABULARY), width=48, depth=2, heads=3)).double()
    unified.save(tmp_path, net, small_bank, learned=["marked"])
    model = Miniature(Miniature.Settings(weights=tmp_path, steps=1))
    picture = render((Thing("cat", "blue", 2),))
    made: TrainingExample = [
        Text("<text> a cat </text>"),
        Look(cells.board(png_bytes(picture))),
        Text("<ins>"),
        Draw({}),
    ]
    batch = collate([marked(made)], 56, TOKENIZER, cells.table())
    network, codec = model.load()
    noise = torch.randn(CELLS, 256, generator=torch.Generator().manual_seed(5)).double()[None]
    x = network.embed_text(batch.ids)
    clean = codec.encode(torch.from_numpy(np.array(picture))[None])
    looks = network.clean_in(clean) + network.cells.weight + network.kinds.weight[CLEAN]
    x[0, batch.kinds[0] == CLEAN] = looks[0]
    x[0, batch.noisy_at[0]] = network.embed_noisy(noise, clean, torch.ones(1))[0]
    hidden, _ = network.run(x, batch.positions, batch.cells, batch.mask)
    expected = network.latents(hidden[:, batch.noisy_at[0]], clean)
    contexts = model.start(1)
    model.read(contexts, ["<text> a cat </text>"])
    model.look(contexts, [picture])
    model.read(contexts, ["<ins>"])
    length = contexts[0].length
    (drawn,) = model.draw(contexts, unguided=[], seeds=[5])
    assert contexts[0].length == length  # neither the drawing nor its mark is kept
    assert (np.asarray(drawn.image) == codec.decode(expected)[0].numpy()).all()


# --- training ---


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unified, "NetworkConfig", lambda words: NetworkConfig(words, width=24, depth=1, heads=2))


def study(out: Path, **changes: Any) -> Study:
    given: dict[str, Any] = {
        "out": out, "pretrained": None, "arms": ["base", "no-self-sampling"], "seeds": [0], "pretrain_steps": 3,
        "sketch_prompts": 4, "look_steps": 2, "sampler_steps": 2, "steps": 2, "prompts": 4, "batch": 10,
        "device": "cpu", "compiled": False, "world": SmallWorld(), **changes,
    }  # fmt: skip
    return Study(**given)


def test_all_arms_come_from_one_command_that_goes_on(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = study(tmp_path / "whole").run()
    real, trained = unified.train, []

    def killed(args: argparse.Namespace) -> None:
        trained.append(args.out.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        real(args)

    monkeypatch.setattr(unified, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "torn").run()
    torn = study(tmp_path / "torn").run()
    assert trained == ["first", "pretrained", "pretrained", "base-seed0", "no-self-sampling-seed0"]
    assert [folder.name for folder in uninterrupted] == ["base-seed0", "no-self-sampling-seed0"]
    for a, b in zip(uninterrupted, torn, strict=True):
        assert (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()
    card = json.loads((uninterrupted[1] / "card.json").read_text())
    assert card["data"][0]["arm"] == "no-self-sampling"
    assert {"single", "think", "read", "step", "inspect"} <= card["lessons"].keys()
    assert {"step_long_switching", "inspect_short_words", "single_long_flow"} <= card["losses"].keys()
    assert (uninterrupted[1] / "curve.png").read_bytes().startswith(b"\x89PNG")
    # What is shipped draws.
    assert Miniature(Miniature.Settings(weights=uninterrupted[1], steps=1)).paint(["a photo of a dog"], [1])[0].image


@pytest.mark.slow
def test_a_killed_training_on_records_ends_with_the_same_weights(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study(tmp_path / "one")
    data = first.make_data("no-self-sampling", None)
    first.train(tmp_path / "one" / "out", [data], None, 3, 4)
    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", -1.0)
    real = unified.learn

    def dies(student: Any, step: int, *rest: Any) -> Any:
        if step == 2:
            raise KeyboardInterrupt
        return real(student, step, *rest)

    monkeypatch.setattr(unified, "learn", dies)
    again = study(tmp_path / "two")
    with pytest.raises(KeyboardInterrupt):
        again.train(tmp_path / "two" / "out", [data], None, 3, 4)
    monkeypatch.setattr(unified, "learn", real)
    again.train(tmp_path / "two" / "out", [data], None, 3, 4)
    a, b = (load_file(tmp_path / name / "out" / "model.safetensors") for name in ("one", "two"))
    assert all((a[name] == b[name]).all() for name in a)


def test_a_batch_is_a_function_of_seed_and_step(tmp_path: Path, small_bank: Codec) -> None:
    data = study(tmp_path).make_data("base", None)
    first, second = (RecordedExamples.load([data], 1, 12, TOKENIZER, small_bank) for _ in range(2))
    assert first.shapes == second.shapes
    assert set(first.shapes) == {f"{kind}_{half}" for kind in ("single", "think", "read") for half in ("short", "long")}
    assert sum(count for count, _ in first.shapes.values()) == 12
    for a, b in zip(first.batch(5, "think_long"), second.batch(5, "think_long"), strict=True):
        for x, y in zip(vars(a).values(), vars(b).values(), strict=True) if not torch.is_tensor(a) else [(a, b)]:
            assert torch.equal(x, y)
    assert not torch.equal(first.batch(5, "think_long")[2], first.batch(6, "think_long")[2])


def test_each_lesson_counts_alike(tmp_path: Path, small_bank: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of a part is a mean over its lessons: its weight in the sum is in proportion to how many there are."""
    loaded = RecordedExamples.load([study(tmp_path).make_data("base", None)], 1, 24, TOKENIZER, small_bank)
    assert len({loaded.weights[part] / count for part, (count, _) in loaded.shapes.items()}) == 1
    assert sum(loaded.weights.values()) == pytest.approx(len(loaded.shapes))
    scale = torch.ones((), requires_grad=True)
    monkeypatch.setattr(unified, "losses", lambda *_: (scale, 0 * scale, 0 * scale, 0 * scale))
    expected = 0.0
    for part, weight in loaded.weights.items():
        single = RecordedExamples(**{**vars(loaded), "shapes": {part: loaded.shapes[part]}})
        monkeypatch.setattr(RecordedExamples, "weights", loaded.weights)
        unified.learn(None, 0, single, "cpu", 0.0)  # type: ignore[arg-type]
        expected += weight
        assert scale.grad is not None and scale.grad.item() == pytest.approx(expected)


def test_shorter_and_longer_lessons_are_padded_apart(tmp_path: Path, small_bank: Codec) -> None:
    loaded = RecordedExamples.load([study(tmp_path).make_data("base", None)], 1, 12, TOKENIZER, small_bank)
    for kind, count in loaded.counts.items():
        short, long = loaded.parts[f"{kind}_short"], loaded.parts[f"{kind}_long"]
        assert len(short) + len(long) == count and len(long) - len(short) in (0, 1)
        lengths = [[recorded_examples.token_count(example, TOKENIZER) for example in half] for half in (short, long)]
        assert max(lengths[0]) <= min(lengths[1])
        for half, half_lengths in zip(("short", "long"), lengths, strict=True):
            assert 0 <= loaded.shapes[f"{kind}_{half}"][1] - max(half_lengths) < 8


def test_incomplete_data_and_unknown_arms_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="holds no shard"):
        RecordedExamples.load([tmp_path], 0, 8, TOKENIZER, Codec(torch.zeros(256, 3072)))
    assert main(["--arms", "ful", "--out", str(tmp_path)]) == 2
    assert "no arm 'ful'; did you mean 'full'?" in capsys.readouterr().err


@pytest.mark.slow
def test_the_model_s_own_drawings_come_from_a_checkpoint_that_was_taught_the_process(
    tiny: None, tmp_path: Path
) -> None:
    """The whole way of the arm ``full``, with the embedded detector looking at a beginner's drawings."""
    (folder,) = study(tmp_path, arms=["full"]).run()
    card = json.loads((tmp_path / "data" / "full" / "card.json").read_text())
    sampler = Miniature(Miniature.Settings.model_validate({"weights": tmp_path / "sampler", **SAMPLING})).identity()
    assert card["model"] == sampler
    assert card["counts"]["own sketches left out"] > 0
    assert json.loads((folder / "card.json").read_text())["data"][0]["arm"] == "full"

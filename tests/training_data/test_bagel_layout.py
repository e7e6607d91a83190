"""The layout that trainers of BAGEL's family read: what is learned, and that it is the sequence of inference."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from mock_sweeps import draw_and_score
from PIL import Image

from evalharness.analysis.examples.conflicts import conflict
from evalharness.cli import main
from evalharness.errors import ConfigError
from evalharness.generation import variants
from evalharness.generation.process import Process
from evalharness.generation.sample import png_bytes
from evalharness.training_data.bagel_layout import conversation
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.records import Record, write_shard
from evalharness.types.trajectory import Step, Trajectory

PLAN = "<ins> Add a red cat </ins> <des> a red cat </des>"
OK = "<inspect> ok </inspect>"
SKETCH_IS_WRONG = "<inspect> a dog should be a red cat </inspect>"
PLAN_IS_WRONG = "<inspect> a red cat should be a dog </inspect>"
MEND = "<refine> change it </refine>"
IMAGE = png_bytes(Image.new("RGB", (8, 8), "red"))


def record(*steps: Step, **provenance: Any) -> Record:
    return Record("r", "process", "a cat", "", {}, SceneGraph(()), Trajectory(steps), provenance=provenance)


def round_of(iteration: int, inspection: str) -> tuple[Step, ...]:
    steps = (Step("plan", iteration, PLAN), Step("sketch", iteration, image=IMAGE, seed=1))
    if inspection == OK:
        return (*steps, Step("inspect", iteration, OK))
    return (*steps, Step("inspect", iteration, inspection), Step("refine", iteration, MEND, IMAGE, 2))


def learned(made: Record) -> list[tuple[str, bool]]:
    """Each part's first word, or ``image``, and whether it is learned."""
    parts = conversation(made, conflict)[1]["content"]
    names = [part["content"].split()[0] if part["type"] == "text" else "image" for part in parts]
    return list(zip(names, [part["need_loss"] for part in parts], strict=True))


def test_what_is_right_is_learned_and_what_is_wrong_is_read() -> None:
    right = [("<ins>", True), ("image", True), ("<inspect>", True)]
    mended = [("<inspect>", True), ("<refine>", True), ("image", True)]
    assert learned(record(*round_of(1, OK))) == right
    assert learned(record(*round_of(1, SKETCH_IS_WRONG))) == [("<ins>", True), ("image", False), *mended]
    assert learned(record(*round_of(1, PLAN_IS_WRONG))) == [("<ins>", False), ("image", False), *mended]
    assert learned(record(*round_of(1, OK), *round_of(2, SKETCH_IS_WRONG)))[:3] == right
    unreadable = "<inspect> it looks odd </inspect>"
    assert learned(record(*round_of(1, unreadable)))[0] == ("<ins>", False), "nobody says what is wrong"


def test_provenance_tells_better_than_words() -> None:
    made = record(*round_of(1, PLAN_IS_WRONG), critiques={"1": {"by": "model", "conflict": "instruction-state"}})
    assert learned(made)[0] == ("<ins>", True)
    made = record(*round_of(1, SKETCH_IS_WRONG), critiques={"1": {"by": "model", "conflict": "state-prompt"}})
    assert learned(made)[0] == ("<ins>", False)


def test_an_image_is_context_where_something_follows_and_changes_of_kind_are_learned() -> None:
    plan, sketch, inspection, mend, last = conversation(record(*round_of(1, SKETCH_IS_WRONG)), conflict)[1]["content"]
    assert (sketch["need_vae"], sketch["need_vit"], last["need_vae"], last["need_vit"]) == (True, True, False, False)
    assert "special_token_loss" not in plan, "the sketch that follows is not learned"
    assert (sketch["special_token_loss"], sketch["special_token_label"]) == (1, "<|im_start|>")
    assert "special_token_loss" not in inspection
    assert (mend["special_token_loss"], mend["special_token_label"]) == (1, "<|vision_start|>")
    assert base64.b64decode(last["content"]) == IMAGE


@pytest.mark.parametrize(
    "made",
    [
        Record("r", "process", "a", "", {}, SceneGraph(()), Trajectory(()), format="unicot"),
        record(variant={"context": "latest"}),
        record(variant={"context": "thought"}),
    ],
)
def test_what_is_no_such_sequence_is_refused(made: Record) -> None:
    with pytest.raises(ConfigError, match=r"^r: "):
        conversation(made, conflict)


# --- the tokens of inference ---


@pytest.mark.parametrize("inspect", [True, False])
def test_the_sequence_has_the_tokens_of_inference(bagel_settings: Callable[..., Any], inspect: bool) -> None:
    """Read by the published reader's rules, it makes the context that the process ended with, keys and values."""
    pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")
    from evalharness.models.bagel.plugin import Bagel

    model = Bagel(bagel_settings(steps=2, max_tokens=9, image_scale=2.0))
    started: list[Any] = []
    start = model.start
    model.start = lambda count: started.extend(start(count)) or started  # type: ignore[method-assign]
    variant = Process(format="strokes", max_iterations=2, inspect=inspect)
    (made,) = variants.run(variant, model, ["a cat"], [3])
    (inferred,) = started
    trajectory = Record("r", "process", "a cat", "", {}, SceneGraph(()), made)
    seeds = iter([step.seed for step in made.steps if step.image is not None])
    context = start(1)[0]
    for turn in conversation(trajectory, conflict):
        for part in turn["content"] if isinstance(turn["content"], list) else [turn | {"type": "text"}]:
            if part["type"] == "text":
                model.load().read([context], [part["content"]], newest=turn["role"] == "user")
                continue
            context.seed = next(seeds)  # of the noise with which an image is seen
            if part["need_vae"] and part["need_vit"]:
                model.look([context], [Image.open(io.BytesIO(base64.b64decode(part["content"])))])
    length = inferred.full.cache.length
    assert (context.full.cache.length, context.full.position) == (length, inferred.full.position)
    for ours, theirs in zip(context.full.cache.layers, inferred.full.cache.layers, strict=True):
        np.testing.assert_allclose(ours[:, :, :length], theirs[:, :, :length], rtol=1e-3, atol=1e-4)


# --- files ---


def test_a_data_set_becomes_a_file_that_the_reader_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "full"
    data.mkdir()
    write_shard(data / "shard-00000.parquet", [[record(*round_of(1, OK)), record(*round_of(1, SKETCH_IS_WRONG))]])
    (data / "card.json").write_text("{}")
    assert main.main(["export", str(data), "--format", "bagel"]) == 0
    assert "2 of 2 samples" in capsys.readouterr().out
    (file,) = (tmp_path / "full-bagel").iterdir()
    rows = pq.read_table(file).to_pylist()
    assert [row["id"] for row in rows] == ["r", "r"]
    user, assistant = json.loads(rows[0]["conversation"])
    assert user == {"role": "user", "content": "<text> a cat </text>", "need_loss": False}
    assert all({"type", "content", "need_loss"} <= part.keys() for part in assistant["content"])
    assert main.main(["export", str(data), "--format", "bagel", "--arm", "a", "--out", str(tmp_path / "b")]) == 2
    assert main.main(["export", str(data), "--format", "trajectories"]) == 2


def test_a_run_becomes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nmodels: {mock: {name: mock, conflicts: 1}}\nbenchmarks: [mock]\n"
        "arms: [{name: process, model: mock, variant: process, max_iterations: 2}]\n"
    )
    samples = draw_and_score(file, tmp_path / "out")
    capsys.readouterr()
    out, store = tmp_path / "exported", str(tmp_path / "store")
    words = ["export", str(file), "--arm", "process", "--format", "bagel", "--out", str(out), "--store", store]
    assert main.main(words) == 0
    rows = pq.read_table(out / "shard-00000.parquet").to_pylist()
    assert [row["score"] for row in rows] == [sample["score"] for sample in samples]

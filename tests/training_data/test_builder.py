"""Graphs, chains, words and records: the same prompts in every arm, states that are what the words say."""

from __future__ import annotations

import io
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_world import LIKELY, Oracle, Scribbler, SmallWorld, maker, records

from evalharness._util.text import plural
from evalharness.errors import ConfigError
from evalharness.miniature.model.tokenizer import Tokenizer
from evalharness.miniature.world import crowded
from evalharness.miniature.world.board import BACKGROUND, PLACES, Thing, render
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.training_data import builder, chains, dataset
from evalharness.training_data.builder import ARMS, DatasetBuilder
from evalharness.training_data.conflicts import SMUDGE, Sighting, assign
from evalharness.training_data.drafts import Components
from evalharness.training_data.english import English
from evalharness.training_data.filters import Case
from evalharness.training_data.graphs import Edge, Node, SceneGraph, of_metadata
from evalharness.training_data.language import same_things
from evalharness.training_data.records import Record, from_row, read, to_row
from evalharness.training_data.teachers import DrawingRequest
from evalharness.training_data.world import PromptFile

NAMES = st.sampled_from(["dog", "cat", "cup"])
COLORS = st.sampled_from([None, "red", "blue"])


@st.composite
def graphs(draw: st.DrawFn) -> SceneGraph:
    nodes = draw(st.lists(st.builds(Node, NAMES, COLORS), min_size=1, max_size=6))
    pairs = [(a, b) for a in range(len(nodes)) for b in range(a)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3)) if pairs else []
    return SceneGraph(tuple(nodes), tuple(Edge(a, draw(st.sampled_from(["left of", "above"])), b) for a, b in edges))


# --- graphs and chains ---


@given(graphs(), st.integers())
def test_a_chain_grows_by_groups_and_never_speaks_of_a_thing_to_come(graph: SceneGraph, seed: int) -> None:
    rng = random.Random(seed)
    order = chains.in_order(graph) if seed % 2 else chains.shuffled(graph, rng)
    assert sorted(order) == list(range(len(graph.nodes)))
    groups = chains.groups(order, rng)
    assert [index for group in groups for index in group] == order and all(groups)
    count = 0
    for step, group in enumerate(groups):
        move = chains.subsampled(graph, groups, step)
        assert move.before == graph.subgraph(order[:count])
        count += len(group)
        assert move.after == move.described == graph.subgraph(order[:count])
        assert move.indices == move.added == tuple(range(count - len(group), count))
        assert chains.unsubsampled(graph, groups, step).described == graph
    assert count == len(order)


def test_chains_draw_the_whole_scene_or_two_groups_or_one_by_one() -> None:
    sizes = {len(chains.groups(range(5), random.Random(seed))) for seed in range(40)}
    assert sizes == {1, 2, 5}


@given(graphs())
def test_a_graph_survives_json(graph: SceneGraph) -> None:
    assert SceneGraph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


def test_a_ring_of_relations_is_cut() -> None:
    ring = SceneGraph((Node("a"), Node("b")), (Edge(0, "above", 1), Edge(1, "above", 0)))
    assert sorted(chains.shuffled(ring, random.Random(0))) == chains.in_order(ring) == [0, 1]


def test_a_relation_to_several_is_one_to_each() -> None:
    asked = {"include": [{"class": "dog", "count": 2}, {"class": "cat", "count": 1, "position": ["above", 0]}]}
    graph = of_metadata(asked)
    assert graph.edges == (Edge(2, "above", 0), Edge(2, "above", 1))


# --- words ---


@given(st.integers(0, 10**6))
def test_the_miniature_s_words_are_read_back_and_are_in_its_vocabulary(seed: int) -> None:
    rng = random.Random(seed)
    world, tokenizer, words = MiniatureWorld(), Tokenizer(), English()
    task = world.task(0, rng)
    told = words.description(task.graph)
    read_back = words.read(told)
    assert read_back is not None and same_things(read_back.nodes, task.graph.nodes)
    assert tokenizer.decode(tokenizer.encode(told)) == told
    assert not set(PLACES) & set(told.split())
    assert len(tokenizer.encode(task.prompt)) <= 60
    assert len(tokenizer.encode(f"<think> {told} </think>")) <= 64  # the format's limit
    plan = f"<ins> {words.instruction(task.graph, range(len(task.graph.nodes)))} </ins> <des> {told} </des>"
    assert len(tokenizer.encode(plan)) <= 96
    assert world.conflict(task.graph, world.placed(task.graph)) is None


def test_english() -> None:
    dogs = SceneGraph((Node("dog"), Node("dog"), Node("cup", "orange")), (Edge(2, "left of", 0),))
    words = English()
    assert words.description(dogs) == "two dogs and an orange cup; the orange cup is left of the dog"
    assert words.instruction(dogs, [1]) == "Add another dog"
    assert words.instruction(dogs, [2]) == "Add an orange cup left of the dog"
    assert words.instruction(dogs, [1, 2]) == "Add another dog and an orange cup; the orange cup is left of the dog"
    assert words.instruction(dogs, [0, 1]) == "Add two dogs"
    assert words.read("dogs everywhere") is None


# --- records ---


@pytest.mark.parametrize("arm", ARMS)
def test_all_arms_share_their_prompts_and_pictures(arm: str) -> None:
    mine = [one for one in records(arm, 4, 6) if one.kind == "think"]
    full = [one for one in records("full", 4, 6) if one.kind == "think"]
    assert mine == full
    assert {one.kind for one in records(arm, 4, 6)} == ({"think"} if arm == "base" else {"think", "process"})


@pytest.mark.parametrize("arm", ["full", "no-subsampling"])
def test_a_record_depends_on_seed_and_number_alone(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = records(arm, 4, 9)
    monkeypatch.setattr(builder, "BATCH", 2)
    alone = [one for batch in maker(arm, 4).batches([7, 3]) for one in batch]
    assert alone == [one for one in together if one.provenance["index"] in (3, 7)]
    assert records(arm, 5, 9) != together


def check_uncorrected_states(seed: int) -> int:
    """Check that each state that is not corrected shows what its plan describes; returns their number."""
    uncorrected = 0
    for record in records("full", seed, 2):
        described: SceneGraph | None = None
        for step in record.trajectory.steps:
            if step.kind == "plan" and step.text != "<end>":
                described = English().read(step.text.partition("<des> ")[2].removesuffix(" </des>"))
            corrected = any(s.kind == "refine" and s.iteration == step.iteration for s in record.trajectory.steps)
            if step.kind == "sketch" and not corrected:
                assert described is not None
                image = Image.open(io.BytesIO(step.image or b""))
                assert _shows(image, described, record)
                uncorrected += 1
    return uncorrected


def _shows(image: Image.Image, graph: SceneGraph, record: Record) -> bool:
    (verdict,) = Oracle().check([Case(image, graph, record.prompt, "", SmallWorld())])
    return verdict is not None and verdict.right


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_a_state_shows_what_its_plan_describes(seed: int) -> None:
    """A thing without a colour may have any."""
    check_uncorrected_states(seed)


def test_most_states_are_not_corrected() -> None:
    assert sum(map(check_uncorrected_states, range(5))) > 5


def test_the_last_state_of_a_chain_is_the_scene_of_the_prompt() -> None:
    chains = [record for record in records("full", 1, 20) if record.kind == "process"]
    assert chains
    for chain in chains:
        image = Image.open(io.BytesIO(chain.trajectory.image or b""))
        assert _shows(image, chain.graph, chain)


FULL = records("full", 2, 120)


def _origins(made: list[Record]) -> set[tuple[str, str]]:
    found = [step for one in made for step in one.provenance.get("critiques", {}).values()]
    return {(step["by"], step["conflict"]) for step in found}


def test_each_arm_has_its_critiques() -> None:
    kinds = {"none", "instruction-state", "state-prompt"}
    full = _origins(FULL)
    assert {conflict for by, conflict in full if by == "model"} == kinds
    assert {conflict for by, conflict in full if by == "teacher"} == kinds - {"none"}
    assert {by for by, _ in _origins(records("no-self-sampling", 2, 60))} == {"teacher"}
    assert _origins(records("no-critique", 2, 60)) == set()
    texts = [step.text for one in records("no-critique", 2, 20) for step in one.trajectory.steps]
    assert not any("inspect" in text for text in texts)


def test_a_critique_names_what_the_model_got_wrong() -> None:
    """Each round mends one conflict of the picture before it; the last picture is right."""
    checked = 0
    for one in FULL:
        for number, about in one.provenance.get("critiques", {}).items():
            own = [s for s in one.trajectory.steps if s.iteration == int(number)]
            described = about.get("plan", own[0].text).partition("<des> ")[2].removesuffix(" </des>")
            graph = English().read(described)
            assert graph is not None
            image = Image.open(io.BytesIO(own[1].image or b""))
            for inspection, refinement in zip(own[2::2], own[3::2], strict=False):
                case = Case(image, graph, one.prompt, "", SmallWorld())
                (verdict,) = Oracle().check([case])
                assert verdict is not None and verdict.seen is not None and verdict.conflict is not None
                assert inspection.text == f"<inspect> {English().conflict(verdict.conflict)} </inspect>"
                assert refinement.text == f"<refine> {English().correction(verdict.conflict)} </refine>"
                before = assign(graph, verdict.seen).faults
                image = Image.open(io.BytesIO(refinement.image or b""))
                (verdict,) = Oracle().check([Case(image, graph, one.prompt, "", SmallWorld())])
                assert verdict is not None and verdict.seen is not None
                assert assign(graph, verdict.seen).faults < before
                checked += 1
            assert _shows(image, graph, one)
    assert checked > 20


def test_a_plan_that_contradicts_the_prompt_is_the_model_s_own() -> None:
    checked = 0
    for one in FULL:
        for number, about in one.provenance.get("critiques", {}).items():
            if (about["by"], about["conflict"]) == ("model", "state-prompt"):
                own = {s.kind: s for s in one.trajectory.steps if s.iteration == int(number)}
                assert "apple" in own["plan"].text  # the scribbler only ever plans apples
                checked += 1
    assert checked > 2


def test_the_plan_as_it_should_be_is_kept_of_one_that_contradicts_the_prompt() -> None:
    checked = set()
    for one in (*FULL, *records("no-self-sampling", 2, 60)):
        for number, about in one.provenance.get("critiques", {}).items():
            assert ("plan" in about) == (about["conflict"] == "state-prompt")
            if "plan" in about:
                own = {s.kind: s for s in one.trajectory.steps if s.iteration == int(number)}
                said = about["plan"].partition("<des> ")[2].removesuffix(" </des>")
                described = SmallWorld().language.read(said)
                assert described is not None
                right = Image.open(io.BytesIO(own["refine"].image or b""))
                assert about["plan"] != own["plan"].text
                assert _shows(right, described, one)
                checked.add(about["by"])
    assert checked == {"teacher", "model"}


class _Rejecting(Oracle):
    def check(self, cases: Any) -> Any:
        verdicts = super().check(cases)
        return [None if len(case.prompt) % 3 == 0 else verdict for case, verdict in zip(cases, verdicts, strict=True)]


class _Clumsy(Renderer):
    """Draws nothing, whenever it is asked for the first time."""

    calls = 0

    def draw(self, requests: Any) -> Any:
        self.calls += 1
        if self.calls % 2 == 0:
            return super().draw(requests)
        return super().draw([DrawingRequest(None, SceneGraph(()), "", "", 0) for _ in requests])


def test_what_the_filter_turns_down_is_drawn_again_or_given_up() -> None:
    clumsy = DatasetBuilder(Components(SmallWorld(), _Clumsy(), Oracle(), None), ARMS["no-critique"], 0)
    made = [one for batch in clumsy.batches(range(4)) for one in batch]
    plain = records("no-critique", 0, 4)
    assert clumsy.counts["teacher drawings turned down"] > 4
    assert [[s.image for s in a.trajectory.steps] for a in made] == [
        [s.image for s in b.trajectory.steps] for b in plain
    ]
    rejecting = DatasetBuilder(Components(SmallWorld(), Renderer(), _Rejecting(), None), ARMS["no-critique"], 0)
    left = [one for batch in rejecting.batches(range(12)) for one in batch]
    assert rejecting.counts["trajectories given up"] > 0
    assert left
    assert not any(len(one.prompt) % 3 == 0 for one in left)


def test_rows_survive_the_file(tmp_path: Path) -> None:
    made = records("full", 4, 3)
    assert [from_row(to_row(one)) for one in made] == made


# --- the command ---


def _asked(out: Path, **changes: Any) -> dataset.DatasetRequest:
    given = {"out": out, "n": 5, "arm": "no-self-sampling", "teacher": "renderer", "filter": "scorer",
             "model": "miniature", "world": SmallWorld(), **changes}  # fmt: skip
    return dataset.DatasetRequest.model_validate(given)


def test_an_interrupted_run_goes_on_and_makes_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "SHARD", 2)
    whole = dataset.make_dataset(_asked(tmp_path / "whole"))
    real, calls = dataset.write_shard, []

    def killed(path: Path, batches: Any) -> None:
        calls.append(path.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(path, batches)

    monkeypatch.setattr(dataset, "write_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        dataset.make_dataset(_asked(tmp_path / "torn"))
    with pytest.raises(ConfigError, match=r"no card\.json"):
        list(read(tmp_path / "torn"))
    assert dataset.make_dataset(_asked(tmp_path / "torn")) == whole
    assert calls == ["shard-00000.parquet", "shard-00001.parquet", "shard-00002.parquet", "shard-00002.parquet"]
    assert list(read(tmp_path / "torn")) == list(read(tmp_path / "whole"))
    assert len(list(read(tmp_path / "whole"))) == 10
    assert (tmp_path / "whole" / "preview.png").is_file()
    kind = pq.read_schema(tmp_path / "whole" / "shard-00000.parquet").field("steps").type.value_type.field("image").type
    assert [kind.field(i).name for i in range(kind.num_fields)] == ["bytes", "path"]


def test_a_folder_is_not_filled_with_two_kinds_of_data(tmp_path: Path) -> None:
    dataset.make_dataset(_asked(tmp_path / "one"))
    with pytest.raises(ConfigError, match="begun with another arm and another filter and another model"):
        dataset.make_dataset(_asked(tmp_path / "one", arm="full"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(ConfigError, match="is not empty"):
        dataset.make_dataset(_asked(tmp_path / "other"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--arm", "ful"], "no arm 'ful'; did you mean 'full'"),
        (["--teacher", "rendrer"], "--teacher: no teacher named 'rendrer'; did you mean 'renderer'"),
        (["--teacher", "{name: diffusers-edit"], "--teacher: .* is neither a name nor YAML"),
        (["--filter", "{name: scorer, treshold: 0.2}"], "--filter: unknown key 'treshold'; did you mean 'threshold'"),
        (["--n", "0"], "--n: input should be greater than or equal to 1"),
        (["--model", "{name: folder, path: x}"], "--model: 'folder' does not speak the format strokes"),
        (["--crowded", "0.9", "--knowledge", "0.2"], "together at most 1"),
        (["--knowledge", "nan"], "together at most 1"),
    ],
)
def test_a_mistake_is_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from evalharness.miniature.training import data

    code = data.main(["--out", str(tmp_path / "out"), "--n", "1", *options])
    error = capsys.readouterr().err
    assert code == 2
    assert re.search(said, error)
    assert error.count("\n") == 1


# --- prompts of a file ---


def test_a_file_of_prompts_is_a_world(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    lines = [
        {"tag": "counting", "include": [{"class": "cat", "count": 2}], "prompt": "a photo of two cats"},
        {
            "tag": "x",
            "include": [{"class": "bus", "count": 1}],
            "prompt": "what takes children to school",
            "knowledge": True,
        },
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    world = PromptFile(file)
    tasks = [world.task(index, random.Random(0)) for index in range(3)]
    assert [task.prompt for task in tasks] == [lines[0]["prompt"], lines[1]["prompt"], lines[0]["prompt"]]
    assert tasks[1].knowledge and not tasks[0].knowledge
    assert tasks[0].graph.nodes == (Node("cat"), Node("cat"))


@pytest.mark.parametrize("line", ["{", "[]", '{"prompt": "x"}', '{"include": [{"class": "a", "count": 1}]}', '{"prompt": "x", "include": []}'])  # fmt: skip # noqa: E501
def test_a_line_that_is_no_prompt_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(ConfigError, match="line 1 is not a prompt in GenEval's format"):
        PromptFile(file).task(0, random.Random(0))


# --- harder prompts ---


def test_crowded_prompts_are_a_function_of_their_seed_and_all_different() -> None:
    made = crowded.generate(20, 3)
    assert made == crowded.generate(20, 3) != crowded.generate(20, 4)
    assert len({one["prompt"] for one in made}) == 100
    assert [one["tag"] for one in made[::20]] == list(crowded.TAGS)


@given(st.integers(0, 10**6), st.sampled_from(crowded.TAGS))
def test_a_crowded_prompt_fits_the_board_and_says_what_it_asks(seed: int, tag: str) -> None:
    one = crowded.metadata(random.Random(seed), tag)
    graph = of_metadata(one)
    assert 3 <= len(graph.nodes) <= 9
    for clause in one["include"]:
        assert clause["class"] in one["prompt"] or plural(clause["class"]) in one["prompt"]
        assert clause.get("color", "") in one["prompt"]
    subjects = [one["include"][e.subject]["class"] for e in graph.edges] if tag == "relations" else []
    for edge, name in zip(graph.edges, subjects, strict=False):
        assert f"{name} {edge.relation} " in one["prompt"]


def test_a_smudged_cell_is_seen() -> None:
    image = render((Thing("dog", "red", 0), Thing("cat", "blue", 5)))
    seen = MiniatureWorld().sightings(image, [Sighting(Node("dog", "red"), 0.1, 0.1)])
    assert [sighting.node for sighting in seen] == [Node("dog", "red", "a1"), Node(SMUDGE, None, "b2")]
    assert np.asarray(image).shape == (128, 128, 3)
    assert set(LIKELY) <= set(MiniatureWorld.names)
    assert Scribbler().blank().size == (128, 128)


def test_a_smudge_that_remains_is_that_of_the_picture_before() -> None:
    smudged = SceneGraph((Node("dog", "red", "a1"), Node(SMUDGE, None, "b2")))
    (first,) = Renderer().draw([DrawingRequest(None, smudged, "", "", 1)])
    moved = smudged.moved(0, "d4")
    (edited, drawn) = Renderer().draw(
        [DrawingRequest(first, moved, "", "", 2, edit=True), DrawingRequest(first, moved, "", "", 2)]
    )
    cell = (32, 32, 64, 64)
    assert edited.crop(cell).tobytes() == first.crop(cell).tobytes() != drawn.crop(cell).tobytes()
    assert edited.crop((0, 0, 32, 32)).getcolors() == [(1024, BACKGROUND)]

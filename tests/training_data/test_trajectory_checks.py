"""Generated data passes, each planted fault is found, and the command says so line by line."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from small_world import records

from evalharness.cli import main
from evalharness.store.store import Store
from evalharness.training_data import growth, trajectory_checks
from evalharness.training_data.records import to_row, write_shard
from evalharness.types.trajectory import Step, Trajectory

Row = dict[str, Any]


def rows(arm: str, seed: int, n: int = 3) -> list[Row]:
    return [to_row(record) for record in records(arm, seed, n)]


def flat(row: Row) -> Row:
    """With images as bytes, as they come from a file."""
    steps = [{**step, "image": step["image"]["bytes"] if step["image"] else None} for step in row["steps"]]
    return {**row, "steps": steps}


def found(row: Row) -> set[str]:
    return {violation.rule for violation in trajectory_checks.violations(row)}


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from(["full", "no-critique", "no-self-sampling", "base"]))
def test_generated_data_pass(seed: int, arm: str) -> None:
    generated = rows(arm, seed)
    assert len(generated) >= 3
    for row in generated:
        assert list(trajectory_checks.violations(flat(row))) == []


def test_instructions_from_unsubsampled_graphs_contradict_what_is_there() -> None:
    broken = [found(flat(row)) for row in rows("no-subsampling", 3, 12) if row["kind"] == "process"]
    assert any({"description"} & one for one in broken)
    assert all(one <= {"instruction", "description"} for one in broken)


def in_rounds(*inspections: str) -> Row:
    """An iteration whose picture is inspected so often; one that is not "ok" is refined."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    steps: list[Row] = [
        {"kind": "plan", "iteration": 1, "text": "<ins> add a dog </ins> <des> a dog </des>"},
        {"kind": "sketch", "iteration": 1, "image": buffer.getvalue()},
    ]
    for inspection in inspections:
        steps.append({"kind": "inspect", "iteration": 1, "text": f"<inspect> {inspection} </inspect>"})
        if inspection != "ok":
            text = "<refine> make it blue </refine>"
            steps.append({"kind": "refine", "iteration": 1, "text": text, "image": buffer.getvalue()})
    return {"prompt": "a dog", "steps": [*steps, {"kind": "plan", "iteration": 2, "text": "<end>"}]}


@pytest.mark.parametrize("inspections", [("ok",), ("it is red", "ok"), ("it is red", "it is green", "it is pink")])
def test_an_iteration_may_have_rounds(inspections: tuple[str, ...]) -> None:
    assert found(in_rounds(*inspections)) == set()


def test_a_round_must_fit_together() -> None:
    row = in_rounds("it is red", "ok")
    row["steps"][4]["text"] = "<inspect> it is green </inspect>"
    assert found(row) == {"critique"}, "the second conflict is not refined"
    row = in_rounds("ok")
    row["steps"].insert(3, row["steps"][2])
    assert found(row) == {"order"}, "two inspections in a row"


# --- planted faults: each takes a good row of at least two iterations, and spoils it ---


def steps_of(row: Row, kind: str) -> list[Row]:
    return [step for step in row["steps"] if step["kind"] == kind and step["text"] != "<end>"]


def no_prompt(row: Row, rng: random.Random) -> None:
    row["prompt"] = rng.choice([None, "", 3])


def no_steps(row: Row, rng: random.Random) -> None:
    row["steps"] = rng.choice([None, [], "plan"])


def unknown_kind(row: Row, rng: random.Random) -> None:
    rng.choice(row["steps"])["kind"] = rng.choice(["plann", None, 1])


def no_number(row: Row, rng: random.Random) -> None:
    rng.choice(row["steps"])["iteration"] = rng.choice(["1", None, -1, 1.5, True])


def torn_image(row: Row, rng: random.Random) -> None:
    step = rng.choice([step for step in row["steps"] if step["image"]])
    step["image"] = rng.choice([b"", b"GIF89a", step["image"][: len(step["image"]) // 2]])


def swapped_stages(row: Row, rng: random.Random) -> None:
    row["steps"][0], row["steps"][1] = row["steps"][1], row["steps"][0]


def skipped_iteration(row: Row, rng: random.Random) -> None:
    for step in row["steps"]:
        step["iteration"] += step["iteration"] > 1


def after_the_end(row: Row, rng: random.Random) -> None:
    last = row["steps"][-1]["iteration"]
    row["steps"] += [{**step, "iteration": last + 1} for step in row["steps"] if step["iteration"] == 1]


def no_end(row: Row, rng: random.Random) -> None:
    row["steps"].pop()


def not_finished(row: Row, rng: random.Random) -> None:
    row["finished"] = False


def unclosed(row: Row, rng: random.Random) -> None:
    step = rng.choice(steps_of(row, "plan") + steps_of(row, "inspect"))
    marker = rng.choice([m for m in ("</ins>", "</des>", "</inspect>") if m in step["text"]])
    step["text"] = step["text"].replace(marker, "", 1)


def unopened(row: Row, rng: random.Random) -> None:
    step = rng.choice(steps_of(row, "plan"))
    step["text"] = step["text"].replace("<des>", "", 1)


def other_markers(row: Row, rng: random.Random) -> None:
    step = rng.choice(steps_of(row, "inspect"))
    step["text"] = step["text"].replace("inspect>", "think>")


def text_beside(row: Row, rng: random.Random) -> None:
    rng.choice(steps_of(row, "plan"))["text"] += " and so on"


def no_picture(row: Row, rng: random.Random) -> None:
    rng.choice(steps_of(row, "sketch"))["image"] = None


def picture_of_a_text(row: Row, rng: random.Random) -> None:
    picture = steps_of(row, "sketch")[0]["image"]
    rng.choice(steps_of(row, "plan"))["image"] = picture


def no_sketch(row: Row, rng: random.Random) -> None:
    row["steps"].remove(rng.choice(steps_of(row, "sketch")))


def asks_for_what_is_there(row: Row, rng: random.Random) -> None:
    first, second, *_ = steps_of(row, "plan")
    second["text"] = first["text"].partition("<des>")[0] + "<des>" + second["text"].partition("<des>")[2]


def described_otherwise(row: Row, rng: random.Random) -> None:
    last = steps_of(row, "plan")[-1]
    last["text"] = last["text"].partition("<des>")[0] + "<des> a zebra </des>"


def forgets(row: Row, rng: random.Random) -> None:
    second = steps_of(row, "plan")[1]
    head, _, description = second["text"].partition("<des>")
    second["text"] = f"{head}<des>{description.partition(' and ')[2]}"


def refined_without_cause(row: Row, rng: random.Random) -> None:
    at = next(i for i, step in enumerate(row["steps"]) if step["kind"] == "inspect" and "ok" in step["text"])
    sketch = row["steps"][at - 1]
    after = {**sketch, "kind": "refine", "text": "<refine> Clear the smudge </refine>"}
    row["steps"].insert(at + 1, after)


def found_and_left(row: Row, rng: random.Random) -> None:
    at = next(i for i, step in enumerate(row["steps"]) if step["kind"] == "inspect" and "ok" in step["text"])
    row["steps"][at]["text"] = "<inspect> a smudge should not be there </inspect>"


FAULTS: dict[Callable[[Row, random.Random], None], str] = {
    no_prompt: "schema", no_steps: "schema", unknown_kind: "schema", no_number: "schema", torn_image: "schema",
    swapped_stages: "order", skipped_iteration: "order", after_the_end: "order", no_end: "order", not_finished: "order",
    unclosed: "tokens", unopened: "tokens", other_markers: "tokens", text_beside: "tokens",
    no_picture: "image-count", picture_of_a_text: "image-count", no_sketch: "image-count",
    asks_for_what_is_there: "instruction", described_otherwise: "description", forgets: "description",
    refined_without_cause: "critique", found_and_left: "critique",
}  # fmt: skip


def good_rows() -> Iterator[Row]:
    """Two iterations or more, the first of them without a correction."""
    for row in map(flat, rows("full", 5, 24)):
        inspections = steps_of(row, "inspect")
        if row["kind"] == "process" and len(inspections) >= 2 and "ok" in inspections[0]["text"]:
            yield row


GOOD = list(good_rows())


def test_there_are_rows_to_spoil_and_every_rule_has_a_fault() -> None:
    assert len(GOOD) >= 5
    assert set(FAULTS.values()) == set(trajectory_checks.RULES)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_each_planted_fault_is_found_by_its_rule(fault: Callable[[Row, random.Random], None], seed: int) -> None:
    rng = random.Random(seed)
    row = copy.deepcopy(rng.choice(GOOD))
    assert found(row) == set()
    fault(row, rng)
    assert FAULTS[fault] in found(row)


KEYS = st.sampled_from(["prompt", "steps", "kind", "iteration", "text", "image", "finished"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(JSON)
@example({"steps": [{"prompt": None, "image": False}]})
def test_any_json_is_judged_without_an_error(row: Any) -> None:
    assert all(violation.rule in trajectory_checks.RULES for violation in trajectory_checks.violations(row))


@given(
    st.lists(st.sampled_from(["<ins>", "</ins>", "<des>", "</des>", "<a|b>", "<end>", "a cat", "at left"]), max_size=8)
)
def test_any_plan_is_judged_without_an_error(parts: list[str]) -> None:
    picture = GOOD[0]["steps"][1]["image"]
    steps = [
        {"kind": "plan", "iteration": 1, "text": " ".join(parts)},
        {"kind": "sketch", "iteration": 1, "text": "", "image": picture},
    ]
    violations = trajectory_checks.violations({"prompt": "a cat", "steps": steps, "finished": False})
    assert all(violation.rule in trajectory_checks.RULES for violation in violations)


# --- free text ---


@pytest.mark.parametrize(
    ("plans", "broken"),
    [
        ([("Draw a wooden table", "A wooden table by a window"),
          ("Add a red apple", "A red apple lies on a wooden table by a window")], []),
        ([("Draw two cats", "Two cats"), ("Add another cat", "Three cats")], []),
        ([("Draw a dog", "A dog"), ("Add the dog", "A dog and a ball")], ["instruction"]),
        ([("Draw a dog", "A brown dog"), ("Add a ball", "A ball on grass")], ["description"]),
        ([("Draw a dog", "A dog"), ("Add a ball", "A dog on grass")], ["description"]),
        ([("Draw a dog", "A dog and a ball"), ("Remove the ball", "A dog")], []),
    ],
)  # fmt: skip
def test_free_text_is_compared_by_its_words(plans: list[tuple[str, str]], broken: list[str]) -> None:
    state = growth.DescribedState()
    assert [rule for plan in plans for rule, _ in state.plan(*plan)] == broken


def test_what_a_refinement_took_away_is_not_missed() -> None:
    state = growth.DescribedState()
    assert state.plan("Add a cat", "a cat") == []
    state.refine("Change the cat into a dog")
    assert state.plan("Add a cup", "a dog and a cup") == []
    state.refine("Remove one cup")
    assert state.plan("Add two cups", "a dog and two cups") == []


# --- the command ---


def test_the_command_names_file_record_and_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = records("full", 5, 4)
    write_shard(tmp_path / "shard-00000.parquet", [made])
    assert main.main(["validate", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    spoiled = [to_row(one) for one in made if one.kind == "process"]
    spoiled[0]["steps"][0]["text"] = "<ins> \x1b[31madd"
    for row in spoiled:
        for step in row["steps"]:
            step["image"] = None
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in spoiled))
    assert main.main(["validate", str(tmp_path / "own.jsonl")]) == 1
    printed = capsys.readouterr()
    first = printed.out.splitlines()[0]
    assert first.startswith(
        f"{tmp_path / 'own.jsonl'}: {spoiled[0]['id']}: tokens: step 1 (plan): <ins> is never closed"
    )
    assert "\x1b" not in printed.out
    assert "4 trajectories, 4 with violations" in printed.err


def test_pictures_beside_json_lines_are_read_and_none_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "run"
    inside.mkdir()
    picture = GOOD[0]["steps"][1]["image"]
    (inside / "one.png").write_bytes(picture)
    (tmp_path / "secret.png").write_bytes(picture)
    lines = [
        {"prompt": "a cat", "steps": [{"kind": "draw", "iteration": 0, "image": path}]}
        for path in ("one.png", "../secret.png", "none.png", {"path": "one.png"})
    ]
    (inside / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main.main(["validate", str(inside)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in printed] == ["line 2", "line 3"]
    assert "outside the folder" in printed[0]


def test_a_run_s_store_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = next(one for one in records("full", 5, 24) if one.kind == "process" and len(one.trajectory.steps) > 4)
    broken = Trajectory((*good.trajectory.steps[:-1], Step("plan", 9, "<end>")))
    variant = json.dumps({"variant": "process", "format": None, "inspect": True, "refine": True})
    with Store(tmp_path / "store") as store, store.batch():
        for key, one in (("good", good.trajectory), ("broken", broken)):
            store.trajectories.add(key, one, model="m", variant=variant, prompt=good.prompt, seed=1, cap=9)
    assert main.main(["validate", str(tmp_path / "store")]) == 1
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 1
    assert "broken" in out[0] and "order: " in out[0] and "iteration 9 where" in out[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none", None, "no file or folder"),
        ("a.txt", b"", "are *.parquet, *.jsonl"),
        ("a.parquet", b"PAR1 no", "is not a Parquet file that can be read"),
        ("a.jsonl", b"{}\n{", "line 2 is not JSON"),
        ("a.jsonl", b"\xff", "cannot read"),
        ("a.jsonl", b"\n", "no trajectories there"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    name: str, content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main.main(["validate", str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err

"""Files and addresses with anything in any place: they are read, or refused in one line."""

from __future__ import annotations

import copy
import json
import math
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mock_sweeps import SINGLE, run_without_report
from openai_judge import judge
from pydantic import ValidationError

from evalharness._util.exit_codes import ExitCode
from evalharness.assets.fetch import mirror_source
from evalharness.cli import main
from evalharness.config import sweep_files
from evalharness.detectors import checkpoint
from evalharness.errors import ConfigError, EvalHarnessError, WeightsError
from evalharness.execution import heartbeat
from evalharness.report.collection import write_collection

SHARED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    2**63,
    10**40,
    "",
    "abc",
    "\x1b[2J",
    "../..",
    [],
    [[]],
    {},
    {"a": 1},
    ["x"],
]


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All places in a JSON value."""
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from places(below, (*place, key))


def changed(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """A copy with another value at a place; ``...`` removes it."""
    if not place:
        return odd
    value = copy.deepcopy(value)
    at = value
    for key in place[:-1]:
        at = at[key]
    if odd is ...:
        del at[place[-1]]
    else:
        at[place[-1]] = odd
    return value


# --- status.json ---


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    (folder / "tiny.yaml").write_text(SINGLE.replace("limit: 6", "limit: 1"))
    run_without_report(folder / "tiny.yaml", folder / "r" / "tiny").close()
    return folder / "r" / "tiny"


STATUS = {
    "sweep": {}, "store": "store", "host": "elsewhere", "pid": 7, "started": 1.0, "updated": time.time() + 1e6,
    "state": "running", "stages": {"draw": {"done": 1, "failed": 0, "total": 3, "rate": 0.5}}, "in_hand": ["a"],
    "workers": [{"lane": "draw", "place": "here", "state": "busy", "jobs": 2}],
}  # fmt: skip


@SHARED
@given(place=st.sampled_from([place for place in places(STATUS) if place]), odd=st.sampled_from([*ODD, ...]))
def test_any_status_file_is_shown_or_one_line(ran: Path, place: tuple[Any, ...], odd: Any) -> None:
    status = changed({**STATUS, "store": str(ran.parent / "store")}, place, odd)
    (ran / heartbeat.NAME).write_text(json.dumps(status))
    code = main.main(["status", str(ran)])
    assert code in (0, 2)


def test_the_status_file_that_is_changed_is_shown_as_it_is(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ran / heartbeat.NAME).write_text(json.dumps({**STATUS, "store": str(ran.parent / "store")}))
    assert main.main(["status", str(ran)]) == 0
    assert "1/3 of this go" in capsys.readouterr().out


def test_a_status_file_signals_no_process(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda process, _: signals.append(process))
    for process in (0, -1, 2**31, 10**40):
        (ran / heartbeat.NAME).write_text(json.dumps({**STATUS, "pid": process, "host": os.uname().nodename}))
        with pytest.raises(ConfigError, match="run the sweep again, or delete it"):
            heartbeat.read(ran)
    assert signals == []


# --- results.json of other programs ---


def minimal_report() -> dict[str, Any]:
    row = {"arm": "a", "overall": 0.5, "overall_low": 0.4, "overall_high": 0.6, "baseline": True, "evaluations": 3.0}
    row |= {"coverage": "3 of 3", "bound_low": 0.4, "bound_high": 0.6}
    row |= {"scored": 3, "expected": 3, "failed": 0, "difference": 0.0, "difference_low": 0.0, "difference_high": 0.0}
    info = {"benchmarks": {"b": {"title": "B", "items": 3, "samples": 1}}, "description": "d", "warnings": ["w"]}
    return {
        "info": info,
        "summary": {"b": [row, row | {"baseline": False}]},
        "headline": {"b": ["c"]},
        "cost": {"model_seconds": 1},
    }


def test_the_report_that_is_changed_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "results.json").write_text(json.dumps(minimal_report()))
    assert "3 of 3" in write_collection(tmp_path, "All").read_text()


STRAY: list[Any] = [3, [], {}, {"results": {}}, {"info": 3}, {"info": {"benchmarks": []}}, {"info": {}, "summary": 3}]


@pytest.mark.parametrize("stray", STRAY, ids=json.dumps)
def test_a_results_file_of_another_program_is_one_line(stray: Any, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "results.json").write_text(json.dumps(stray))
    with pytest.raises(
        EvalHarnessError, match=r"x/results\.json is no report of this version .*; make its report again, or"
    ):
        write_collection(tmp_path, "All")
    assert not (tmp_path / "index.html").exists()


@SHARED
@given(place=st.sampled_from(list(places(minimal_report()))), odd=st.sampled_from([*ODD, ...]))
def test_any_results_file_is_shown_or_one_line(tmp_path: Path, place: tuple[Any, ...], odd: Any) -> None:
    if not place and odd is ...:
        return
    (tmp_path / "x").mkdir(exist_ok=True)
    (tmp_path / "x" / "results.json").write_text(json.dumps(changed(minimal_report(), place, odd)))
    try:
        write_collection(tmp_path, "All")
    except EvalHarnessError as error:
        assert "\n" not in str(error)


# --- checkpoints ---

TENSORS = [
    torch.zeros(()),
    torch.zeros(0),
    torch.zeros(1),
    torch.full((2, 3), math.nan),
    torch.zeros(3, dtype=torch.complex64),
]
NAMES = [
    "x",
    "",
    "backbone.patch_embed.projection.weight",
    "panoptic_head.cls_embed.weight",
    "a" * 5000,
    "\x1b[2J",
    "backbone",
]
NAMES += ["backbone.stages.0.blocks.0.attn.w_msa.qkv.weight", "panoptic_head.query_feat.weight", "state_dict"]
STATES = st.dictionaries(st.sampled_from(NAMES) | st.integers(0, 3), st.sampled_from(TENSORS), max_size=6)
METAS = st.sampled_from(
    [None, 3, [], {}, {"CLASSES": 3}, {"CLASSES": [None]}, {"dataset_meta": 3}, {"dataset_meta": {"classes": 1}}]
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=STATES, meta=METAS, wrapped=st.booleans())
def test_any_checkpoint_is_converted_or_one_line(tmp_path: Path, state: Any, meta: Any, *, wrapped: bool) -> None:
    torch.save({"state_dict": state, "meta": meta} if wrapped else state, tmp_path / "in.pth")
    with pytest.raises(WeightsError) as caught:
        checkpoint.to_folder(tmp_path / "in.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "in.pth" in str(caught.value)


@SHARED
@given(
    data=st.binary(max_size=200),
    ending=st.sampled_from(["pth", "safetensors"]),
    start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02"]),
)
def test_any_bytes_are_no_checkpoint(tmp_path: Path, data: bytes, ending: str, start: bytes) -> None:
    file = tmp_path / f"in.{ending}"
    file.write_bytes(start + data)
    with pytest.raises(WeightsError):
        checkpoint.to_folder(file, tmp_path / "out")


# --- addresses ---

PARTS = [
    "http",
    "https",
    "ftp",
    "://",
    ":",
    "//",
    "/",
    "@",
    "[",
    "]",
    "::1",
    "%",
    "?",
    "#",
    "a",
    "127.0.0.1",
    "99999",
    "\x00",
    "é",
    " ",
]


@SHARED
@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_any_address_is_taken_or_one_line(address: str) -> None:
    for use in (lambda: judge(address), lambda: mirror_source("folder", "name", address)):
        try:
            use()
        except ValidationError as error:
            assert error.error_count() == 1
        except ConfigError as error:
            assert "mirror" in str(error)


# --- numbers of sweep files, and Ctrl-C ---


@pytest.mark.parametrize("seed", ["!!bool maybe", ".inf", ".nan", f"0x{'f' * 6000}", "9" * 6000, "1e400"])
def test_an_odd_number_is_one_line_with_its_place(seed: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SINGLE.replace("seed: 3", f"seed: {seed}"))
    with pytest.raises(ConfigError, match=r"tiny\.yaml:2:7: ") as caught:
        sweep_files.load(tmp_path / "tiny.yaml")
    assert len(str(caught.value)) < 1500


class Interrupting(MetaPathFinder):
    """Ctrl-C while the command's modules are imported, which takes most of a second."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "evalharness.cli.sweep":
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "start",
    [lambda: main.main(["sweep", "x.yaml"]), lambda: runpy.run_module("evalharness.sweep", run_name="__main__")],
    ids=["evalharness sweep", "python -m evalharness.sweep"],
)
def test_ctrl_c_before_a_command_begins_is_one_line(
    start: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "evalharness.cli.sweep", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        start()
    assert caught.value.code == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "evalharness: interrupted before anything was done\n"

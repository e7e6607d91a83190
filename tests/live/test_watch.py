"""What a look at a run tells: while nothing is there, while some of it is, when it is done, when files go away."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_sweeps import SWEEP, draw_and_score

import evalharness as eh
from evalharness.errors import ConfigError
from evalharness.execution import heartbeat
from evalharness.live import watch as watch_module
from evalharness.live.snapshot import PICTURES
from evalharness.live.watch import RunWatch
from evalharness.store.images import DIGEST

FAILING = SWEEP.replace("model: mock", "model: {name: mock, refuses: [three]}").replace(
    "{name: mock, limit: 6, samples: 1}", "{name: mock, samples: 2, prompts: [one, two, three, unscorable four]}"
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of a run that is done and has no report; some of its samples failed."""
    (tmp_path / "tiny.yaml").write_text(FAILING)
    out = tmp_path / "r" / "tiny"
    draw_and_score(tmp_path / "tiny.yaml", out)
    return out


@pytest.fixture(autouse=True)
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "PAUSE", 0.0)
    monkeypatch.setattr(watch_module, "PATIENCE", 0.0)


def test_samples_scores_failures_and_pictures_are_those_of_the_store(out: Path) -> None:
    state = RunWatch(str(out)).state()
    with eh.load_results(out.parents[1] / "tiny.yaml", store=out.parent / "store") as results:
        samples = results.samples
    scored, failed = ((samples["state"] == name).sum() for name in ("scored", "failed"))
    assert 0 < failed <= scored
    assert state["counts"] == f"{scored} of {len(samples)} samples scored, {failed} failed."
    (benchmark,) = state["benchmarks"]
    assert [row["arm"] for row in benchmark["rows"]] == list(samples["arm"].unique())
    of_arm = samples[samples["arm"] == "single"]
    row = benchmark["rows"][0]
    assert row["scored"] == f"{(of_arm['state'] == 'scored').sum()}/{len(of_arm)}"
    assert (row["failed"], row["provisional"]) == (str((of_arm["state"] == "failed").sum()), True)
    assert sum(int(line.split(" × ")[0]) for line in state["failures"]) == failed
    pictures = [picture["image"] for picture in state["pictures"]]
    drawn = set(samples["image"].dropna())
    assert set(pictures) <= drawn
    assert len(pictures) == len(set(pictures)) == min(PICTURES, len(drawn))
    assert all(DIGEST.fullmatch(digest) for digest in pictures)


def test_a_complete_arm_is_not_provisional(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    out = tmp_path / "r" / "tiny"
    with eh.run(tmp_path / "tiny.yaml", out=out, quiet=True) as results:
        scores = results.scores().set_index("arm")["score"]
    state = RunWatch(str(out)).state()
    rows = state["benchmarks"][0]["rows"]
    assert [row["score"] for row in rows] == [f"{100 * scores[row['arm']]:.1f}" for row in rows]
    assert not any(row["provisional"] for row in rows)
    assert (state["report"], state["state"]) == (True, "The run is done.")


def test_a_report_from_before_is_not_that_of_this_run(out: Path) -> None:
    watch = RunWatch(str(out))
    assert watch.state()["report"] is False
    (out / "index.html").write_text("made later")
    assert watch.state()["report"] is True
    past = time.time() - 1000
    os.utime(out / "index.html", (past, past))
    assert watch.state()["report"] is False


@pytest.mark.parametrize(
    ("changes", "begins", "running"),
    [
        ({"state": "running", "pid": os.getpid()}, "Running for ", True),
        ({"state": "running", "pid": (1 << 22) + 1}, "The run was killed, last seen ", False),
        ({"state": "stopped"}, "The run was stopped, last seen ", False),
        ({"state": "done"}, "The run is done.", False),
    ],
)
def test_how_a_run_is(out: Path, changes: dict[str, object], begins: str, running: bool) -> None:
    file = out / heartbeat.NAME
    stages = {"draw": {"done": 30, "failed": 1, "total": 90, "rate": 0.5}}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"stages": stages} | changes))
    state = RunWatch(str(out)).state()
    assert state["state"].startswith(begins)
    assert state["running"] is running
    told = [(stage["text"], stage["left"]) for stage in state["stages"]]
    assert told == ([("30 of 90, 1 failed", "about 2 min 0 s left")] if running else [])


def test_another_run_into_the_same_folder_is_followed(out: Path) -> None:
    watch = RunWatch(str(out))
    before = watch.state()
    (out.parents[1] / "tiny.yaml").write_text(FAILING.replace("samples: 2", "samples: 3"))
    draw_and_score(out.parents[1] / "tiny.yaml", out)
    after = watch.state()
    assert before["benchmarks"][0]["rows"][0]["scored"].endswith("/8")
    assert after["benchmarks"][0]["rows"][0]["scored"].endswith("/12")


@pytest.mark.parametrize("name", ["store/store.sqlite", "tiny/status.json"])
def test_a_damaged_file_is_told_beside_what_was_known(out: Path, name: str) -> None:
    watch = RunWatch(str(out))
    before = watch.state()
    (out.parent / name).write_bytes(b"damaged " * 1000)
    after = watch.state()
    assert Path(name).name in after["problem"]
    assert after["benchmarks"] == before["benchmarks"]


def test_a_store_that_is_not_there_yet_is_empty(out: Path) -> None:
    (out.parent / "store").rename(out.parent / "elsewhere")
    state = RunWatch(str(out)).state()
    assert state["problem"] == ""
    assert state["counts"].startswith("0 of ")
    assert state["pictures"] == []


def test_the_store_is_left_as_it_was(out: Path) -> None:
    def contents() -> dict[str, bytes]:
        files = [path for path in (out.parent / "store").rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files if path.suffix not in (".sqlite-shm", ".sqlite-wal")}

    before = contents()
    RunWatch(str(out)).state()
    assert contents() == before


def test_an_image_is_given_if_it_is_shown_and_whole(out: Path) -> None:
    watch = RunWatch(str(out))
    (first, *_) = [picture["image"] for picture in watch.state()["pictures"]]
    file = next((out.parent / "store" / "images").rglob(f"{first}.png"))
    assert watch.image(first) == file.read_bytes()
    file.write_bytes(b"another image")
    assert watch.image(first) is None
    file.unlink()
    assert watch.image(first) is None
    assert watch.image("../../store.sqlite") is None


def outside(folder: Path) -> str:
    (folder.parent / "secret.html").write_text("secret")
    (folder / "link.html").symlink_to(folder.parent / "secret.html")
    return "link.html"


def hidden(folder: Path) -> str:
    (folder / ".hidden.html").write_text("secret")
    return ".hidden.html"


@pytest.mark.parametrize(
    "make", [outside, hidden, lambda folder: "../secret.html", lambda folder: "a/../../secret.html", str]
)
def test_a_file_list_that_names_what_is_no_file_of_the_report_gives_none(
    out: Path, make: Callable[[Path], str]
) -> None:
    (out / "data").mkdir()
    (out / "index.html").write_text("the report")
    name = make(out)
    (out / "data" / "files.json").write_text(json.dumps([name, "index.html"]))
    watch = RunWatch(str(out))
    assert watch.report_file("index.html") == b"the report"
    assert watch.report_file(name) is None
    assert watch.report_file("status.json") is None, "no report wrote it"


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_folder_without_a_run_is_an_error(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "r"
    if kind == "empty":
        folder.mkdir()
    with pytest.raises(ConfigError):
        RunWatch(str(folder))


FOLDERS, FILES = ["..", "..", ".", "a", "r", ""], ["secret.html", "store/store.sqlite", "status.json", "a"]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with one file that a report wrote, inside folders of files that none wrote."""
    root = tmp_path_factory.mktemp("listed")
    (root / "tiny.yaml").write_text(SWEEP)
    out = root / "r" / "tiny"
    draw_and_score(root / "tiny.yaml", out)
    (out / "data").mkdir()
    (out / "a").write_text("a file of the report")
    for folder in (root, root / "r"):
        (folder / "secret.html").write_text("secret")
    return out


@given(
    st.lists(st.sampled_from(FOLDERS), max_size=3),
    st.sampled_from(FILES),
    st.sampled_from(["/", "/", "//", "\\", "%2f"]),
    st.sampled_from(["", "", "/"]),
)
def test_no_name_leads_out_of_the_report(
    listed: Path, folders: list[str], file: str, separator: str, start: str
) -> None:
    """What lies in the report's own folder may be given, since this list names it."""
    name = start + separator.join([*folders, file])
    (listed / "data" / "files.json").write_text(json.dumps([name]))
    own = {"a": b"a file of the report", "status.json": (listed / "status.json").read_bytes()}
    assert RunWatch(str(listed)).report_file(name) == own.get(name)

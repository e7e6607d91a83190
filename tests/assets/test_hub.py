"""A folder of the hub, from a server on this machine: what it says of the files is kept, and all are checked by it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.file_download
import pytest
from judge_server import Answer, Call, serving
from plugin_packages import InstallPlugins

from evalharness.assets.hub import request_listing
from evalharness.assets.listing import LISTING, Snapshot, parse_listing, require_snapshot, write_listing
from evalharness.cli import main
from evalharness.doctor.fetched_files import check_fetched as examined
from evalharness.errors import EvalHarnessError, WeightsError
from evalharness.testing import MockModel

COMMIT = "0123456789" * 4
CONTENT = {
    "model_bf16.safetensors": bytes(range(256)) * 40,
    "config.json": b"{}",
    "vocab.json": b'{"a": 1}',
    "merges.txt": b"a b",
    "README.md": b"not wanted",
}
SNAPSHOT = Snapshot(
    "some/Thing-7B",
    "owner/Thing-7B",
    (("ema.safetensors", ("ema.safetensors", "model_bf16.safetensors")), ("config.json", ("config.json",))),
    (("tokenizer.json",), ("vocab.json", "merges.txt")),
)
HERE = ["PUBLISHED.json", "config.json", "ema.safetensors", "merges.txt", "vocab.json"]


def git(data: bytes) -> str:
    """As ``git hash-object`` says."""
    return hashlib.sha1(b"blob " + str(len(data)).encode() + b"\0" + data).hexdigest()


class Hub:
    """Serves ``content`` like the hub; large files have a SHA-256, the others only what git calls them."""

    def __init__(self) -> None:
        self.content, self.commit, self.listings = dict(CONTENT), COMMIT, 0
        self.cut: int | None = None
        self.ranges: list[str | None] = []

    def __call__(self, call: Call) -> Answer:
        path = call.path.partition("?")[0]
        if path == "/api/models/owner/Thing-7B/revision/main":
            assert "blobs=" in call.path
            self.listings += 1
            siblings = [self.sibling(name, data) for name, data in self.content.items()]
            return Answer({"id": "owner/Thing-7B", "sha": self.commit, "siblings": siblings})
        name = path.removeprefix(f"/owner/Thing-7B/resolve/{COMMIT}/")
        if name not in self.content:
            return Answer({"error": "no"}, 404)
        data, wanted = self.content[name], call.headers.get("range")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if self.cut is not None and name.endswith(".safetensors"):
            return Answer({}, 503) if start else Answer(data[: self.cut])
        head = {"content-range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        return Answer(data[start:], 206 if start else 200, {"content-type": "x", **head})

    @staticmethod
    def sibling(name: str, data: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git(data)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
        return entry


class Thing(MockModel):
    name = "thing"
    assets = (SNAPSHOT,)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, install_plugins: InstallPlugins) -> Iterator[Hub]:
    state = Hub()
    with serving(state) as (_, url):
        monkeypatch.setenv("HF_ENDPOINT", url.removesuffix("/v1"))
        monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("EVALHARNESS_MIRROR", raising=False)
        monkeypatch.setattr(huggingface_hub.file_download.time, "sleep", lambda _: None)
        install_plugins(models=[Thing])
        yield state


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_files_are_brought_and_checked_by_what_the_hub_lists(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["fetch", "thing"]) == 0
    captured = capsys.readouterr()
    folder = SNAPSHOT.path
    assert captured.out.splitlines() == [
        str(folder / name) for name in ("ema.safetensors", "config.json", "vocab.json", "merges.txt")
    ]
    assert (
        "4 files of owner/Thing-7B at commit 012345678901, checked against the SHA-256 of 1 and the git digests of 3"
        in captured.err
    )
    assert "none was known beforehand" in captured.err
    assert left(folder) == HERE
    assert (folder / "ema.safetensors").read_bytes() == CONTENT["model_bf16.safetensors"]
    assert require_snapshot(SNAPSHOT, "x") == folder
    assert main.main(["fetch", "thing"]) == 0
    assert hub.listings == 1, "what it said is kept"
    assert [entry.status for entry in examined({"thing": [SNAPSHOT]})] == ["ok"]


def test_what_broke_off_is_continued_at_the_same_commit(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.content["model_bf16.safetensors"] = CONTENT["model_bf16.safetensors"] * 30
    content = hub.content["model_bf16.safetensors"]
    part = SNAPSHOT.path / "ema.safetensors.part"
    SNAPSHOT.path.mkdir(parents=True)
    part.write_bytes(content[:100_000])
    assert main.main(["fetch", "thing"]) == 0
    assert "bytes=100000-" in hub.ranges
    assert (SNAPSHOT.path / "ema.safetensors").read_bytes() == content
    assert not part.exists()


def test_a_newer_commit_does_not_mix_with_an_older_one(hub: Hub) -> None:
    assert main.main(["fetch", "thing"]) == 0
    (SNAPSHOT.path / "vocab.json").unlink()
    hub.commit = "f" * 40
    assert main.main(["fetch", "thing"]) == 0, "the file of the first commit is still what is asked for"
    assert hub.listings == 1


@pytest.mark.parametrize("name", ["model_bf16.safetensors", "vocab.json"])
def test_a_file_that_is_not_what_was_listed_is_refused(hub: Hub, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert request_listing(SNAPSHOT).files
    write_listing(SNAPSHOT.path, request_listing(SNAPSHOT))
    hub.content[name] = bytes(reversed(CONTENT[name]))
    assert main.main(["fetch", "thing"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    kind = "SHA-256" if name.endswith("safetensors") else "git SHA-1"
    assert f"is not the published file: its {kind} (" in error
    assert not any(entry.endswith(".part") for entry in left(SNAPSHOT.path))


def test_a_damaged_file_is_seen_and_replaced(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["fetch", "thing"]) == 0
    (SNAPSHOT.path / "ema.safetensors").write_bytes(b"x")
    with pytest.raises(
        WeightsError, match=r"ema\.safetensors is not the file that was fetched; replace it with: get it"
    ):
        require_snapshot(SNAPSHOT, "get it")
    assert [entry.status for entry in examined({"thing": [SNAPSHOT]})] == ["fail"]
    assert main.main(["fetch", "thing"]) == 0
    (SNAPSHOT.path / "vocab.json").unlink()
    assert [entry.status for entry in examined({"thing": [SNAPSHOT]})] == ["warn"]
    with pytest.raises(WeightsError, match="Thing-7B is incomplete; continue with: get it"):
        require_snapshot(SNAPSHOT, "get it")


def test_not_fetched(hub: Hub) -> None:
    with pytest.raises(WeightsError, match="Thing-7B has not been fetched; do so with: get it"):
        require_snapshot(SNAPSHOT, "get it")


def test_a_mirror_that_was_filled_here_is_checked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror"
    assert main.main(["fetch", "thing", "--to", str(mirror)]) == 0
    assert left(mirror) == HERE
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main.main(["fetch", "thing", "--mirror", str(mirror)]) == 0
    assert require_snapshot(SNAPSHOT, "x") == SNAPSHOT.path
    shutil.rmtree(SNAPSHOT.path)
    (mirror / SNAPSHOT.folder / "ema.safetensors").write_bytes(b"exchanged")
    assert main.main(["fetch", "thing", "--mirror", str(mirror)]) == 2


def test_a_mirror_over_http(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main.main(["fetch", "thing", "--to", str(tmp_path / "mirror")]) == 0
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    def respond(call: Call) -> Answer:
        path = tmp_path / "mirror" / call.path.removeprefix("/v1/")
        return Answer(path.read_bytes()) if path.is_file() else Answer({}, 404)

    with serving(respond) as (_, url):
        assert main.main(["fetch", "thing", "--mirror", url]) == 0
        assert left(SNAPSHOT.path) == HERE
        shutil.rmtree(SNAPSHOT.path)
        (tmp_path / "mirror" / SNAPSHOT.folder / LISTING).unlink()
        assert main.main(["fetch", "thing", "--mirror", url]) == 2


def test_a_mirror_with_a_wrong_listing_is_forgotten(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = tmp_path / "mirror"
    assert main.main(["fetch", "thing", "--to", str(mirror)]) == 0
    path = mirror / SNAPSHOT.folder / LISTING
    listing = json.loads(path.read_text())
    for file in listing["files"].values():
        file |= {"sha256": "0" * 64} if file["sha256"] else {"git": "0" * 40}
    path.write_text(json.dumps(listing))
    assert main.main(["fetch", "thing", "--mirror", str(mirror)]) == 2
    assert not (SNAPSHOT.path / LISTING).exists()
    assert main.main(["fetch", "thing"]) == 0, "from the hub, by what the hub lists"
    assert require_snapshot(SNAPSHOT, "x") == SNAPSHOT.path


@pytest.mark.parametrize("over_http", [True, False])
def test_a_file_is_not_larger_than_it_is_announced(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], over_http: bool
) -> None:
    mirror = tmp_path / "mirror"
    assert main.main(["fetch", "thing", "--to", str(mirror)]) == 0
    (mirror / SNAPSHOT.folder / "ema.safetensors").write_bytes(bytes(1_000_000))

    def respond(call: Call) -> Answer:
        path = mirror / call.path.removeprefix("/v1/")
        return Answer(path.read_bytes()) if path.is_file() else Answer({}, 404)

    with serving(respond) as (_, url):
        assert main.main(["fetch", "thing", "--mirror", url if over_http else str(mirror)]) == 2
    assert "announced" in capsys.readouterr().err
    assert sum(path.stat().st_size for path in SNAPSHOT.path.rglob("*")) < 100_000


@pytest.mark.parametrize("how", ["no listing", "wrong listing", "neither a folder nor an address"])
def test_the_password_of_a_mirror_is_not_printed(hub: Hub, capsys: pytest.CaptureFixture[str], how: str) -> None:
    answer = Answer({}, 404) if how == "no listing" else Answer(b"{}")
    with serving(lambda call: answer) as (_, url):
        scheme = "ftp" if how.startswith("neither") else "http"
        mirror = url.replace("http://", f"{scheme}://me:pass%2Fword@")
        assert main.main(["fetch", "thing", "--mirror", mirror]) == 2
    message = capsys.readouterr().err
    assert "127.0.0.1" in message and "word" not in message and len(message.splitlines()) == 1


def test_a_copy_by_hand_is_taken_and_said_to_be_unchecked(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = tmp_path / "mirror"
    for name, data in CONTENT.items():
        path = mirror / SNAPSHOT.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for _ in range(2):
        assert main.main(["fetch", "thing", "--mirror", str(mirror)]) == 0
        assert "nobody" in capsys.readouterr().err
    assert hub.listings == 0, "a mirror is all that is asked"
    assert left(SNAPSHOT.path) == HERE
    assert json.loads((SNAPSHOT.path / LISTING).read_text())["commit"] == ""
    (SNAPSHOT.path / "ema.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is not the file that was fetched"):
        require_snapshot(SNAPSHOT, "x")


def test_a_hub_that_lacks_a_file_or_does_not_answer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    del hub.content["model_bf16.safetensors"]
    with pytest.raises(EvalHarnessError, match=r"owner/Thing-7B on the hub has no ema\.safetensors or model_bf16"):
        request_listing(SNAPSHOT)
    hub.content = {name: CONTENT[name] for name in CONTENT if name != "merges.txt"}
    with pytest.raises(EvalHarnessError, match=r"has no tokenizer\.json, or vocab\.json and merges\.txt"):
        request_listing(SNAPSHOT)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EvalHarnessError, match=r"the hub cannot be asked for owner/Thing-7B: .*use a --mirror"):
        request_listing(SNAPSHOT)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hub": "other/name"}, "is not about owner/Thing-7B"),
        ({"files": {"../../evil": {"source": "x", "size": 1, "git": "0" * 40}}}, "it names ../../evil"),
        ({"files": {}}, "does not list ema.safetensors"),
        ({"commit": "main"}, "is no listing: commit"),
        ({"more": 1}, "is no listing: unknown key 'more'"),
    ],
)
def test_a_listing_is_not_trusted(hub: Hub, change: dict[str, Any], says: str) -> None:
    listing = request_listing(SNAPSHOT).model_dump()
    with pytest.raises(WeightsError) as caught:
        parse_listing(SNAPSHOT, json.dumps(listing | change).encode(), "it")
    assert says in str(caught.value)

"""Files from a server on this machine: whole, continued, refused."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import huggingface_hub.constants
import huggingface_hub.file_download
import pytest
from plugin_packages import InstallPlugins

from evalharness._util.file_lock import lock_file
from evalharness.assets import asset as assets
from evalharness.assets import download as downloading
from evalharness.assets.asset import Asset
from evalharness.cli import main
from evalharness.errors import WeightsError
from evalharness.testing import MockBenchmark

CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """Serves ``CONTENT`` under any path that ends in ``.bin``. ``ranges``: what was asked for, one a request."""

    base: str = ""
    ranges: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    resumable: bool = True
    content: bytes = CONTENT
    cut_after: int | None = None
    """The first answer breaks off after so many bytes, the ones that follow are 503."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            state.paths.append(self.path)
            if not self.path.endswith(".bin"):
                return self.send_error(404)
            if state.cut_after is not None and len(state.ranges) > 1:
                return self.send_error(503)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.resumable else 0
            if start and start >= len(state.content):
                return self.send_error(416)
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            self.end_headers()
            self.wfile.write(body[: state.cut_after])
            self.close_connection = True
            return None

        def log_message(self, format: str, *arguments: Any) -> None:
            """Not into the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.base = f"http://127.0.0.1:{http.server_address[1]}"
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(huggingface_hub.file_download.time, "sleep", lambda _: None)
        monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
        yield state
        http.shutdown()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALHARNESS_MIRROR", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    return tmp_path / "cache"


class Needy(MockBenchmark):
    """A benchmark with the assets that a test gives it."""

    name = "needy"


@pytest.fixture(autouse=True)
def needy(install_plugins: InstallPlugins) -> None:
    install_plugins(benchmarks=[Needy])


def offer(monkeypatch: pytest.MonkeyPatch, *offered: Asset) -> None:
    monkeypatch.setattr(Needy, "assets", offered)


def asset(server: Server, **other: Any) -> Asset:
    return Asset(**{"folder": "some", "name": "file.bin", "url": f"{server.base}/x.bin", "sha256": SHA, **other})


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of the error; what is being done stands above it."""
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("evalharness: ") for line in lines] == [False] * (len(lines) - 1) + [True]
    return lines[-1].removeprefix("evalharness: ")


# --- what works ---


def test_fetch_says_where_it_is(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server), asset(server, name="short.bin", sha256=SHA[:8]))
    assert main.main(["fetch", "needy"]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [str(cache / "some" / "file.bin"), str(cache / "some" / "short.bin")]
    assert f"file.bin: fetching from {server.base}/x.bin\n" in output.err
    assert (cache / "some" / "file.bin").read_bytes() == CONTENT
    assert left(cache) == ["some/file.bin", "some/short.bin"]
    assert assets.require_file(asset(server), "x") == cache / "some" / "file.bin"
    assert main.main(["fetch", "needy"]) == 0
    assert "file.bin: is there\n" in capsys.readouterr().err
    assert len(server.ranges) == 2, "what is there is not fetched again"


@pytest.mark.parametrize("resumable", [True, False])
def test_what_broke_off_is_continued(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], resumable: bool
) -> None:
    offer(monkeypatch, asset(server))
    server.cut_after = 3000
    assert main.main(["fetch", "needy"]) == 2
    assert "503" in complaint(capsys)
    assert left(cache) == ["some/file.bin.part"]
    assert (cache / "some" / "file.bin.part").read_bytes() == CONTENT[:3000]
    server.cut_after, server.resumable = None, resumable
    assert main.main(["fetch", "needy"]) == 0
    assert server.ranges[-1] == "bytes=3000-"
    assert (cache / "some" / "file.bin").read_bytes() == CONTENT
    assert left(cache) == ["some/file.bin"]


@pytest.mark.parametrize("beginning", [CONTENT, CONTENT + b"and more", b"x" * len(CONTENT)], ids=["all", "more", "bad"])
def test_a_whole_file_that_was_not_yet_in_its_place(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    offer(monkeypatch, asset(server))
    (cache / "some").mkdir(parents=True)
    (cache / "some" / "file.bin.part").write_bytes(beginning)
    assert main.main(["fetch", "needy"]) == 0
    assert (cache / "some" / "file.bin").read_bytes() == CONTENT
    assert server.ranges == ([] if beginning == CONTENT else [f"bytes={len(beginning)}-", None])


def test_a_damaged_file_is_fetched_again(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server))
    (cache / "some").mkdir(parents=True)
    (cache / "some" / "file.bin").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="is not the published file"):
        assets.require_file(asset(server), "x")
    assert main.main(["fetch", "needy"]) == 0
    assert "is not the published file, and is replaced" in capsys.readouterr().err
    assert (cache / "some" / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["path", "url", "variable"])
def test_a_mirror_works_without_a_network(
    server: Server,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    form: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(monkeypatch, asset(server))
    mirror = tmp_path / "a mirror"
    assert main.main(["fetch", "needy", "--to", str(mirror)]) == 0
    assert capsys.readouterr().out == f"{mirror / 'some' / 'file.bin'}\n"
    assert (left(mirror), left(cache)) == (["some/file.bin"], [])
    server.ranges.clear()
    if form == "variable":
        monkeypatch.setenv("EVALHARNESS_MIRROR", str(mirror))
    chosen = {"path": ["--mirror", str(mirror)], "url": ["--mirror", mirror.as_uri()], "variable": []}[form]
    assert main.main(["fetch", "needy", *chosen]) == 0
    assert (cache / "some" / "file.bin").read_bytes() == CONTENT
    assert server.ranges == []


def test_a_mirror_may_be_an_address(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, asset(server, url="http://127.0.0.1:9/nowhere"))
    assert main.main(["fetch", "needy", "--mirror", f"{server.base}/deep/"]) == 0
    assert server.paths == ["/deep/some/file.bin"]


def test_a_mirror_of_the_hub(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, asset(server, url="https://huggingface.co/a/b/resolve/c/d.bin"))
    monkeypatch.setenv("HF_ENDPOINT", f"{server.base}/")
    assert main.main(["fetch", "needy"]) == 0
    assert server.paths == ["/a/b/resolve/c/d.bin"]


def test_lines_where_there_is_no_terminal(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server))
    server.content = CONTENT * 200
    monkeypatch.setattr(downloading.ProgressLines, "interval", 0.0)
    assert main.main(["fetch", "needy"]) == 2, "another content has another digest"
    assert "file.bin: 2 of 2 MB\n" in capsys.readouterr().err


# --- what does not ---


def test_a_file_that_is_not_there(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server, url=f"{server.base}/gone"))
    assert main.main(["fetch", "needy"]) == 2
    assert complaint(capsys) == f"{server.base}/gone: 404 Not Found; use a --mirror that has the file"
    assert left(cache) == []


def test_another_file_than_the_published_one(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server, sha256="0" * 64))
    assert main.main(["fetch", "needy"]) == 2
    message = complaint(capsys)
    assert f"its SHA-256 (10240 bytes) begins with {SHA[:12]}, not with 000000000000" in message
    assert left(cache) == []


@pytest.mark.usefixtures("server", "cache")
def test_no_network(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    offer(monkeypatch, Asset("some", "file.bin", "http://127.0.0.1:9/x.bin", SHA))
    assert main.main(["fetch", "needy"]) == 2
    message = complaint(capsys)
    assert message.startswith("cannot download http://127.0.0.1:9/x.bin: ")
    assert message.endswith("; run the command again to continue, or use --mirror")
    assert left(cache) == []


def test_offline_mode(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert main.main(["fetch", "needy"]) == 2
    assert "HF_HUB_OFFLINE is set; unset it or use --mirror" in complaint(capsys)
    assert server.ranges == []


def test_a_full_disk(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server))

    def full(url: str, file: IO[bytes], **_: Any) -> None:
        file.write(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub.file_download, "http_get", full)
    assert main.main(["fetch", "needy"]) == 2
    place = cache / "some" / "file.bin.part"
    assert complaint(capsys) == (
        f"cannot write {place}: No space left on device; free some space, or use another place"
    )
    assert left(cache) == []


def test_too_little_room_is_seen_before(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server, size=10**15))
    assert main.main(["fetch", "needy"]) == 2
    assert "file.bin needs 1000000.0 GB, and " in complaint(capsys)
    assert (server.ranges, left(cache)) == ([], [])


def test_mirrors_that_lack_it(
    server: Server,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(monkeypatch, asset(server))
    (tmp_path / "mirror").mkdir()
    assert main.main(["fetch", "needy", "--mirror", str(tmp_path / "mirror")]) == 2
    there = tmp_path / "mirror" / "some" / "file.bin"
    assert complaint(capsys) == f"the mirror lacks {there}: No such file or directory"
    assert main.main(["fetch", "needy", "--mirror", str(tmp_path / "none")]) == 2
    assert "is neither a folder nor an http address" in complaint(capsys)
    assert (server.ranges, left(cache)) == ([], []), "a mirror is the only source"


def test_a_place_that_cannot_be_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server))
    (tmp_path / "taken").write_text("a file")
    assert main.main(["fetch", "needy", "--to", str(tmp_path / "taken")]) == 2
    assert complaint(capsys).startswith(f"cannot write {tmp_path / 'taken' / 'some'}: ")


def test_two_at_once(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server))
    (cache / "some").mkdir(parents=True)
    lock = lock_file(cache / "some" / ".file.bin.part.lock")
    assert main.main(["fetch", "needy"]) == 2
    assert f"is being fetched by another process (pid {os.getpid()})" in complaint(capsys)
    lock.release()
    assert main.main(["fetch", "needy"]) == 0


def test_a_password_is_not_printed(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, asset(server, sha256="0" * 64))
    mirror = server.base.replace("//", "//me:secret@")
    assert main.main(["fetch", "needy", "--mirror", mirror]) == 2
    offer(monkeypatch, asset(server, name="gone"))
    assert main.main(["fetch", "needy", "--mirror", mirror]) == 2
    message = capsys.readouterr().err
    assert f"{server.base}/some/file.bin is not the published file" in message
    assert f"{server.base}/some/gone: 404 Not Found" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("genevl", "no plugin is called 'genevl'; did you mean 'geneval'?"),
        ("folder", "'folder' needs no files that could be fetched; these do: bagel, dpg-bench, geneval, geneval2"),
    ],
)
def test_names_with_nothing_to_fetch(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["fetch", name]) == 2
    assert complaint(capsys).startswith(message)


# --- what is converted ---


def test_a_file_is_converted_once(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[Path] = []

    def halve(file: Path, folder: Path) -> None:
        calls.append(file)
        folder.mkdir()
        (folder / "half").write_bytes(file.read_bytes()[::2])

    halved = asset(server, convert=halve)
    offer(monkeypatch, halved)
    with pytest.raises(WeightsError, match=r"file.bin has not been fetched and converted; do so with: get it"):
        assets.require_converted(halved, "get it")
    assert main.main(["fetch", "needy"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(cache / "some" / "file.bin"), str(cache / "some" / "file")]
    assert (assets.require_converted(halved, "x") / "half").read_bytes() == CONTENT[::2]
    assert main.main(["fetch", "needy"]) == 0
    assert calls == [cache / "some" / "file.bin"]
    assert left(cache) == ["some/file.bin", "some/file/SHA256SUMS", "some/file/half"]
    assert assets.first_damaged_file(halved.converted_path) is None
    (halved.converted_path / "half").write_bytes(b"damaged")
    assert assets.first_damaged_file(halved.converted_path) == "half"
    assert main.main(["fetch", "needy"]) == 0
    assert assets.first_damaged_file(halved.converted_path) is None
    shutil.rmtree(halved.converted_path)
    halved.converted_path.mkdir()
    assert assets.first_damaged_file(halved.converted_path) == "SHA256SUMS"


def test_a_conversion_that_fails_leaves_nothing(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(file: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "half").write_bytes(b"half")
        raise WeightsError(f"{file} is no such network")

    offer(monkeypatch, asset(server, convert=fail))
    assert main.main(["fetch", "needy"]) == 2
    assert complaint(capsys).endswith("file.bin is no such network")
    assert left(cache) == ["some/file.bin"]

    def full(file: Path, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    offer(monkeypatch, asset(server, convert=full))
    assert main.main(["fetch", "needy"]) == 2
    assert "No space left on device" in complaint(capsys)
    assert [path.name for path in (cache / "some").iterdir()] == ["file.bin"]

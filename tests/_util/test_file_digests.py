import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalharness._util.file_digests import CACHED_SIZE, file_digest, folder_digest
from evalharness.errors import WeightsError


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    assert file_digest(file) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert file_digest(file) == hashlib.sha256(b"two").hexdigest()


def test_a_folder_is_its_names_and_contents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "x.json").write_text("{}")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")
    (tmp_path / "b" / "y.bin").write_bytes(b"")
    assert folder_digest(tmp_path / "a") != folder_digest(tmp_path / "b")
    assert folder_digest(tmp_path / "a", ["**/*.json"]) == folder_digest(tmp_path / "b", ["**/*.json"])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        file_digest(tmp_path / "none")
    with pytest.raises(WeightsError, match="no folder"):
        folder_digest(tmp_path / "none")


@pytest.mark.parametrize(
    "junk",
    [
        ".cache/huggingface/download/model.safetensors.metadata",
        ".gitattributes",
        ".DS_Store",
        "._config.json",
        "README.md",
        "README_zh.txt",
        "LICENSE.txt",
        "preview.png",
        "vae/.ipynb_checkpoints/config.json",
        "vae/model.fp16.safetensors",
        "vae/pytorch_model.bin",
        "vae/model.onnx",
        "vae/flax_model.msgpack",
    ],
)
def test_two_downloads_of_the_same_weights_agree(tmp_path: Path, junk: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "vae").mkdir(parents=True)
        (tmp_path / name / "vae" / "model.safetensors").write_bytes(b"weights")
        (tmp_path / name / "vae" / "config.json").write_text("{}")
    (tmp_path / "b" / junk).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "b" / junk).write_text("junk")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")


@pytest.mark.parametrize(
    "name", ["merges.txt", "chat_template.jinja", "spiece.model", "part/pytorch_model.bin", "a.py"]
)
def test_files_that_are_loaded_count(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = folder_digest(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("loaded")
    assert folder_digest(tmp_path) != before


def test_a_variant_alone_counts(tmp_path: Path) -> None:
    before = folder_digest(tmp_path)
    (tmp_path / "model.fp16.safetensors").write_bytes(b"weights")
    assert folder_digest(tmp_path) != before


# --- between processes ---

COUNT = """
import hashlib, sys
from evalharness._util.file_digests import file_digest
read, inner = [], hashlib.file_digest
hashlib.file_digest = lambda file, name: (read.append(file.name), inner(file, name))[1]
print(file_digest(sys.argv[1]), len(read))
"""


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is large enough to be remembered; it may be as new as it likes."""
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evalharness._util.file_digests.UNSETTLED_NS", 0)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(bytes(CACHED_SIZE))
    return file


def in_another_process(path: Path) -> tuple[str, int]:
    """The digest of a file, and how many files were read for it."""
    done = subprocess.run([sys.executable, "-c", COUNT, str(path)], capture_output=True, text=True, check=True)
    digest, read = done.stdout.split()
    return digest, int(read)


def test_no_process_reads_a_large_file_that_another_has_read(weights: Path) -> None:
    digest = file_digest(weights)
    assert digest == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert in_another_process(weights) == (digest, 0)
    link = weights.with_name("latest")
    link.symlink_to(weights)
    assert in_another_process(link) == (digest, 0)


def test_a_remembered_file_that_changes_is_read_again(weights: Path) -> None:
    file_digest(weights)
    changed, status = bytes([1]) * CACHED_SIZE, weights.stat()
    weights.write_bytes(changed)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert in_another_process(weights) == (hashlib.sha256(changed).hexdigest(), 1)


def test_a_file_that_takes_the_place_of_another_is_read(weights: Path) -> None:
    file_digest(weights)
    other = weights.with_name("other")
    other.write_bytes(bytes([2]) * CACHED_SIZE)
    os.utime(other, ns=(weights.stat().st_atime_ns, weights.stat().st_mtime_ns))
    other.replace(weights)
    assert in_another_process(weights) == (hashlib.sha256(weights.read_bytes()).hexdigest(), 1)


def test_processes_that_need_a_digest_at_a_time_read_the_file_once(weights: Path) -> None:
    """As the workers of a run do, each of which checks its weights when it starts."""
    slow = COUNT.replace("inner(file, name)", "(__import__('time').sleep(1), inner(file, name))[1]")
    new = "from evalharness._util import file_digests; file_digests.UNSETTLED_NS = 0"
    command = [sys.executable, "-c", f"{new}\n{slow}", str(weights)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [process.communicate()[0].split() for process in running]
    assert {digest for digest, _ in printed} == {hashlib.sha256(weights.read_bytes()).hexdigest()}
    assert sum(int(read) for _, read in printed) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '["elsewhere", 1, 2, 3, 4, "digest"]'])
def test_a_damaged_cache_is_no_cache(weights: Path, text: str) -> None:
    digest = file_digest(weights)
    (record,) = (weights.parent / "cache" / "digests").iterdir()
    record.write_text(text)
    assert in_another_process(weights) == (digest, 1)


def test_a_cache_that_cannot_be_written_is_done_without(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(weights))
    assert file_digest(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_a_file_that_was_written_just_now_is_not_remembered(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalharness._util.file_digests.UNSETTLED_NS", 3_600_000_000_000)
    file_digest(weights)
    assert not (weights.parent / "cache" / "digests").exists()

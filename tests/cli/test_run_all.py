"""``evalharness run-all`` on runs of the mocks: one command, several reports, a page that leads to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import SINGLE, SWEEP
from PIL import Image

from evalharness._util.exit_codes import ExitCode
from evalharness.cli import main
from evalharness.cli.run_all import portable
from evalharness.errors import WeightsError
from evalharness.testing import MockModel


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two sweeps that share an arm."""
    texts = {"tiny": SWEEP, "other": SWEEP.replace("name: tiny", "name: other\ndescription: Is <b>less</b> more?")}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text.replace("1..3", "1..2") if name == "other" else text)
    return [str(tmp_path / f"{name}.yaml") for name in texts]


def collect(files: list[str], out: Path, *options: str) -> int:
    return main.main(["run-all", *files, "--out", str(out), "--quiet", *options])


def test_one_command_makes_all_and_goes_on_where_it_was(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "all"
    assert collect(files, out, "--title", "All of it", "--gallery-mb", "1") == 0
    printed = capsys.readouterr().out
    assert "2 sweeps, " in printed
    for name in ("tiny", "other"):
        assert (out / name / "index.html").is_file()
        assert not (out / name / "samples").exists(), "compact, as --gallery-mb has it"
    text = (out / "index.html").read_text()
    assert text.index('href="tiny/index.html"') < text.index('href="other/index.html"')
    assert "<title>All of it</title>" in text
    assert "Is &lt;b&gt;less&lt;/b&gt; more?" in text
    drawn = len(MockModel.drawn)
    assert collect(files, out, "--title", "All of it", "--gallery-mb", "1") == 0
    assert len(MockModel.drawn) == drawn
    assert (out / "index.html").read_text() == text


def test_all_sweeps_have_declared_their_comparisons_before_the_first_runs(files: list[str], tmp_path: Path) -> None:
    declared = "baseline: single\nanalysis: {confirmatory: [process max_iterations=2]}\n"
    for file in files:
        Path(file).write_text(Path(file).read_text() + declared)
    out = tmp_path / "r" / "all"
    assert collect(files, out) == 0
    for name in ("tiny", "other"):
        info = json.loads((out / name / "results.json").read_bytes())["info"]
        assert [fact["before"] for fact in info["declarations"]] == [True], name


def test_a_shard_has_a_report_and_a_store_of_its_own(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[1]).write_text(Path(files[1]).read_text() + "shard: 1/2\n")
    out, store = tmp_path / "r" / "all", tmp_path / "r" / "store"
    assert collect(files, out) == 0
    report = out / "other-shard-1-of-2"
    assert sorted(path.parent.name for path in out.glob("*/results.json")) == [report.name, "tiny"]
    assert sorted(path.name for path in store.parent.iterdir()) == ["all", "store", "store-shard-1-of-2"]
    text = (out / "index.html").read_text()
    assert text.index('href="tiny/index.html"') < text.index(f'href="{report.name}/index.html"')
    assert main.main(["report", str(report), "--store", str(store), "--out", str(tmp_path / "again")]) == 0
    assert main.main(["status", str(report)]) == 0, capsys.readouterr().err


def test_size_options_are_those_of_a_sweep(files: list[str], tmp_path: Path) -> None:
    assert collect(files, tmp_path / "r" / "all", "--full", "--samples", "1") == 0
    about = json.loads((tmp_path / "r" / "all" / "tiny" / "results.json").read_bytes())["info"]["benchmarks"]["mock"]
    assert (about["items"], about["samples"]) == (10, 1)


def test_a_sweep_without_its_weights_is_left_out_and_said(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r" / "all"
    assert collect(files, out) == 0
    before = (out / "tiny" / "results.json").read_bytes()
    identity = MockModel.identity

    def missing(self: MockModel) -> Any:
        if self.settings.size == 9:
            raise WeightsError("the weights folder x is missing; make it by y")
        return identity(self)

    monkeypatch.setattr(MockModel, "identity", missing)
    Path(files[0]).write_text(SWEEP.replace("model: mock", "model: {name: mock, size: 9}"))
    capsys.readouterr()
    assert collect(files, out) == ExitCode.INCOMPLETE
    output = capsys.readouterr()
    assert output.out.startswith("left out: tiny (the weights folder x is missing; make it by y)")
    assert "1 of 2 sweeps were left out" in output.err
    assert (out / "tiny" / "results.json").read_bytes() == before
    assert 'href="tiny/index.html"' in (out / "index.html").read_text()


def test_two_of_one_name_are_refused_before_any_work(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collect([*files, files[0]], tmp_path / "r" / "all") == 2
    assert "a sweep is already called 'tiny'" in capsys.readouterr().err
    assert MockModel.drawn == []


@pytest.mark.parametrize("limit", ["nan", "inf", "-1", "0", "1e400", "x"])
@pytest.mark.parametrize("words", [["run-all", "x.yaml", "--out", "o", "--most-mb"], ["status", "x.yaml", "--every"]])
def test_a_limit_that_is_no_number_above_0_is_refused(
    words: list[str], limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([*words, limit])
    assert ended.value.code == 2
    assert f"{limit!r} is not a number above 0" in capsys.readouterr().err


def test_too_large_is_an_error_when_all_is_done(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "all"
    assert collect(files, out, "--most-mb", "0.1") == ExitCode.CHECK_FAILED
    assert "above --most-mb 0.1; lower --gallery-mb" in capsys.readouterr().err
    assert (out / "index.html").is_file()


def test_a_report_names_no_folder_of_this_machine_and_can_be_written_again(files: list[str], tmp_path: Path) -> None:
    for item in range(10):
        path = tmp_path / "images" / str(item) / "samples" / "0000.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (25 * item, 0, 0)).save(path)
    Path(files[0]).write_text(SINGLE.replace("model: mock", "models: {drawn: {name: folder, path: images}}"))
    out = tmp_path / "r" / "all"
    assert collect(files, out) == 0
    text = (out / "tiny" / "results.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["info"]["sweep"]["models"]["drawn"]["path"] == "../../../images"
    assert main.main(["report", str(out / "tiny"), "--store", str(tmp_path / "r" / "store")]) == 0


def test_only_what_is_there_is_a_path(tmp_path: Path) -> None:
    data = {"a": [str(tmp_path), "/of-no-machine", "relative"], "b": 1}
    assert portable(data, tmp_path / "x") == {"a": ["..", "/of-no-machine", "relative"], "b": 1}

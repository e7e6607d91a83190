"""Whole runs of the mock model, and judges that answer by a rule."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import IN_PROCESS
from plugin_packages import InstallPlugins
from wise_prompt_files import write_prompt_files

from evalharness.api.judge import JudgePrompt
from evalharness.benchmarks.wise.legacy import WiseLegacy
from evalharness.benchmarks.wise.verified import WiseVerified
from evalharness.cli import main, sweep
from evalharness.errors import SampleError
from evalharness.testing import MockJudge
from evalharness.types.reply import Reply

SWEEP = """\
name: riddles
model: {name: mock, batch_size: 64}
benchmarks:
  - {name: wise-verified, prompts: verified, judge: rule, limit: 60}
arms: [{name: single, variant: single_pass}]
"""


def text_of(prompt: JudgePrompt) -> str:
    """The user's words, whatever the rubric."""
    text: str = prompt.messages[1]["content"][0]["text"]
    return text


def by_image(prompt: JudgePrompt) -> str:
    """Seven of ten images are right."""
    return f"Score: {int(int(prompt.image[:4], 16) % 10 < 7)}"


class Rule(MockJudge):
    """Answers by :attr:`rules`; lists what it is asked. ``RULE_KILL_AT``: the process dies at that reply."""

    class Settings(MockJudge.Settings):
        rule: str = "by image"

    name = "rule"
    in_process = False
    rules: dict[str, Callable[[JudgePrompt], str | SampleError]] = {"by image": by_image}  # noqa: RUF012 - tests add some
    asked: list[JudgePrompt] = []  # noqa: RUF012 - by any instance

    def __init__(self, settings: Settings) -> None:
        super().__init__(answer=self.reply)
        self.rule = settings.rule

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "rule": self.rule}

    def reply(self, prompt: JudgePrompt) -> Reply | SampleError:
        Rule.asked.append(prompt)
        text = Rule.rules[self.rule](prompt)
        return text if isinstance(text, SampleError) else Reply(text, "stop", 100, 4, 0.01, 0.5)

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        for outcome in super().ask(prompts):
            yield outcome
            if len(Rule.asked) == int(os.environ.get("RULE_KILL_AT", "0")):
                os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def folder(tmp_path: Path, install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> Path:
    install_plugins(judges=[Rule])
    monkeypatch.setattr(Rule, "asked", [])
    monkeypatch.setattr(Rule, "rules", {"by image": by_image})
    write_prompt_files(tmp_path / "verified", WiseVerified)
    write_prompt_files(tmp_path / "legacy", WiseLegacy)
    return tmp_path


def run(folder: Path, text: str = SWEEP, *options: str, code: int = 0) -> dict[str, Any]:
    (folder / "riddles.yaml").write_text(text)
    out = folder / "r" / "riddles"
    assert sweep.main([str(folder / "riddles.yaml"), "--out", str(out), "--quiet", *options]) == code
    results: dict[str, Any] = json.loads((out / "results.json").read_text()) if code in (0, 3) else {}
    return results


def row(results: dict[str, Any], benchmark: str = "wise-verified") -> dict[str, Any]:
    (only,) = results["summary"][benchmark]
    return dict(only)


def test_a_part_of_the_prompts_has_no_overall_score(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """60 of 1,000: the categories have scores, the overall has bounds in which 940 are wrong, or right."""
    summary = row(run(folder))
    assert summary["overall"] is None
    assert (summary["scored"], summary["expected"], summary["coverage"]) == (60, 1000, "60/1000")
    weights, sizes = WiseVerified.weights, {name: len(ids) for name, ids in WiseVerified.ids.items()}
    scored = {name: summary[f"category.{name}.scored"] for name in sizes}
    assert sum(scored.values()) == 60
    right = {name: round(summary[f"category.{name}"] * scored[name]) for name in sizes}
    low = sum(weights[name] * right[name] / count for name, count in sizes.items())
    missing = sum(weights[name] * (count - scored[name]) / count for name, count in sizes.items())
    assert (summary["bound_low"], summary["bound_high"]) == pytest.approx((low, low + missing))
    assert summary["category.culture.expected"] == 400
    output = capsys.readouterr().out
    assert "incomplete: " in output
    assert f"single: {', '.join(f'{name} {scored[name]}/{count}' for name, count in sizes.items())}" in output


def test_an_own_score_is_never_called_one_of_wise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = run(folder)
    assert "\nwise-verified (own rubric)\n" in capsys.readouterr().out
    about = results["info"]["benchmarks"]["wise-verified"]
    assert about["scorer"]["rubric"]["name"] == "own rubric"
    digest = about["scorer"]["rubric"]["digest"][:8]
    assert row(results)["scorer"].startswith("rule own rubric ")
    page = (folder / "r" / "riddles" / "index.html").read_text()
    assert f"judged by this project&#39;s own rubric (digest {digest}), not by that of WISE; not a WISE score" in page
    assert "the judge is rule, not the protocol&#39;s, which is Qwen3.5-35B-A3B" in page
    assert 'id="wise-verified-title">wise-verified (own rubric)</h2>' in page
    assert "Scores on wise-verified (own rubric)" in page
    shown = re.sub(r"<[^>]*>", "", page.partition("Provenance</h2>")[0])
    assert shown.count("wise-verified (own rubric)") == shown.count("wise-verified") > 5


def test_a_published_score_may_exceed_the_scale(folder: Path) -> None:
    """The published program takes any digit; so a mean above 1 has an interval and a page like any other."""
    marks = "Consistency: {0}/2\nRealism: {0}/2\nAesthetic Quality: {0}/2"
    Rule.rules["generous"] = lambda prompt: marks.format(9 if int(prompt.image[:2], 16) % 4 else 1)
    text = SWEEP.replace("wise-verified", "wise-legacy").replace("prompts: verified", "prompts: legacy")
    text = text.replace("judge: rule", "judge: {name: rule, rule: generous}")
    results = run(folder, text.replace("limit: 60", "limit: 60, parser: official"))
    summary = row(results, "wise-legacy")
    assert summary["scored"] == 60
    assert 0.5 < summary["category.culture"] < 4.5
    assert max(1, summary["category.culture.low"]) < summary["category.culture"] < summary["category.culture.high"]
    about = results["info"]["benchmarks"]["wise-legacy"]
    assert about["scorer"]["replies"] == {"parser": "official", "cut": "as-published"}
    page = (folder / "r" / "riddles" / "index.html").read_text()
    assert "read by the official parser; those that are cut off, refused or empty are read like others" in page
    strict = run(folder, text, code=3)
    assert row(strict, "wise-legacy")["scored"] == 0, "no mark is guessed"


def test_the_two_protocols_never_meet_in_one_column(folder: Path) -> None:
    marks = "Consistency: 2\nRealism: 1\nAesthetic Quality: 0"
    Rule.rules["both"] = lambda prompt: marks if prompt.max_tokens == 2000 else by_image(prompt)
    both = "{name: wise-verified, prompts: verified, judge: {name: rule, rule: both}, limit: 30}"
    both += "\n  - {name: wise-legacy, prompts: legacy, judge: {name: rule, rule: both}, limit: 30}"
    text = SWEEP.replace("{name: wise-verified, prompts: verified, judge: rule, limit: 60}", both)
    results = run(folder, text)
    assert set(results["summary"]) == {"wise-verified", "wise-legacy"}
    assert row(results, "wise-legacy")["category.culture"] == pytest.approx(0.8)
    for name in ("verified", "legacy"):
        table = (folder / "r" / "riddles" / "tables" / f"wise-{name}-wide.csv").read_text()
        assert table.count("\n") == 2
        assert f"wise-{name}" in table
        assert f"wise-{'legacy' if name == 'verified' else 'verified'}" not in table
    page = (folder / "r" / "riddles" / "index.html").read_text()
    assert page.count("<h2 ") == 2 + 3, "a section each, and the gallery, reading and provenance"


@pytest.mark.slow
def test_a_whole_run_has_the_overall_of_the_protocol(folder: Path) -> None:
    text = SWEEP.replace(", limit: 60", "")
    results = run(folder, text)
    means = {name: row(results)[f"category.{name}"] for name in WiseVerified.ids}
    bits = [int(by_image(prompt)[-1]) for prompt in Rule.asked]
    assert len(bits) == 1000
    assert row(results)["overall"] == pytest.approx(
        0.40 * means["culture"] + 0.12 * sum(means[name] for name in means if name != "culture")
    )
    assert sum(means[name] * len(ids) for name, ids in WiseVerified.ids.items()) == pytest.approx(sum(bits))
    assert row(results)["coverage"] == "1000/1000"
    assert len(run(folder, text)["summary"]) == 1
    assert len(Rule.asked) == 1000, "nothing is asked twice"


def test_a_dry_run_tells_what_a_judge_would_be_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Rule.rules["other"] = by_image
    second = "second_judge: {name: rule, rule: other}"
    text = SWEEP.replace("judge: rule,", f"judge: rule, judge_repeats: 3, repeat_items: 10, {second},")
    for share in (1, 0):
        (folder / "riddles.yaml").write_text(text)
        command = [str(folder / "riddles.yaml"), "--out", str(folder / "r" / "riddles")]
        assert sweep.main([*command, "--dry-run"]) == 0
        lines = capsys.readouterr().out.splitlines()
        # Unreadable replies are asked for again, up to three times in all.
        for check, images in (
            ("", 60),
            (", check repeat 1", 10),
            (", check repeat 2", 10),
            (", check second judge", 60),
        ):
            expected = f"images to be judged for wise-verified{check}: at most {images * share}, by at most "
            assert f"{expected}{3 * images * share} calls of the judge" in lines
        assert sweep.main(command) == 0


# --- what goes wrong ---


def test_prompts_that_are_not_there_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(folder / "cache"))
    (folder / "riddles.yaml").write_text(SWEEP.replace("prompts: verified, ", ""))
    assert sweep.main([str(folder / "riddles.yaml"), "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "get them by `evalharness fetch wise-verified`, or name a folder" in line


def test_unreadable_replies_and_errors_are_failures_with_reasons(folder: Path) -> None:
    def spoiled(prompt: JudgePrompt) -> str | SampleError:
        kind = int(prompt.image[:4], 16) % 6
        return SampleError("HTTP 500") if kind == 0 else "I cannot tell." if kind == 1 else by_image(prompt)

    Rule.rules["by image"] = spoiled
    first = row(run(folder, code=3))
    assert first["failed"] == 60 - first["scored"] > 0
    images = [prompt.image for prompt in Rule.asked]
    mute = {image for image in images if int(image[:4], 16) % 6 == 1}
    assert {images.count(image) for image in mute} == {3}, "three tries, then no more"
    with sqlite3.connect(folder / "r" / "store" / "store.sqlite") as db:
        kept = db.execute("SELECT count(*) FROM replies").fetchone()[0]
        reasons = {reason for (reason,) in db.execute("SELECT reason FROM failures")}
    assert kept == len(images) - sum(int(image[:4], 16) % 6 == 0 for image in images), "an error is no reply"
    assert reasons == {"HTTP 500", "no score in 3 replies of the judge, the last: 'I cannot tell.'"}

    run(folder, code=3)
    assert len(Rule.asked) == len(images), "what failed is not asked again"
    Rule.rules["by image"] = by_image
    assert row(run(folder, SWEEP, "--retry-failed"))["scored"] == 60
    assert {prompt.image for prompt in Rule.asked[len(images) :]} == set(images) - {
        image for image in images if int(image[:4], 16) % 6 > 1
    }


def test_no_reply_is_paid_for_twice_after_a_kill(folder: Path) -> None:
    (folder / "riddles.yaml").write_text(SWEEP + IN_PROCESS)
    command = [
        sys.executable,
        "-m",
        "evalharness.sweep",
        str(folder / "riddles.yaml"),
        "--out",
        str(folder / "r" / "riddles"),
    ]
    done = subprocess.run(command, env=os.environ | {"RULE_KILL_AT": "25"}, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert row(run(folder))["scored"] == 60
    assert len(Rule.asked) == 35


# --- trust ---


def test_repeats_flip_no_score(folder: Path) -> None:
    """The judge changes its mind about every third image when asked again."""

    def moody(prompt: JudgePrompt) -> str:
        flip = prompt.repeat and int(prompt.image[:4], 16) % 3 == 0
        return f"Score: {int(by_image(prompt)[-1]) ^ int(bool(flip))}"

    before = row(run(folder))
    Rule.rules["by image"] = moody
    Rule.asked.clear()
    results = run(folder, SWEEP.replace("judge: rule,", "judge: rule, judge_repeats: 3, repeat_items: 30,"))
    assert {prompt.repeat for prompt in Rule.asked} == {1, 2}
    assert len(Rule.asked) == 60
    assert row(results) == before
    images = {prompt.image for prompt in Rule.asked}
    assert len(images) == 30
    flipped = sum(int(image[:4], 16) % 3 == 0 for image in images)
    repeats = results["judging"]["wise-verified"]["repeats"]
    assert (repeats["times"], repeats["items"], repeats["samples"], repeats["missing"]) == (3, 30, 30, 0)
    assert repeats["flips"]["value"] == pytest.approx(flipped * 2 / 3 / 30)
    assert results["judging"]["wise-verified"]["spent"]["replies"] == 120
    page = (folder / "r" / "riddles" / "index.html").read_text()
    assert "Asked 3 times about the same image." in page
    assert "repeat 2" in (folder / "r" / "riddles" / "data" / "part-0.css").read_text()


def test_a_second_judge_agrees_or_not(folder: Path) -> None:
    """It sees the same but in chemistry, where it says the opposite."""
    chemistry = [f"number {number}\n" for number in WiseVerified.ids["chemistry"]]

    def contrary(prompt: JudgePrompt) -> str:
        bit = int(by_image(prompt)[-1])
        return f"Score: {1 - bit if any(words in text_of(prompt) for words in chemistry) else bit}"

    Rule.rules["contrary"] = contrary
    before = row(run(folder))
    results = run(folder, SWEEP.replace("judge: rule,", "judge: rule, second_judge: {name: rule, rule: contrary},"))
    assert row(results) == before
    assert len(Rule.asked) == 120
    (second,) = results["judging"]["wise-verified"]["seconds"]
    assert second["parts"] == "chemistry"
    assert (second["both"]["samples"], second["missing"]) == (60, 0)
    assert second["both"]["same"]["value"] == pytest.approx(1 - row(results)["category.chemistry.scored"] / 60)
    assert second["categories"]["chemistry"]["same"]["value"] == 0
    assert second["categories"]["culture"]["kappa"]["value"] == 1
    assert "They disagree most on chemistry." in (folder / "r" / "riddles" / "index.html").read_text()

    alone = SWEEP.replace("judge: rule,", "judge: {name: rule, rule: contrary},")
    Rule.asked.clear()
    run(folder, alone)
    assert Rule.asked == [], "a second judge's scores are those that it gives as the first"


def test_a_check_that_fails_leaves_the_score_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Rule.rules["by image"] = lambda prompt: SampleError("HTTP 503") if prompt.repeat else by_image(prompt)
    text = SWEEP.replace("judge: rule,", "judge: rule, judge_repeats: 2, repeat_items: 10,")
    text += "failures: {first: null}\n"  # else the repeats are given up after ten failures, and tried again
    results = run(folder, text, code=3)
    assert (row(results)["scored"], row(results)["failed"]) == (60, 0)
    assert results["judging"]["wise-verified"]["repeats"]["missing"] == 10
    assert results["judging"]["wise-verified"]["repeats"]["flips"]["value"] is None
    assert "of the checks 10 failed, the first: HTTP 503" in capsys.readouterr().out
    run(folder, text, code=3)
    assert len(Rule.asked) == 70
    Rule.rules["by image"] = by_image
    results = run(folder, text, "--retry-failed")
    assert len(Rule.asked) == 80
    assert results["judging"]["wise-verified"]["repeats"]["flips"]["value"] == 0


# --- files of the published programs ---


LEGACY = """\
name: marks
model: {name: mock, batch_size: 64}
benchmarks: [{name: wise-legacy, prompts: legacy, judge: {name: rule, rule: marks}, limit: 40}]
arms: [{name: single, variant: single_pass}]
"""


def marks(prompt: JudgePrompt) -> str:
    three = [int(digit, 16) % 3 for digit in prompt.image[:3]]
    return "Consistency: {}\nRealism: {}\nAesthetic Quality: {}".format(*three)


def export(folder: Path, benchmark: str) -> Path:
    out = folder / "out"
    run_folder = str(folder / "r" / "riddles")
    assert main.main(["export", run_folder, "--format", benchmark, "--arm", "single", "--out", str(out)]) == 0
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_an_export_has_the_published_form(folder: Path) -> None:
    Rule.rules["marks"] = marks
    run(folder, LEGACY.replace("name: marks\n", "name: riddles\n", 1))
    out = export(folder, "wise-legacy")
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"Results-own-rubric"}
    images = {path.stem for path in out.glob("*.png")}
    scores, full = [], []
    for name in ("cultural_common_sense", "spatio-temporal_reasoning", "natural_science"):
        scores += rows(out / "Results-own-rubric" / f"{name}_scores_results.jsonl")
        full += json.loads((out / "Results-own-rubric" / f"{name}_full_results.json").read_text())
    ids = sorted(int(name) for name in images)
    assert [entry["prompt_id"] for entry in scores] == ids == [entry["prompt_id"] for entry in full]
    for marked, entry in zip(scores, full, strict=True):
        image = hashlib.sha256((out / entry["image_path"]).read_bytes()).hexdigest()
        three = [float(int(digit, 16) % 3) for digit in image[:3]]
        names = ["prompt_id", "Subcategory", "consistency", "realism", "aesthetic_quality"]
        assert list(marked.items()) == list(zip(names, [entry["prompt_id"], "made up", *three], strict=True))
        assert entry["prompt"] == f"A riddle, number {entry['prompt_id']}"
        assert entry["key"] == f"It means thing {entry['prompt_id']}"
        assert entry["evaluation"].startswith("Consistency: ")


def test_an_exported_folder_is_scored_again_to_the_same(folder: Path) -> None:
    """And for nothing: an image's question is the same wherever the image comes from."""
    first = run(folder)
    export(folder, "wise-verified")
    count = len(Rule.asked)
    text = SWEEP.replace("model: painter", "model: {name: folder, path: out}")
    second = run(folder, text)
    names = [f"category.{name}" for name in WiseVerified.ids]
    assert [row(second)[name] for name in names] == [row(first)[name] for name in names]
    assert len(Rule.asked) == count


def test_several_images_a_prompt_have_no_place_in_the_layout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, SWEEP.replace("limit: 60", "limit: 6, samples: 2"))
    command = ["export", str(folder / "r" / "riddles"), "--format", "wise-verified", "--arm", "single"]
    assert main.main([*command, "--out", str(folder / "out")]) == 2
    assert "WISE's layout has one image a prompt" in capsys.readouterr().err
    assert not (folder / "out").exists()


CHECKOUT = os.environ.get("EVALHARNESS_WISE_CHECKOUT", "")


@pytest.mark.slow
@pytest.mark.skipif(not CHECKOUT, reason="EVALHARNESS_WISE_CHECKOUT names no checkout of PKU-YuanGroup/WISE")
@pytest.mark.parametrize("benchmark", [WiseVerified, WiseLegacy])
def test_the_published_summary_of_an_export_is_the_reports(folder: Path, benchmark: type[Any]) -> None:
    verified = benchmark is WiseVerified
    Rule.rules["marks"] = marks
    text = SWEEP if verified else LEGACY.replace("name: marks\n", "name: riddles\n", 1)
    summary = row(run(folder, text.replace(", limit: 60", "").replace(", limit: 40", "")), benchmark.name)
    out = export(folder, benchmark.name)
    script = Path(CHECKOUT, "calculate_verified.py" if verified else "WISE_legacy/Calculate.py")
    files = sorted(map(str, out.glob("Results-own-rubric/*_scores_results.jsonl")))
    done = subprocess.run([sys.executable, "-B", str(script), *files], capture_output=True, text=True, check=True)
    printed = [float(number) for number in done.stdout.split("Overall\n")[-1].split()]
    ours = [*(summary[f"category.{name}"] for name in benchmark.ids), summary["overall"]]
    assert printed == pytest.approx(ours, abs=0.00501), "theirs has two decimals"

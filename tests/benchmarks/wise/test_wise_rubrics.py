"""Rubrics: our own, a stand-in for the published script, and the published one where a checkout of it is named."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wise_prompt_files import prompt_entry

from evalharness._util.hashing import digest
from evalharness.benchmarks.wise.base import Wise
from evalharness.benchmarks.wise.legacy import WiseLegacy
from evalharness.benchmarks.wise.rubrics import PLACEHOLDER_ITEM, OfficialRubric
from evalharness.benchmarks.wise.verified import WiseVerified
from evalharness.errors import ConfigError
from evalharness.types.item import Item

BOTH: list[type[Wise]] = [WiseVerified, WiseLegacy]
CHECKOUT = os.environ.get("EVALHARNESS_WISE_CHECKOUT", "")
SCRIPT = """\
import argparse

ROLE = "You look at pictures."


def build_evaluation_messages(prompt_data, image_base64):
    words = f"Riddle: {prompt_data['Prompt']} Answer: {prompt_data['Explanation']}"
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image_base64}"}}
    return [
        {"role": "system", "content": [{"type": "text", "text": ROLE}]},
        {"role": "user", "content": [{"type": "text", "text": words}, picture]},
    ]


if __name__ == "__main__":
    raise RuntimeError("nobody runs this")
"""


def item(prompt: str = "A riddle", explanation: str = "Its answer") -> Item:
    metadata = prompt_entry(7, "culture", Prompt=prompt, Explanation=explanation)
    return Item("7", prompt, "culture", metadata)


def rubric(path: Path, benchmark: type[Wise] = WiseVerified) -> OfficialRubric:
    return OfficialRubric(path, benchmark.scripts, benchmark.rubric_digest)


def checkout(folder: Path, text: str = SCRIPT, benchmark: type[Wise] = WiseVerified) -> Path:
    script = folder / benchmark.scripts[0]
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text)
    return folder


# --- our own ---


@pytest.mark.parametrize("benchmark", BOTH)
def test_the_own_rubric_is_a_system_message_then_words_then_the_image(benchmark: type[Wise]) -> None:
    system, user = benchmark.project_rubric.messages(item("One {thing}", "100 % {}"), "aW1hZ2U=")
    assert (system["role"], user["role"]) == ("system", "user")
    words, picture = user["content"]
    assert "Description: One {thing}\nReference answer: 100 % {}\n" in words["text"]
    assert picture == {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1hZ2U="}}


@pytest.mark.parametrize("benchmark", BOTH)
def test_the_own_rubric_asks_for_what_is_read(benchmark: type[Wise]) -> None:
    text = benchmark.project_rubric.messages(item(), "")[1]["content"][0]["text"]
    forms = ('"Score: 1"', '"Score: 0"') if benchmark is WiseVerified else ("Consistency, Realism, Aesthetic Quality",)
    assert all(form in text for form in forms)


@given(st.text(), st.text())
def test_a_digest_is_of_the_rubric_alone(prompt: str, explanation: str) -> None:
    """What an item says goes in as it is, and changes nothing else."""
    plain = WiseVerified.project_rubric
    text = plain.messages(item(prompt, explanation), "")[1]["content"][0]["text"]
    head, tail = plain.text.split("{prompt}")[0], plain.text.split("{explanation}")[1]
    assert text.startswith(head + prompt)
    assert text.endswith(explanation + tail)
    assert plain.digest() == digest(plain.messages(PLACEHOLDER_ITEM, "")) != WiseLegacy.project_rubric.digest()


# --- a checkout ---


@pytest.mark.parametrize("benchmark", BOTH)
def test_a_checkout_builds_its_messages_itself(benchmark: type[Wise], tmp_path: Path) -> None:
    published = rubric(checkout(tmp_path, benchmark=benchmark), benchmark)
    namespace: dict[str, Any] = {"__name__": "elsewhere"}
    exec(SCRIPT, namespace)
    expected = namespace["build_evaluation_messages"](dict(item().metadata), "aW1hZ2U=")
    assert json.dumps(published.messages(item(), "aW1hZ2U=")) == json.dumps(expected)
    assert published.name == "changed official rubric"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written == [tmp_path / benchmark.scripts[0]], "no __pycache__"


def test_the_script_itself_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT)
    assert rubric(tmp_path / "mine.py").messages(item(), "AA")[0]["role"] == "system"


def test_an_other_role_is_another_digest(tmp_path: Path) -> None:
    digests = {
        rubric(checkout(tmp_path / str(number), SCRIPT.replace("pictures", word))).digest()
        for number, word in enumerate(("pictures", "images", "images"))
    }
    assert len(digests) == 2


def test_the_published_digest_has_the_published_name(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    published = rubric(folder).digest()
    assert OfficialRubric(folder, WiseVerified.scripts, published).name == "official rubric"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_to_be_found", "cannot be imported: No module named 'nowhere_to_be_found'; install"),
        ("def (", "vllm_eval.py cannot be run: SyntaxError"),
        ("raise SystemExit(3)", "vllm_eval.py cannot be run: SystemExit: 3"),
        ("\0", "vllm_eval.py cannot be run: "),
        ("x = 1", r"vllm_eval.py has no function build_evaluation_messages\(item, image\)"),
        ("def build_evaluation_messages(a): ...", "vllm_eval.py fails: TypeError"),
        ("def build_evaluation_messages(a, b): return a['nothing']", "vllm_eval.py fails: KeyError: 'nothing'"),
        ("def build_evaluation_messages(a, b): return 'text'", "vllm_eval.py returns no list of messages"),
        ("def build_evaluation_messages(a, b): return [{'x': {1}}]", "vllm_eval.py returns what is not JSON"),
        ("def build_evaluation_messages(a, b): return [{'x': 'text'}]", "vllm_eval.py leaves out the image"),
    ],
)
def test_a_script_that_does_not_do(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        rubric(checkout(tmp_path, text)).digest()


def test_a_folder_without_the_script(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no vllm_eval.py; name a checkout of PKU-YuanGroup/WISE"):
        rubric(tmp_path).digest()


# --- the published one ---


@pytest.mark.skipif(not CHECKOUT, reason="EVALHARNESS_WISE_CHECKOUT names no checkout of PKU-YuanGroup/WISE")
class TestPublished:
    @pytest.mark.parametrize("benchmark", BOTH)
    def test_the_request_is_theirs_to_the_byte(self, benchmark: type[Wise]) -> None:
        """Their module, imported by another process as they import it, against ours."""
        image = base64.b64encode(bytes(range(256))).decode()
        riddle = item('A "riddle" {x}', "Süß: 100 %\n饼")
        script = Path(CHECKOUT, benchmark.scripts[0])
        code = (
            f"import json, sys; import {script.stem} as theirs\n"
            "print(json.dumps(theirs.build_evaluation_messages(*json.load(sys.stdin))))"
        )
        arguments = json.dumps([dict(riddle.metadata), image])
        command = [sys.executable, "-B", "-c", code]
        environment = os.environ | {"PYTHONPATH": str(script.parent)}
        done = subprocess.run(command, input=arguments, capture_output=True, text=True, check=True, env=environment)
        official = rubric(Path(CHECKOUT), benchmark)
        assert json.dumps(official.messages(riddle, image)) == done.stdout.strip()
        assert (official.name, official.digest()) == ("official rubric", benchmark.rubric_digest)

    def test_our_words_are_not_theirs(self) -> None:
        """No run of eight words is shared with the published rubrics."""
        for benchmark in BOTH:
            published = rubric(Path(CHECKOUT), benchmark).messages(PLACEHOLDER_ITEM, "AAAA")[1]["content"][0]["text"]
            both = [text.lower().split() for text in (benchmark.project_rubric.text, published)]
            runs = [{tuple(words[place : place + 8]) for place in range(len(words))} for words in both]
            assert not {run for run in runs[0] & runs[1] if len(run) == 8}

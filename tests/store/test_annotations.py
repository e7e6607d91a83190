"""What people say of verdicts: what is kept, what replaces what, and what is refused with its line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.errors import ConfigError
from evalharness.store.annotations import FILE, Annotation, add_annotations, of_store, read_annotations

IMAGE = "ab" * 32
LINE = {"benchmark": "geneval", "item": "00001", "image": IMAGE, "verdict": "agree", "score": 1}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "saved.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@given(st.sampled_from(["agree", "disagree"]), st.sampled_from([0.0, 0.5, 1.0]))
def test_who_disagrees_with_right_finds_it_wrong_and_the_other_way_round(verdict: str, score: float) -> None:
    found = Annotation("b", "i", IMAGE, verdict, score).right
    assert found == ((score == 1) if verdict == "agree" else (score < 1))


def test_a_later_word_of_the_same_person_replaces_the_earlier(tmp_path: Path) -> None:
    first = read_annotations(written(tmp_path, LINE, LINE | {"note": "a cat", "verdict": "disagree"}), by="ann")
    assert [(one.verdict, one.note, one.by) for one in first] == [("disagree", "a cat", "ann")]
    assert add_annotations(tmp_path, first) == 1
    assert add_annotations(tmp_path, read_annotations(written(tmp_path, LINE), by="ann")) == 1
    assert add_annotations(tmp_path, read_annotations(written(tmp_path, LINE), by="bob")) == 2
    assert [(one.by, one.verdict) for one in of_store(tmp_path)] == [("ann", "agree"), ("bob", "agree")]


def test_a_note_may_have_any_separator_that_a_browser_leaves_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    path.write_text(json.dumps(LINE | {"note": "one\u2028two"}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [one.note for one in read_annotations(path)] == ["one\u2028two"]


def test_a_store_without_annotations_has_none(tmp_path: Path) -> None:
    assert of_store(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nothing", "has the texts benchmark, item, image, verdict"),
        (LINE | {"verdict": "maybe"}, "must be agree or disagree, got 'maybe'"),
        (LINE | {"image": "../../etc/passwd"}, "must be a SHA-256"),
        (LINE | {"score": 7}, "a number from 0 to 1"),
        (LINE | {"score": True}, "a number from 0 to 1"),
        (LINE | {"note": "x" * 2001}, "at most 2000 characters"),
        (LINE | {"item": 3}, "has the texts"),
    ],
)
def test_a_line_that_is_none_is_named_with_its_number(tmp_path: Path, line: object, words: str) -> None:
    with pytest.raises(ConfigError, match=r"saved\.jsonl:2: ") as error:
        read_annotations(written(tmp_path, LINE, line))
    assert words in str(error.value)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    path.write_text("agree\n")
    with pytest.raises(ConfigError, match=r"saved\.jsonl:1: this line is not JSON"):
        read_annotations(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_annotations(tmp_path / "none")


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_store_keeps_any_words(note: str, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        one = Annotation("geneval", "00001", IMAGE, "agree", 0.5, note, name)
        try:
            add_annotations(Path(folder), [one])
        except UnicodeEncodeError:
            return  # a lone surrogate, which no file of UTF-8 holds
        assert of_store(Path(folder)) == [one]
        assert asdict(one) == json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))

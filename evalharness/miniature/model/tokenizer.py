"""The miniature's words: a closed vocabulary, phrases as single tokens.

``traffic light`` is one token and a plural is the singular and a plural mark, so that a class is one symbol wherever it
stands. A word outside the vocabulary is an error that names it: the model would only guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalharness._util.text import plural
from evalharness.errors import SampleError, did_you_mean
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES
from evalharness.miniature.world.knowledge import FACTS

MARKERS = (
    "<pad>", "<text>", "</text>", "<image>", "<think>", "</think>", "<ins>", "</ins>", "<des>", "</des>",
    "<inspect>", "</inspect>", "<refine>", "</refine>", "<end>",
)  # fmt: skip
_WORDS = (
    "a photo of", "a", "and", "is", "not", "the", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "left of", "right of", "above", "below", ";", "another", "more", "one", "nothing", "ok",
    "add", "remove", "make", "move", "change", "into", "clear", "smudge", "missing", "too many", "should be",
    "should not be there", "in", "with", "of", "to", "photo", "picture",
)  # fmt: skip
IMAGE, IMAGE_END = "<image>", "</image>"
"""What stands before and after a canvas, in checkpoints that learned to switch to pictures and back by themselves."""
_PLURAL = "~s"
_KNOWLEDGE_WORDS = ("as", "many", *sorted({word for fact in FACTS for word in fact.phrase.lower().split()}))
VOCABULARY: tuple[str, ...] = tuple(
    dict.fromkeys((*MARKERS, _PLURAL, *_WORDS, *COLOR_NAMES, *CLASSES, *_KNOWLEDGE_WORDS, IMAGE_END))
)
_LONGEST = max(len(entry.split()) for entry in VOCABULARY)
_PIECE = re.compile(r"</?[a-z]+>|[^\s<>,.;]+|[<>;]")


class Tokenizer:
    """Text to ids and back.

    >>> t = Tokenizer()
    >>> t.decode(t.encode("a photo of two baseball bats and an orange bus"))
    'a photo of two baseball bats and an orange bus'
    """

    def __init__(self, vocabulary: Sequence[str] = VOCABULARY) -> None:
        self.vocabulary = tuple(vocabulary)
        self._ids = {entry: i for i, entry in enumerate(self.vocabulary)}
        # GenEval's own prompts have plurals such as "benchs": they mean the same.
        self._plurals = {name + ending: name for name in CLASSES for ending in ("s", "es")}
        self._plurals |= {plural(name): name for name in CLASSES}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def id(self, entry: str) -> int:
        """The id of one vocabulary entry."""
        return self._ids[entry]

    def encode(self, text: str) -> list[int]:
        """Ids of a text; SampleError for a word that the model never learnt. Case, commas and full stops do not
        matter; a semicolon stands between the clauses of a description.
        """
        words = ["a" if word == "an" else word for word in _PIECE.findall(text.lower())]
        ids: list[int] = []
        at = 0
        while at < len(words):
            for length in range(min(_LONGEST, len(words) - at), 0, -1):
                phrase = " ".join(words[at : at + length])
                if phrase in self._ids:
                    ids.append(self._ids[phrase])
                    break
                if phrase in self._plurals:
                    name = self._plurals[phrase]
                    ids += [self._ids[name]] + [self._ids[_PLURAL]] * (plural(name) != name)
                    break
            else:
                known = {word for entry in self.vocabulary for word in entry.split() if word[0].isalpha()}
                hint = did_you_mean(words[at], known)
                hint = hint if hint.startswith("; did") else ""
                raise SampleError(f"{words[at]!r} is not in the miniature's vocabulary{hint}")
            at += length
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, with ``an`` where it belongs and plurals written out.

        Whatever a model writes can be read again: a plural mark after anything but a class stays a mark.
        """
        words: list[str] = []
        for entry in (self.vocabulary[i] for i in ids):
            if entry == _PLURAL and words and words[-1] in CLASSES:
                words[-1] = plural(words[-1])
            else:
                words.append(entry)
        text = " ".join(words).replace(" ;", ";")
        return re.sub(r"\ba (?=[aeiou])", "an ", text)

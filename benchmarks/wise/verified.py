"""The benchmark ``wise-verified``: WISE_Verified, the published protocol since 2026-04-19."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from evalharness.judges.parsing import OFFICIAL, Parser

from .base import Wise, published
from .prompt_files import CATEGORIES
from .published_replies import read_published_bit
from .replies import read_bit
from .rubrics import OwnRubric

RUBRIC = OwnRubric(
    system="You compare pictures with a reference answer. You reply in the form that is asked for and in no other.",
    text="""\
A program was given a description and made the attached picture of it. The description hints at something that it does \
not say; the reference answer says it. Decide whether the picture shows it.

Description: {prompt}
Reference answer: {explanation}

Go by the reference answer. The picture passes only if

- all that the description asks for is there, as the reference answer understands it;
- whatever the reference answer rests on is right: which thing it is, its state, number, place or time, what it does, \
how it stands to other things;
- nothing in it contradicts the reference answer;
- all of this can be seen: nothing that matters is garbled, deformed, melted together or hidden.

It fails if anything of this is missing or wrong, if it illustrates the words of the description but not what they \
mean, and if you cannot be sure. Style, beauty, composition and likeness to a photograph make no difference.

Reply with one line and nothing else: "Score: 1" if the picture passes, "Score: 0" if it fails.""",
)


class WiseVerified(Wise):
    """1,000 prompts; each image is right or wrong. Culture has weight 0.40, the five other categories 0.12 each."""

    name = "wise-verified"
    max_tokens = 500
    protocol_judge = "Qwen3.5-35B-A3B"
    thinking_off = True
    ids: ClassVar[Mapping[str, range]] = {
        "culture": range(1, 401),
        "time": range(401, 521),
        "space": range(521, 641),
        "biology": range(641, 761),
        "physics": range(761, 881),
        "chemistry": range(881, 1001),
    }
    weights: Mapping[str, float] = dict.fromkeys(CATEGORIES, 0.12) | {"culture": 0.40}
    original = published(
        "wise/verified",
        "data_verified",
        {
            "cultural_common_sense_verified.json": (
                "23482925266e2784b2ba24b75239fdc6691bf85ae253d2c4aa38b71b45fefa89",
                119_062,
            ),
            "spatio-temporal_reasoning_verified.json": (
                "42c0b9d829365e392c2d4af283850dc76b1f922ab0c79198366de4f306eaf2b6",
                109_695,
            ),
            "natural_science_verified.json": (
                "6f346c336f16f611e5c73e0fcacdccb336c200d534cf111526b22d50ea912555",
                177_868,
            ),
        },
    )
    assets = original
    sets: ClassVar = {"original": original}
    digests: ClassVar = {"original": "ca351a62d2cbaa12b2dbe59eb094b665739572579b865b021c89f5704f1cfd49"}
    project_rubric = RUBRIC
    scripts = ("vllm_eval.py",)
    rubric_digest = "470ce96295fea042f310dde919ad52416af6424fe19ee6269b0faac784434816"
    read = staticmethod(read_bit)
    published_parser = Parser(OFFICIAL, read_published_bit, unchanged=True)

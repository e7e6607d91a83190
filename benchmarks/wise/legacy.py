"""The benchmark ``wise-legacy``: the protocol of the WISE paper, with three marks for each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from evalharness.judges.parsing import OFFICIAL, Parser

from .base import Wise, published
from .published_replies import LEGACY_RANGE, read_published_scales
from .replies import read_scales
from .rubrics import OwnRubric

RUBRIC = OwnRubric(
    system="You mark pictures against a reference answer. You reply in the form that is asked for and in no other.",
    text="""\
A program was given a description and made the attached picture of it. The description hints at something that it does \
not say; the reference answer says it.

Description: {prompt}
Reference answer: {explanation}

Give the picture three marks, each 0, 1 or 2.

Consistency: does it show what the description means, going by the reference answer?
  2 all of it, nothing missing and nothing wrong
  1 the main thing, but something else is missing or wrong
  0 something else, or only the words of the description and not what they mean
Realism: could it be a photograph? Look at light, materials, anatomy, perspective, the laws of nature.
  2 nothing gives it away
  1 believable, with flaws that can be seen
  0 plainly artificial, deformed or impossible
Aesthetic Quality: composition, colours, craft.
  2 outstanding
  1 pleasing, without being more than that
  0 poor

A 2 is for a picture that leaves nothing to object to. Where you hesitate between two marks, give the lower one.

Reply with three lines and nothing else: each mark's name, a colon and the mark, in this order:
Consistency, Realism, Aesthetic Quality.""",
)

ORIGINAL = {
    "cultural_common_sense.json": ("7a59216c768698280cea37caa574b52f3faf054d73b398b9bb6b3161baf8e3aa", 125_062),
    "spatio-temporal_reasoning.json": ("e27d797885ad86e64d857d0cc93d33e04be572a8dcae95692a2c7e7876233f9a", 100_831),
    "natural_science.json": ("b262fae58e413c7a4bd3c3d5a089f8c6529feac227e4b6606be261a949035544", 117_085),
}
REWRITTEN = {
    "cultural_common_sense_rewrite.json": (
        "4383290c349703776c24cfa864bfa3e065dae2e3f408cf46af702f2b7affea9f",
        103_194,
    ),
    "spatio-temporal_reasoning_rewrite.json": (
        "f63c98fff301e81c3ca6d3918683fb49757c3159d9b9e45dda8b2c9cf6a75d64",
        94_700,
    ),
    "natural_science_rewrite.json": ("6aee690e100ffb65b292de3fbe35ce89fa1ca2b92063a99d227d04eaa51af2b3", 127_831),
}


class WiseLegacy(Wise):
    """1,000 prompts, scored for consistency, realism and aesthetic quality with weights 0.7, 0.2 and 0.1.

    ``prompts: rewritten`` selects the published prompts that state what the original ones only imply.
    """

    name = "wise-legacy"
    max_tokens = 2000
    protocol_judge = "gpt-4o-2024-05-13"
    ids: ClassVar[Mapping[str, range]] = {
        "culture": range(1, 401),
        "time": range(401, 568),
        "space": range(568, 701),
        "biology": range(701, 801),
        "physics": range(801, 901),
        "chemistry": range(901, 1001),
    }
    weights: Mapping[str, float] = {
        "culture": 0.4,
        "time": 0.167,
        "space": 0.133,
        "biology": 0.1,
        "physics": 0.1,
        "chemistry": 0.1,
    }
    sets: ClassVar = {
        "original": published("wise/legacy", "WISE_legacy/data", ORIGINAL),
        "rewritten": published("wise/legacy", "WISE_legacy/data", REWRITTEN),
    }
    assets = (*sets["original"], *sets["rewritten"])
    digests: ClassVar = {
        "original": "e2dcb5fba7c37d6dd251fb28826f7702fa99afa72732816a922c23059f5a8bda",
        "rewritten": "23786297cc8787d39b6cda784dda50daaf1fe9d8d324714fe4388b313539eb8c",
    }
    project_rubric = RUBRIC
    scripts = ("WISE_legacy/gpt_eval.py", "gpt_eval.py")
    rubric_digest = "5ae1f28544522a335e7f93e8fbb306868a213922c8defe1f835c085d5e7ff763"
    read = staticmethod(read_scales)
    published_parser = Parser(OFFICIAL, read_published_scales, unchanged=True, score_range=LEGACY_RANGE)

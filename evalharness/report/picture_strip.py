"""The pictures on the first screen: a few prompts, and what the arms made of them, where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from urllib.parse import urlencode

import numpy as np

from evalharness._util.hashing import digest
from evalharness.analysis.arms import baseline, records
from evalharness.analysis.grid import Grid, grid
from evalharness.report.formatting import MISSING
from evalharness.report.gallery import GalleryContent
from evalharness.report.gallery_choice import ranked
from evalharness.report.report_images import ReportImages
from evalharness.report.verdicts import Verdict, verdict
from evalharness.store.results import Results

ROWS, ARMS = 4, 6
"""The most prompts and arms that are shown."""
SOME_DIFFER = (
    "Chosen by rule, not by eye: prompts on which the arms’ verdicts differ, so that every comparison’s fixed and "
    "broken images are shown as evenly as possible; a hash breaks ties. Images on which arms differ are rarer "
    "in the run than here."
)
ABSENT = Verdict("pending", MISSING)
"""Of an arm that has no sample of a prompt."""
NONE_DIFFERS = "No verdict differs between these arms in the images of this report; a hash chose the prompts."


@dataclass(frozen=True, slots=True)
class StripPicture:
    """An arm's picture of a prompt: ``source`` is empty if there is none; ``href`` leads to it in the gallery."""

    arm: str
    source: str
    href: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class StripRow:
    prompt: str
    pictures: list[StripPicture]


@dataclass(frozen=True, slots=True)
class PictureStrip:
    """Pictures of ``arms`` of ``of`` arms, and the rule by which the prompts were chosen."""

    arms: list[str]
    of: int
    rows: list[StripRow]
    rule: str


def picture_strip(
    results: Results,
    benchmark: str,
    leads: Sequence[str],
    gallery: GalleryContent,
    images: ReportImages,
    pairs: Sequence[tuple[str, str]] = (),
    page: str = "",
) -> PictureStrip | None:
    """The strip of a benchmark, from the samples that the gallery shows; ``None`` without a picture.

    Args:
        results: the run's results.
        benchmark: name of the benchmark.
        leads: the arms that are shown before others if there are too many.
        gallery: what the gallery shows.
        images: the report's images.
        pairs: the arms whose verdicts are to differ; by default any two.
        page: the page that the pictures lead to; by default the gallery of this one.
    """
    samples = gallery.shown
    scores = grid(replace(results, samples=samples), benchmark) if (samples["benchmark"] == benchmark).any() else None
    if scores is None:
        return None
    arms = _arms(scores.arms, baseline(results.arms), leads)
    known = [pair for pair in pairs if set(pair) <= set(arms)]
    rows, differ = _rows(scores, known or list(permutations(arms, 2)))
    by_case = {
        (row["item"], row["seed_index"], row["arm"]): row for row in records(samples[samples["benchmark"] == benchmark])
    }
    shown = []
    for row in rows:
        item, seed = str(scores.ids[scores.items[row]]), int(scores.seeds[row])
        pictures, prompt = [], ""
        for arm in arms:
            sample = by_case.get((item, seed, arm))
            if sample is None:
                pictures.append(StripPicture(arm, "", "", ABSENT))
                continue
            prompt = str(sample["prompt"])
            source = images.shown_small(sample["image"]) if images.add(sample["image"]) else ""
            place = "/".join((benchmark, item, str(seed), arm))
            words = verdict(sample["state"], sample["score"])
            pictures.append(StripPicture(arm, source, f"{page}#" + urlencode({"arm": "*", "sample": place}), words))
        shown.append(StripRow(prompt, pictures))
    if not any(picture.source for row in shown for picture in row.pictures):
        return None
    return PictureStrip(arms, len(scores.arms), shown, SOME_DIFFER if differ else NONE_DIFFERS)


def _arms(arms: Sequence[str], reference: str | None, leads: Sequence[str]) -> list[str]:
    """The baseline, the leads, then the others until there are enough; in the order of the run."""
    wanted = dict.fromkeys([*([reference] if reference in arms else []), *leads, *arms])
    chosen = set(list(wanted)[:ARMS])
    return [arm for arm in arms if arm in chosen]


def _rows(scores: Grid, pairs: Sequence[tuple[str, str]]) -> tuple[list[int], bool]:
    """The rows of a grid that are shown, and whether arms of these pairs differ on them."""
    ordered = dict.fromkeys(two for one, other in pairs for two in ((one, other), (other, one)))
    links = np.stack(
        [scores.column(one) > scores.column(other) for one, other in ordered]
        or [np.zeros(len(scores.items), dtype=bool)],
        axis=1,
    )
    cases = zip(scores.items, scores.seeds, strict=True)
    keys = [digest(["strip", str(scores.ids[item]), int(seed)]) for item, seed in cases]
    order = np.argsort(keys, kind="stable")
    differing = order[links[order].any(axis=1)]
    if not len(differing):
        return [int(row) for row in order[: ROWS // 2]], False
    places = ranked(links[differing])
    chosen: list[int] = []
    items: set[int] = set()
    for place in places:
        row = int(differing[place])
        if int(scores.items[row]) not in items:
            items.add(int(scores.items[row]))
            chosen.append(row)
        if len(chosen) == ROWS:
            break
    return chosen, True

"""The run that never happened, with the words of the miniature and a verdict on every picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from report_fakes import INJECTION, fake_results

from evalharness.store.results import Judged, Results

PLAN = "<ins> add a red cat at left </ins> <des> a red cat at left </des>"
SKETCHED = "<inspect> a dog at left should be a red cat </inspect>"


def chosen_results(folder: Path, *, prompts: int = 12) -> Results:
    """Each even iteration is refined: in iteration 2 of a sketch that departs from its plan, else of what no rule can
    read. A picture is right or wrong by its digest.
    """
    found = fake_results(folder, prompts=prompts, missing=False)

    def steps(key: str) -> list[dict[str, Any]]:
        return [_said(step, INJECTION if "00007" in key else "") for step in found.steps(key)]

    def judged(benchmark: str, item: str, images: Sequence[str]) -> Mapping[str, Judged]:
        key = found.samples["score_key"].iloc[-1]
        return {image: _verdict(image, key) for image in images}

    return replace(found, steps=steps, judged=judged)


def _said(step: dict[str, Any], more: str) -> dict[str, Any]:
    texts = {"plan": PLAN, "inspect": {2: SKETCHED, 4: "<inspect> so " + more}.get(step["iteration"], "<inspect> ok"),
             "refine": "<refine> change to a red cat at left </refine>"}  # fmt: skip
    return step | {"text": texts.get(step["kind"], "")}


def _verdict(image: str, key: str) -> Judged:
    right = hashlib.sha256(image.encode()).digest()[0] % 2 == 0
    return Judged(float(right), "" if right else f"expected cat>=1 {INJECTION}", key)

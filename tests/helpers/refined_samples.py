"""The results of ``report_samples``, with the words of the miniature and a verdict on every picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from report_samples import INJECTION, sample_results

from evalharness.store.results import Judged, Results

PLAN = "<ins> add a red cat </ins> <des> a red cat </des>"
SKETCHED = "<inspect> a dog should be a red cat </inspect>"


def refined_results(folder: Path, *, prompts: int = 12) -> Results:
    """Each even iteration is refined: in iteration 2 of a sketch that departs from its plan, else of what no rule can
    read. A picture is right or wrong by its digest.
    """
    run = sample_results(folder, prompts=prompts, missing=False)

    def steps(key: str) -> list[dict[str, Any]]:
        return [_with_text(step, INJECTION if "00007" in key else "") for step in run.steps(key)]

    def judged(benchmark: str, item: str, images: Sequence[str]) -> Mapping[str, Judged]:
        key = run.samples["score_key"].iloc[-1]
        return {image: _verdict(image, key) for image in images}

    return replace(run, steps=steps, judged=judged)


def _with_text(step: dict[str, Any], addition: str) -> dict[str, Any]:
    inspected = {2: SKETCHED, 4: f"<inspect> so {addition}"}
    texts = {
        "plan": PLAN,
        "inspect": inspected.get(step["iteration"], "<inspect> ok"),
        "refine": "<refine> Change the dog into a red cat </refine>",
    }
    return step | {"text": texts.get(step["kind"], "")}


def _verdict(image: str, key: str) -> Judged:
    right = hashlib.sha256(image.encode()).digest()[0] % 2 == 0
    return Judged(float(right), "" if right else f"expected cat>=1 {INJECTION}", key)

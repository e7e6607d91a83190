"""What the gallery reads.

``data/samples.css`` holds a row for every sample, ``data/part-N.css`` the trajectories and the scorers' evidence of a
few prompts each, loaded when one is opened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Analysis
from evalharness.analysis.arms import baseline, records
from evalharness.errors import EvalHarnessError
from evalharness.report.choice import Cases, Weigher, choice, said
from evalharness.report.pictures import Numbered, Pictures
from evalharness.report.sheets import write_sheet
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

ITEMS_PER_PART = 25
MOST = 20_000
"""Samples; of more a part is shown (:mod:`evalharness.report.choice`)."""
STATES = ("pending", "generated", "scored", "failed")
COSTS = ("iterations", "evaluations", "tokens")
FIELDS = ("item", "seed", "arm", "state", "score", "reason", "image", *COSTS, "seconds")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a gallery carries: ``samples`` of all that the run has, and how they were chosen if they are not all."""

    samples: int
    of: int
    rule: str
    warnings: list[str]


def write_gallery(
    results: Results,
    analyses: Sequence[Analysis],
    lead: str | None,
    folder: Path,
    before: Path,
    *,
    most: int = MOST,
    megabytes: float | None = None,
) -> Shown:
    """Write ``data/`` and ``images/`` under ``folder``. ``lead`` is the arm shown first.

    ``most`` samples at most; their images, trajectories and evidence take about ``megabytes`` at most.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    samples, rule = results.samples, ""
    if len(samples) > most or megabytes is not None:
        samples, rule = _part_of(results, analyses, most, math.inf if megabytes is None else 1e6 * megabytes)
    pictures = Pictures(results, folder, before)
    _Gallery(results, pictures, folder / "data").write(samples, lead)
    found = []
    if missing := len(pictures.missing):
        files = "image file is" if missing == 1 else "image files are"
        found.append(f"{missing} {files} missing from the store; the page shows an empty place instead.")
    return Shown(len(samples), len(results.samples), rule, found)


class _Gallery:
    def __init__(self, results: Results, pictures: Pictures, folder: Path) -> None:
        self.results, self.pictures, self.folder = results, pictures, folder
        self.reasons, self.items = Numbered(), Numbered()

    def write(self, frame: pd.DataFrame, lead: str | None) -> None:
        arms, benchmarks = records(self.results.arms), self.results.info["benchmarks"]
        order = {arm["arm"]: place for place, arm in enumerate(arms)}
        samples = _ordered(frame, order)
        rows = [self._row(sample, order) for sample in samples]
        parts: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            parts.setdefault(row[0] // ITEMS_PER_PART, []).append(index)
        for number, members in parts.items():
            write_sheet(self.folder, f"part-{number}", self._part(samples, members))
        index_data = {
            "arms": [arm["arm"] for arm in arms],
            "caps": [_whole(arm["max_iterations"]) for arm in arms],
            "baseline": baseline(self.results.arms),
            "lead": lead,
            "titles": {name: about.get("title", name) for name, about in benchmarks.items()},
            "items": self.items.values(),
            "itemsPerPart": ITEMS_PER_PART,
            "states": STATES,
            "fields": FIELDS,
            "samples": rows,
            "reasons": self.reasons.values(),
            "images": self.pictures.values(),
            "thumbs": self.pictures.thumbnails(),
            "of": len(self.results.samples),
        }
        write_sheet(self.folder, "samples", index_data)

    def _row(self, sample: dict[str, Any], order: dict[str, int]) -> list[Any]:
        item = (sample["benchmark"], sample["item"], sample["category"], sample["prompt"])
        return [
            self.items.place(item),
            _whole(sample["seed_index"]),
            order[sample["arm"]],
            STATES.index(sample["state"]),
            sample["score"] if sample["state"] == "scored" else None,
            self.reasons.place(sample["reason"] if isinstance(sample["reason"], str) else ""),
            self.pictures.show(sample["image"]),
            *(_whole(sample[name]) for name in COSTS),
            _rounded(sample["seconds"]),
        ]

    def _part(self, samples: list[dict[str, Any]], members: list[int]) -> dict[str, Any]:
        """The trajectories and details of some samples; arms that share one refer to the same entry."""
        trajectories, details = Numbered(), Numbered()
        places: dict[int, list[int | None]] = {}
        for index in members:
            keys = (samples[index]["trajectory"], samples[index]["score_key"])
            tables = (trajectories, details)
            places[index] = [
                table.place(key) if isinstance(key, str) else None for table, key in zip(tables, keys, strict=True)
            ]
        return {
            "samples": places,
            "trajectories": [self._steps(str(key)) for key in trajectories.values()],
            "details": [self.results.details(str(key)) for key in details.values()],
        }

    def _steps(self, key: str) -> list[dict[str, Any]]:
        shown: dict[str, Callable[[Any], Any]] = {"image": self.pictures.show, "seconds": _rounded, "seed": _digits}
        return [step | {name: show(step[name]) for name, show in shown.items()} for step in self.results.steps(key)]


def _part_of(results: Results, analyses: Sequence[Analysis], most: int, size: float) -> tuple[pd.DataFrame, str]:
    """The samples of as many cases, in turn, as there is room for; and the rule, empty if that is all of them."""
    chosen, own = choice(results, analyses), Cases(results.samples)
    weigher, kept, count, weight = Weigher(results), [], 0, 0
    for case in chosen.in_turn():
        count += own.count(case)
        weight += weigher.added(own.rows(case)) if size < math.inf else 0
        if count > most or weight > size:
            break
        kept.append(case)
    if len(kept) == len(chosen.cases):
        return results.samples, ""
    if not kept:
        raise EvalHarnessError(
            f"the gallery has no room for a single prompt, which takes {weight / 1e6:.1f} MB; allow more"
        )
    return own.frame(kept), said(chosen, kept)


def _ordered(samples: pd.DataFrame, order: dict[str, int]) -> list[dict[str, Any]]:
    """By item in the order of the run, then seed, then arm."""
    import pandas as pd

    item = pd.factorize(pd.MultiIndex.from_frame(samples[["benchmark", "item"]]))[0]
    keyed = samples.assign(_item=item, _arm=samples["arm"].map(order))
    keyed = keyed.sort_values(["_item", "seed_index", "_arm"], kind="stable")
    return records(keyed.drop(columns=["_item", "_arm"]))


def _whole(value: Any) -> int | None:
    return None if value is None or value != value or str(value) == "<NA>" else int(value)


def _digits(seed: Any) -> str | None:
    """Text: a seed has more digits than JavaScript's numbers."""
    return None if seed is None else str(seed)


def _rounded(value: Any) -> float | None:
    return None if value is None or value != value else round(float(value), 3)

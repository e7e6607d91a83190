"""The data of the gallery.

``data/samples.css`` holds a row for every sample. ``data/part-N.css`` holds the trajectories and the scorer's details
of a few prompts each; the page loads it when a sample is opened. Each sheet names the images that it refers to, so that
a page that shows final images alone does not read the names of all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Analysis
from evalharness.analysis.arms import baseline, families, records
from evalharness.errors import EvalHarnessError
from evalharness.report.data_sheets import write_sheet
from evalharness.report.gallery_choice import GallerySize, SamplesByCase, choice
from evalharness.report.report_images import IndexedValues, ReportImages, SheetImages
from evalharness.report.step_words import step_words
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

ITEMS_PER_PART = 25
MAX_SAMPLES = 20_000
"""If a run has more samples, the gallery shows a part of them (:mod:`evalharness.report.gallery_choice`)."""
STATES = ("pending", "generated", "scored", "failed")
COSTS = ("iterations", "evaluations", "tokens")
FIELDS = ("item", "seed", "arm", "state", "score", "reason", "image", *COSTS, "seconds", "refinements")


@dataclass(frozen=True, slots=True)
class GalleryContent:
    """The extent of a gallery.

    Attributes:
        samples: number of samples that it shows.
        of: number of samples of the run.
        rule: how the samples were chosen; empty if all are shown.
        warnings: warnings for the reader of the page.
    """

    samples: int
    of: int
    rule: str
    warnings: list[str]
    shown: pd.DataFrame
    """The rows of ``Results.samples`` that it shows."""

    @property
    def whole(self) -> bool:
        """Whether all samples are shown."""
        return self.samples == self.of


def write_gallery(
    results: Results,
    analyses: Sequence[Analysis],
    lead: str | None,
    images: ReportImages,
    folder: Path,
    *,
    max_samples: int = MAX_SAMPLES,
    megabytes: float | None = None,
    partners: Mapping[str, str] | None = None,
) -> GalleryContent:
    """Write ``data/`` of a report, and the images that it refers to.

    Args:
        results: the run's results.
        analyses: the analyses of its benchmarks.
        lead: the arm that is shown first.
        images: the report's images.
        folder: the report's folder.
        max_samples: limit on the number of samples.
        megabytes: approximate limit on images, trajectories and details; none by default.
        partners: of several runs, the arm of another run that each arm is compared with.

    Raises:
        EvalHarnessError: there is no room for a single prompt.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    samples, rule = results.samples, ""
    if len(samples) > max_samples or megabytes is not None:
        max_bytes = math.inf if megabytes is None else 1e6 * megabytes
        samples, rule = _chosen_samples(results, analyses, images, max_samples, max_bytes)
    weights = {analysis.benchmark: analysis.weights for analysis in analyses}
    _GalleryData(results, images, folder / "data").write(samples, lead, weights, partners)
    warnings = []
    if missing := len(images.missing):
        files = "image file is" if missing == 1 else "image files are"
        warnings.append(f"{missing} {files} missing from the store; the page shows an empty place instead.")
    return GalleryContent(len(samples), len(results.samples), rule, warnings, samples)


class _GalleryData:
    def __init__(self, results: Results, images: ReportImages, folder: Path) -> None:
        self.results, self.images, self.folder = results, images, folder
        self.reasons, self.items, self.finals = IndexedValues(), IndexedValues(), SheetImages(images)

    def write(
        self,
        frame: pd.DataFrame,
        lead: str | None,
        weights: Mapping[str, Mapping[str, float]],
        partners: Mapping[str, str] | None,
    ) -> None:
        arms, benchmarks = records(self.results.arms), self.results.info["benchmarks"]
        arm_indices = {arm["arm"]: index for index, arm in enumerate(arms)}
        samples = _ordered(frame, arm_indices)
        rows = [self._row(sample, arm_indices) for sample in samples]
        parts: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            parts.setdefault(row[0] // ITEMS_PER_PART, []).append(index)
        for number, members in parts.items():
            write_sheet(self.folder, f"part-{number}", self._part(samples, members))
        data = {
            "arms": [arm["arm"] for arm in arms],
            "caps": [_integer(arm["max_iterations"]) for arm in arms],
            "baseline": baseline(self.results.arms),
            "run": f"{self.results.info['name']} {self.results.info.get('started') or ''}".strip(),
            "lead": lead,
            "partners": partners,
            "families": [family.arms for family in families(self.results.arms)],
            "weights": weights,
            "titles": {name: info.get("title", name) for name, info in benchmarks.items()},
            "items": self.items.values(),
            "itemsPerPart": ITEMS_PER_PART,
            "states": STATES,
            "fields": FIELDS,
            "samples": rows,
            "reasons": self.reasons.values(),
            "of": len(self.results.samples),
        } | self.finals.data()
        write_sheet(self.folder, "samples", data)

    def _row(self, sample: dict[str, Any], arm_indices: dict[str, int]) -> list[Any]:
        item = (sample["benchmark"], sample["item"], sample["category"], sample["prompt"])
        return [
            self.items.index(item),
            _integer(sample["seed_index"]),
            arm_indices[sample["arm"]],
            STATES.index(sample["state"]),
            sample["score"] if sample["state"] == "scored" else None,
            self.reasons.index(sample["reason"] if isinstance(sample["reason"], str) else ""),
            self.finals.index(sample["image"]),
            *(_integer(sample[name]) for name in COSTS),
            _milliseconds(sample["seconds"]),
            _integer(sample["refinements"]) if isinstance(sample["image"], str) else None,
        ]

    def _part(self, samples: list[dict[str, Any]], members: list[int]) -> dict[str, Any]:
        """The trajectories and details of some samples; arms that share one refer to the same entry."""
        trajectories, details, images = IndexedValues(), IndexedValues(), SheetImages(self.images)
        references: dict[int, list[int | None]] = {}
        for index in members:
            references[index] = [
                values.index(key) if isinstance(key := samples[index][name], str) else None
                for name, values in (("trajectory", trajectories), ("score_key", details))
            ]
        return {
            "samples": references,
            "trajectories": [self._steps(str(key), images) for key in trajectories.values()],
            "details": [self.results.details(str(key)) for key in details.values()],
        } | images.data()

    def _steps(self, key: str, images: SheetImages) -> list[dict[str, Any]]:
        return [
            step
            | {
                "text": step_words(step["text"] or ""),
                "image": images.index(step["image"]),
                "seconds": _milliseconds(step["seconds"]),
                # A seed is written as text, because it has more digits than a JavaScript number can hold.
                "seed": None if step["seed"] is None else str(step["seed"]),
            }
            for step in self.results.steps(key)
        ]


def _chosen_samples(
    results: Results, analyses: Sequence[Analysis], images: ReportImages, max_samples: int, max_bytes: float
) -> tuple[pd.DataFrame, str]:
    """The samples of the first cases by rank that fit, and the rule by which they were chosen; empty if all fit."""
    ranking, samples = choice(results, analyses), SamplesByCase(results.samples)
    size, kept, count, weight = GallerySize(results, images.bytes_of), [], 0, 0
    for case in ranking.ranked():
        count += samples.count(case)
        weight += size.added(samples.rows(case)) if max_bytes < math.inf else 0
        if count > max_samples or weight > max_bytes:
            break
        kept.append(case)
    if len(kept) == len(ranking.cases):
        return results.samples, ""
    if not kept:
        raise EvalHarnessError(
            f"the gallery has no room for a single prompt, which takes {weight / 1e6:.1f} MB; allow more"
        )
    return samples.frame(kept), ranking.rule_text(kept)


def _ordered(samples: pd.DataFrame, arm_indices: dict[str, int]) -> list[dict[str, Any]]:
    """The samples sorted by item in the order of the run, then by seed, then by arm."""
    import pandas as pd

    item = pd.factorize(pd.MultiIndex.from_frame(samples[["benchmark", "item"]]))[0]
    keyed = samples.assign(_item=item, _arm=samples["arm"].map(arm_indices))
    keyed = keyed.sort_values(["_item", "seed_index", "_arm"], kind="stable")
    return records(keyed.drop(columns=["_item", "_arm"]))


def _integer(value: Any) -> int | None:
    return None if value is None or value != value or str(value) == "<NA>" else int(value)


def _milliseconds(seconds: Any) -> float | None:
    """Seconds rounded to milliseconds."""
    return None if seconds is None or seconds != seconds else round(float(seconds), 3)

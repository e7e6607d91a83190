"""What the gallery reads: scripts that assign data, because a page opened from a file may not fetch.

``data/samples.js`` holds a row for every sample. The trajectories and the scorers' evidence lie in ``data/part-N.js``,
a few prompts each, and are loaded when one is opened. Images are copied as ``images/DIGEST.png``.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.report.arms import baseline, records
from evalharness.results import Results

if TYPE_CHECKING:
    import pandas as pd

ITEMS_PER_PART = 25
STATES = ("pending", "generated", "scored", "failed")
COSTS = ("iterations", "evaluations", "tokens")
FIELDS = ("item", "seed", "arm", "state", "score", "reason", "image", *COSTS, "seconds")


def write_gallery(results: Results, lead: str | None, folder: Path) -> list[str]:
    """Write ``data/`` and ``images/`` under ``folder``; returns warnings. ``lead`` is the arm shown first."""
    gallery = _Gallery(results, folder)
    gallery.write(lead)
    missing = len(gallery.images.missing)
    files = "image file is" if missing == 1 else "image files are"
    return [f"{missing} {files} missing from the store; the page shows an empty place instead."] if missing else []


def script(call: str, data: Any) -> str:
    """JavaScript that hands over JSON; ``<`` is escaped so that no text can end a script element.

    >>> script("f", {"text": "</script>"})
    'f({"text":"\\\\u003c/script>"});\\n'
    """
    text = json.dumps(plain(data), separators=(",", ":"), allow_nan=False)
    return f"{call}({text.replace('<', chr(92) + 'u003c')});\n"


def plain(value: Any) -> Any:
    """JSON without NaN (they become null); numpy scalars become Python's, what JSON lacks becomes text."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


class _Table:
    """Distinct values in order of appearance; a value's place stands for it."""

    def __init__(self) -> None:
        self.places: dict[Hashable, int] = {}

    def place(self, value: Hashable) -> int:
        return self.places.setdefault(value, len(self.places))

    def values(self) -> list[Hashable]:
        return list(self.places)


class _Images(_Table):
    """Images that the page shows: linked where the file system can, else copied."""

    def __init__(self, results: Results, folder: Path) -> None:
        super().__init__()
        self.results, self.folder, self.missing = results, folder, set[str]()
        folder.mkdir(parents=True, exist_ok=True)

    def show(self, digest: Any) -> int | None:
        if not isinstance(digest, str) or digest in self.missing:
            return None
        if digest not in self.places and not self._copy(digest):
            self.missing.add(digest)
            return None
        return self.place(digest)

    def _copy(self, digest: str) -> bool:
        if not re.fullmatch(r"[0-9a-f]{8,128}", digest):
            return False
        source, target = self.results.image_path(digest), self.folder / f"{digest}.png"
        try:
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)
        except OSError:
            return False
        return True


class _Gallery:
    def __init__(self, results: Results, folder: Path) -> None:
        self.results, self.data = results, folder / "data"
        self.images, self.reasons, self.items = _Images(results, folder / "images"), _Table(), _Table()
        self.data.mkdir(parents=True, exist_ok=True)

    def write(self, lead: str | None) -> None:
        arms = records(self.results.arms)
        order = {arm["arm"]: place for place, arm in enumerate(arms)}
        samples = _ordered(self.results.samples, order)
        rows = [self._row(sample, order) for sample in samples]
        parts: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            parts.setdefault(row[0] // ITEMS_PER_PART, []).append(index)
        for number, members in parts.items():
            data = self._part(samples, members)
            (self.data / f"part-{number}.js").write_text(script("report.receive", [number, data]), encoding="utf-8")
        index_data = {
            "arms": [{name: arm[name] for name in ("arm", "model", "variant")} for arm in arms],
            "caps": [_whole(arm["max_iterations"]) for arm in arms],
            "baseline": baseline(self.results.arms),
            "lead": lead,
            "weights": {name: about["weights"] for name, about in self.results.info["benchmarks"].items()},
            "titles": {name: about.get("title", name) for name, about in self.results.info["benchmarks"].items()},
            "items": self.items.values(),
            "itemsPerPart": ITEMS_PER_PART,
            "states": STATES,
            "fields": FIELDS,
            "samples": rows,
            "reasons": self.reasons.values(),
            "images": self.images.values(),
        }
        (self.data / "samples.js").write_text(script("window.report = Object", index_data), encoding="utf-8")

    def _row(self, sample: dict[str, Any], order: dict[str, int]) -> list[Any]:
        item = (sample["benchmark"], sample["item"], sample["category"], sample["prompt"])
        return [
            self.items.place(item),
            _whole(sample["seed_index"]),
            order[sample["arm"]],
            STATES.index(sample["state"]),
            sample["score"] if sample["state"] == "scored" else None,
            self.reasons.place(sample["reason"] if isinstance(sample["reason"], str) else ""),
            self.images.show(sample["image"]),
            *(_whole(sample[name]) for name in COSTS),
            _rounded(sample["seconds"]),
        ]

    def _part(self, samples: list[dict[str, Any]], members: list[int]) -> dict[str, Any]:
        """The trajectories and details of some samples; arms that share one refer to the same entry."""
        trajectories, details = _Table(), _Table()
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
        shown = {"image": self.images.show, "seconds": _rounded}
        return [step | {name: show(step[name]) for name, show in shown.items()} for step in self.results.steps(key)]


def _ordered(samples: pd.DataFrame, order: dict[str, int]) -> list[dict[str, Any]]:
    """By item in the order of the run, then seed, then arm."""
    import pandas as pd

    item = pd.factorize(pd.MultiIndex.from_frame(samples[["benchmark", "item"]]))[0]
    keyed = samples.assign(_item=item, _arm=samples["arm"].map(order))
    keyed = keyed.sort_values(["_item", "seed_index", "_arm"], kind="stable")
    return records(keyed.drop(columns=["_item", "_arm"]))


def _whole(value: Any) -> int | None:
    return None if value is None or value != value or str(value) == "<NA>" else int(value)


def _rounded(value: Any) -> float | None:
    return None if value is None or value != value else round(float(value), 3)

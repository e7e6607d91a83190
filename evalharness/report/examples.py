"""``trajectories.html``: for each process arm the trajectories chosen by ``evalharness.analysis.examples``.

A page of its own, without a script: every step with its text, its picture, the scorer's boxes and the verdict, as far
as they are known.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from evalharness._util.text import counted
from evalharness.analysis.examples.rules import Rule
from evalharness.analysis.examples.search import Chosen, Example, Lookup, choose, from_samples
from evalharness.report.pictures import PNG_HEADER, Pictures
from evalharness.report.tables import title
from evalharness.store.results import Judged, Results

PAGE = "trajectories.html"
STYLE = "trajectories.css"
TEMPLATES = Path(__file__).parent / "templates"
BOX_COLORS = ("#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#F0E442", "#0072B2")
"""As in the gallery."""
STAGES = ("plan", "sketch", "inspect", "refine", "think", "draw")


@dataclass(frozen=True, slots=True)
class Box:
    """A detection in the picture's pixels, with the place of its label."""

    x: float
    y: float
    width: float
    height: float
    color: str
    label: str
    label_x: float
    label_y: float
    counted: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture: its file, size in pixels, and what is known of it. ``source`` is empty if the file is missing."""

    source: str
    alt: str
    width: int = 0
    height: int = 0
    boxes: list[Box] = field(default_factory=list)
    verdict: tuple[str, str] = ("pending", "not judged")
    reason: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step. ``note`` marks the picture before the refinement that was chosen, and the one after it."""

    kind: str
    style: str
    text: str
    picture: Shown | None
    note: str


@dataclass(frozen=True, slots=True)
class Story:
    """A chosen trajectory: its iterations with their steps, ``stages`` of them different."""

    heading: str
    facts: str
    gallery: str
    iterations: list[tuple[int, list[Stage]]]
    stages: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What a rule chose, or ``None``. ``anchor`` is its place on the page."""

    anchor: str
    rule: Rule
    story: Story | None
    number: int


@dataclass(frozen=True, slots=True)
class Part:
    """An arm on a benchmark."""

    anchor: str
    benchmark: str
    arm: str
    looked: str
    entries: list[Entry]


def write_examples(results: Results, folder: Path, before: Path) -> list[Part]:
    """Write the page and what it shows into the folder of a report; returns its parts, none for a run without process
    arms, which has no such page. ``before`` is as of :class:`Pictures`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    chosen = choose(results)
    if not chosen:
        return []
    maker = _Maker(results, folder, before)
    parts = [maker.part(f"arm-{number}", one) for number, one in enumerate(chosen, 1)]
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("trajectories.html.j2").render(name=results.info["name"], parts=parts)
    (folder / PAGE).write_text(text, encoding="utf-8", errors="replace")
    (folder / "assets").mkdir(exist_ok=True)
    shutil.copyfile(TEMPLATES / STYLE, folder / "assets" / STYLE)
    return parts


class _Maker:
    def __init__(self, results: Results, folder: Path, before: Path) -> None:
        self.results, self.folder = results, folder
        self.pictures = Pictures(results, folder, before)
        self.lookup: Lookup = results.judged or from_samples(results.samples)

    def part(self, anchor: str, one: Chosen) -> Part:
        entries = []
        for rule, example in one.found:
            story = None if example is None else self.story(one, example)
            number = 0 if example is None else example.number
            entries.append(Entry(f"{anchor}-{rule.name}", rule, story, number))
        return Part(anchor, title(self.results, one.benchmark), one.arm, looked(one), entries)

    def story(self, one: Chosen, example: Example) -> Story:
        row, steps, refined = example.seen.row, example.seen.steps, example.case.refinement
        images = list(dict.fromkeys(step["image"] for step in steps if step["image"]))
        judged = self.lookup(one.benchmark, str(row["item"]), images)
        by_iteration: dict[int, list[Stage]] = {}
        last = next((place for place, step in reversed(list(enumerate(steps))) if step["image"]), -1)
        start = max(place for place in range(refined.place) if steps[place]["image"] == refined.before)
        for place, step in enumerate(steps):
            note = "before" if place == start else "after" if place == refined.place else ""
            stage = self.stage(step, judged, note, final=place == last)
            by_iteration.setdefault(int(step["iteration"]), []).append(stage)
        facts = [str(row["category"]).replace("_", " "), f"item {row['item']}", f"seed index {row['seed_index']}"]
        facts.append(f"refined in iteration {refined.iteration}")
        sample = "/".join(str(part) for part in (one.benchmark, row["item"], row["seed_index"], one.arm))
        link = "index.html#" + urlencode({"arm": "*", "sample": sample})
        kinds = {step["kind"] for step in steps}
        count = sum(kind in kinds for kind in STAGES)
        return Story(str(row["prompt"]), " · ".join(facts), link, list(by_iteration.items()), count)

    def stage(self, step: Mapping[str, Any], judged: Mapping[str, Judged], note: str, *, final: bool) -> Stage:
        kind, text = str(step["kind"]), str(step["text"] or "")
        name = f"{kind}, iteration {step['iteration']}" + (", the final image" if final else "")
        picture = self.picture(str(step["image"]), judged.get(str(step["image"])), name) if step["image"] else None
        return Stage(kind, kind if kind in STAGES else "", text, picture, note)

    def picture(self, digest: str, judged: Judged | None, name: str) -> Shown:
        path = self.folder / "images" / f"{digest}.png"
        if not path.is_file() and self.pictures.show(digest) is None:
            return Shown("", f"{name}: its file is missing")
        width, height = _size(path)
        details = self.results.details(judged.key) if judged is not None and judged.key else {}
        boxes = list(_boxes(details.get("detections"), width))
        seen = "; ".join(box.label for box in boxes)
        alt = name + (f"; the scorer sees: {seen}" if seen else "")
        if judged is None:
            return Shown(f"images/{digest}.png", alt, width, height)
        said = _last_reply(details.get("replies"))
        return Shown(f"images/{digest}.png", alt, width, height, boxes, _verdict(judged), judged.reason, said)


def looked(one: Chosen) -> str:
    """What was looked at, in a sentence or two."""
    samples = counted(one.samples, "sample")
    if not one.refinements:
        return f"None of {samples} refined a picture."
    first = "All" if one.whole else "The first"
    refined = counted(one.refinements, "refinement")
    return (
        f"{first} {samples} in the order of prompts, seeds and iterations: {refined}; of {one.judged:,} both pictures "
        "were judged."
    )


def _verdict(judged: Judged) -> tuple[str, str]:
    """Style and words, as in the gallery."""
    if judged.right:
        return "right", "✓ right"
    return ("partly", f"◐ partly right ({judged.score:.2f})") if judged.score > 0 else ("wrong", "✗ wrong")


def _last_reply(replies: Any) -> str:
    """Of a judge's tries the last counted."""
    texts = [one.get("text") for one in replies if isinstance(one, dict)] if isinstance(replies, list) else []
    return next((text for text in reversed(texts) if isinstance(text, str)), "")


def _boxes(detections: Any, width: int) -> Iterator[Box]:
    found = [one for one in detections if _is_detection(one)] if isinstance(detections, list) else []
    classes = list(dict.fromkeys(str(one.get("class")) for one in found))
    size = max(1.0, width / 20)
    for one in found:
        x1, y1, x2, y2 = (float(end) for end in one["box"])
        score = f"{one['score']:.2f}" if isinstance(one.get("score"), int | float) else ""
        label = " ".join(str(part) for part in (one.get("color"), one.get("class"), score) if part)
        color = BOX_COLORS[classes.index(str(one.get("class"))) % len(BOX_COLORS)]
        label_x = max(1.0, min(x1, width - len(label) * size * 0.55))
        label_y = y1 - size * 0.3 if y1 > size * 1.3 else y1 + size
        wide, high = max(0.0, x2 - x1), max(0.0, y2 - y1)
        yield Box(x1, y1, wide, high, color, label, label_x, label_y, one.get("counted") is not False)


def _is_detection(one: Any) -> bool:
    box: Sequence[Any] | Any = one.get("box") if isinstance(one, dict) else None
    numbers = isinstance(box, list | tuple) and len(box) == 4
    return numbers and all(isinstance(end, int | float) and math.isfinite(end) for end in box)


def _size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG file; a square of 1 if it is none."""
    with path.open("rb") as file:
        header = file.read(24)
    if not header.startswith(PNG_HEADER) or len(header) < 24:
        return 1, 1
    return max(1, int.from_bytes(header[16:20])), max(1, int.from_bytes(header[20:24]))

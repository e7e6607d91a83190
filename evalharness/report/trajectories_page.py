"""``trajectories.html``: for each process arm the trajectories chosen by ``evalharness.analysis.examples``.

A page of its own, without a script: every step with its text, its picture, the scorer's boxes and its verdict, as far
as they are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from evalharness._util.text import counted
from evalharness.analysis.examples.rules import Rule
from evalharness.analysis.examples.search import ChosenExamples, Example, Lookup, choose, known_scores
from evalharness.report.detection_boxes import Box, boxes
from evalharness.report.report_images import ReportImages
from evalharness.report.step_words import step_words
from evalharness.report.summary import benchmark_title
from evalharness.report.templating import copy_assets, environment
from evalharness.report.verdicts import Verdict, verdict
from evalharness.store.results import Judged, Results

PAGE = "trajectories.html"
STYLE = "trajectories.css"
KINDS = ("plan", "sketch", "inspect", "refine", "think", "draw")
"""Kinds of steps that have a column and a style of their own."""
NOT_JUDGED = Verdict("pending", "not judged")
CaseTest = Callable[[str, str, int], bool]


@dataclass(frozen=True, slots=True)
class StepImage:
    """A picture with its verdict and the scorer's boxes; ``source`` is empty if its file is missing."""

    source: str
    alt: str
    width: int = 0
    height: int = 0
    boxes: list[Box] = field(default_factory=list)
    verdict: Verdict = NOT_JUDGED
    reason: str = ""
    judge_reply: str = ""


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step. ``note`` marks the picture ``before`` the chosen refinement and the one ``after`` it."""

    kind: str
    style: str
    text: str
    picture: StepImage | None
    note: str


@dataclass(frozen=True, slots=True)
class ShownTrajectory:
    """A chosen trajectory: its iterations with their steps; ``kinds`` is the number of kinds of steps."""

    heading: str
    facts: str
    gallery: str
    iterations: list[tuple[int, list[ShownStep]]]
    kinds: int


@dataclass(frozen=True, slots=True)
class RuleExample:
    """The trajectory that a rule chose.

    ``number`` counts the refinements up to the chosen one; ``anchor`` is its id on the page.
    """

    anchor: str
    rule: Rule
    trajectory: ShownTrajectory
    number: int


@dataclass(frozen=True, slots=True)
class ArmExamples:
    """The examples of an arm on a benchmark.

    Attributes:
        searched: What was searched for them.
        refined: Whether any sample refined a picture.
        found: The example of each rule that has one.
        not_found: The titles of the other rules.
    """

    anchor: str
    benchmark: str
    arm: str
    searched: str
    refined: bool
    found: list[RuleExample]
    not_found: list[str]


def write_examples(results: Results, images: ReportImages, folder: Path, shown: CaseTest) -> list[ArmExamples]:
    """Write the page and its pictures.

    Args:
        results: the run's results.
        images: the report's images.
        folder: the report's folder.
        shown: whether the gallery shows a prompt and seed: benchmark, item, seed index.

    Returns:
        The parts of the page; none for a run without process arms, which has no such page.
    """
    chosen = choose(results)
    if not chosen:
        return []
    builder = _PageBuilder(results, images, shown)
    parts = [builder.arm(f"arm-{number}", arm) for number, arm in enumerate(chosen, 1)]
    text = environment().get_template("trajectories.html.j2").render(name=results.info["name"], parts=parts)
    (folder / PAGE).write_text(text, encoding="utf-8", errors="replace")
    copy_assets(folder, STYLE)
    return parts


class _PageBuilder:
    def __init__(self, results: Results, images: ReportImages, shown: CaseTest) -> None:
        self.results, self.images, self.shown = results, images, shown
        self.lookup: Lookup = known_scores(results)

    def arm(self, anchor: str, chosen: ChosenExamples) -> ArmExamples:
        return ArmExamples(
            anchor=anchor,
            benchmark=benchmark_title(self.results, chosen.benchmark),
            arm=chosen.arm,
            searched=_searched_text(chosen),
            refined=chosen.refinements > 0,
            found=[
                RuleExample(f"{anchor}-{rule.name}", rule, self.trajectory(chosen, example), example.number)
                for rule, example in chosen.examples
                if example is not None
            ],
            not_found=[rule.title for rule, example in chosen.examples if example is None],
        )

    def trajectory(self, chosen: ChosenExamples, example: Example) -> ShownTrajectory:
        row, steps, refinement = example.sample.row, example.sample.steps, example.case.refinement
        digests = list(dict.fromkeys(step["image"] for step in steps if step["image"]))
        judged = self.lookup(chosen.benchmark, str(row["item"]), digests)
        drawn = [index for index, step in enumerate(steps) if step["image"]]
        before = max(index for index in range(refinement.step) if steps[index]["image"] == refinement.before)
        notes = {before: "before", refinement.step: "after"}
        iterations: dict[int, list[ShownStep]] = {}
        for index, step in enumerate(steps):
            shown = self.step(step, judged, notes.get(index, ""), final=index == max(drawn, default=-1))
            iterations.setdefault(int(step["iteration"]), []).append(shown)
        kinds = {step["kind"] for step in steps}
        return ShownTrajectory(
            heading=str(row["prompt"]),
            facts=_facts_text(row, refinement.iteration),
            gallery=self.gallery_link(chosen, row),
            iterations=list(iterations.items()),
            kinds=sum(kind in kinds for kind in KINDS),
        )

    def gallery_link(self, chosen: ChosenExamples, row: Mapping[str, Any]) -> str:
        """A link to a sample; empty if the gallery does not show it."""
        if not self.shown(chosen.benchmark, row["item"], row["seed_index"]):
            return ""
        sample = "/".join(str(part) for part in (chosen.benchmark, row["item"], row["seed_index"], chosen.arm))
        return "index.html#" + urlencode({"arm": "*", "sample": sample})

    def step(self, step: Mapping[str, Any], judged: Mapping[str, Judged], note: str, *, final: bool) -> ShownStep:
        kind, picture = str(step["kind"]), None
        if step["image"]:
            name = f"{kind}, iteration {step['iteration']}" + (", the final image" if final else "")
            picture = self.picture(str(step["image"]), judged.get(str(step["image"])), name)
        return ShownStep(kind, kind if kind in KINDS else "", step_words(str(step["text"] or "")), picture, note)

    def picture(self, digest: str, judged: Judged | None, name: str) -> StepImage:
        if not self.images.add(digest):
            return StepImage("", f"{name}: its file is missing")
        width, height = (max(1, side) for side in self.images.size(digest))
        source = self.images.source(digest)
        if judged is None:
            return StepImage(source, name, width, height)
        details = self.results.details(judged.key) if judged.key else {}
        detected = list(boxes(details.get("detections"), width))
        labels = "; ".join(box.label for box in detected)
        return StepImage(
            source=source,
            alt=name + (f"; the scorer sees: {labels}" if labels else ""),
            width=width,
            height=height,
            boxes=detected,
            verdict=verdict("scored", judged.score),
            reason=judged.reason,
            judge_reply=_last_reply(details.get("replies")),
        )


def _searched_text(chosen: ChosenExamples) -> str:
    samples = counted(chosen.samples, "sample")
    if not chosen.refinements:
        return f"None of {samples} refined a picture."
    return (
        f"{'All' if chosen.exhaustive else 'The first'} {samples} in the order of prompts, seeds and iterations: "
        f"{counted(chosen.refinements, 'refinement')}; of {chosen.judged:,} both pictures were judged."
    )


def _facts_text(row: Mapping[str, Any], iteration: int) -> str:
    category = str(row["category"]).replace("_", " ")
    return f"{category} · item {row['item']} · seed index {row['seed_index']} · refined in iteration {iteration}"


def _last_reply(replies: Any) -> str:
    """The reply that counted: the last of a judge's attempts."""
    if not isinstance(replies, list):
        return ""
    texts = [reply.get("text") for reply in reversed(replies) if isinstance(reply, dict)]
    return next((text for text in texts if isinstance(text, str)), "")

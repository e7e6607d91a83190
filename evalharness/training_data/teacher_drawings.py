"""The teacher's part of the data: states as they should be, states with faults, and mended states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from evalharness.generation.formats.strokes import wrap
from evalharness.training_data.conflicts import Sighting
from evalharness.training_data.critiques import ROUNDS, Round, is_mendable, write_critique
from evalharness.training_data.drafts import Components, Seeds, StepDraft
from evalharness.training_data.faults import mistake, spoil
from evalharness.training_data.filters import Case, Verdict
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.teachers import DrawingRequest

ATTEMPTS = 3
"""Drawings of a state that a filter may reject before the state is given up."""


class TeacherDrawings:
    """Draws states, wrong sketches and corrections, and adds to ``counts``."""

    def __init__(self, components: Components, seeds: Seeds, counts: Counter[str]) -> None:
        self._components = components
        self._world = components.world
        self._seeds = seeds
        self._counts = counts

    def draw_targets(self, turns: Sequence[StepDraft]) -> None:
        """Draw the states as they should be; a trajectory whose state cannot be drawn is given up."""
        requests = [self._request(turn, turn.move.after, "state") for turn in turns]
        images = self.draw_accepted(requests, [turn.draft.task.prompt for turn in turns])
        for turn, image in zip(turns, images, strict=True):
            turn.target = turn.sketch = image
            turn.verdict = Verdict(True, seen=self._placed(turn.move.after))
            if image is None:
                turn.draft.failure = "trajectories given up"

    def _request(self, turn: StepDraft, after: SceneGraph, purpose: str) -> DrawingRequest:
        """The request for a state that the step's picture leads to."""
        language, draft = self._world.language, turn.draft
        added = range(min(len(turn.move.before.nodes), len(after.nodes)), len(after.nodes))
        instruction = language.instruction(after, added) if added else language.description(after)
        noise = self._seeds.noise(draft.index, f"{purpose} {draft.position}")
        return DrawingRequest(draft.image, after, instruction, language.description(after), noise)

    def draw_accepted(self, requests: Sequence[DrawingRequest], prompts: Sequence[str]) -> list[Image.Image | None]:
        """Draw until the filter accepts; ``None`` if it rejected all attempts."""
        teacher = self._components.teacher
        images: list[Image.Image | None] = [None] * len(requests)
        waiting = list(range(len(requests)))
        for attempt in range(ATTEMPTS):
            if not waiting:
                break
            drawings = teacher.draw([_attempt(requests[index], attempt) for index in waiting])
            self._counts["teacher drawings"] += len(drawings)
            if self._components.trusted:
                return list(drawings)
            cases = [
                self._case(requests[index], prompts[index], image)
                for index, image in zip(waiting, drawings, strict=True)
            ]
            rejected = []
            for index, image, verdict in zip(waiting, drawings, self._components.filter.check(cases), strict=True):
                if verdict is not None and verdict.right:
                    images[index] = image
                else:
                    rejected.append(index)
                    self._counts["teacher drawings turned down"] += 1
            waiting = rejected
        return images

    def _case(self, request: DrawingRequest, prompt: str, image: Image.Image) -> Case:
        return Case(image, request.after, prompt, request.description, self._world)

    def draw_faults(self, turns: Sequence[StepDraft]) -> None:
        """Draw a wrong sketch, or write a wrong plan and draw it, and find out what is wrong.

        A spoiled state passes the filter like any other: the picture has to show it.
        """
        spoiled: list[tuple[StepDraft, SceneGraph]] = []
        for turn in turns:
            make = mistake if turn.conflict == "state-prompt" else spoil
            wrong = make(turn.move.after, turn.move.added, self._world, turn.rng)
            if wrong is None:
                turn.restore(self._world)
                continue
            if turn.conflict == "state-prompt":
                turn.mislead(self._world, wrong)
            spoiled.append((turn, wrong))
        requests = [self._request(turn, wrong, "spoil") for turn, wrong in spoiled]
        images = self.draw_accepted(requests, [turn.draft.task.prompt for turn, _ in spoiled])
        drawn = [
            (turn, wrong, image) for (turn, wrong), image in zip(spoiled, images, strict=True) if image is not None
        ]
        for turn, _ in (pair for pair, image in zip(spoiled, images, strict=True) if image is None):
            turn.restore(self._world)
        verdicts = self._verdicts([turn for turn, _, _ in drawn], [(wrong, image) for _, wrong, image in drawn])
        for (turn, _, image), verdict in zip(drawn, verdicts, strict=True):
            if verdict is None or verdict.right or not is_mendable(verdict, turn.move.after):
                turn.restore(self._world)
                continue
            turn.sketch, turn.verdict = image, verdict
            self._counts["teacher critiques"] += 1

    def _verdicts(
        self, turns: Sequence[StepDraft], pictures: Sequence[tuple[SceneGraph, Image.Image]]
    ) -> list[Verdict | None]:
        """What is wrong with pictures of known content: what the content tells, or else the filter."""
        if not turns:
            return []
        if self._components.trusted:
            return [self._known(turn.move.after, content) for turn, (content, _) in zip(turns, pictures, strict=True)]
        cases = [
            Case(image, turn.move.after, turn.draft.task.prompt, self._world.language.description(turn.move.after),
                 self._world)
            for turn, (_, image) in zip(turns, pictures, strict=True)
        ]  # fmt: skip
        return self._components.filter.check(cases)

    def _known(self, graph: SceneGraph, content: SceneGraph) -> Verdict | None:
        seen = self._placed(content)
        if seen is None:
            return None
        conflict = self._world.conflict(graph, seen)
        return Verdict(conflict is None, conflict, seen=seen)

    def _placed(self, graph: SceneGraph) -> tuple[Sighting, ...] | None:
        seen = self._world.placed(graph)
        return None if seen is None else tuple(seen)

    def draw_corrections(self, turns: Sequence[StepDraft]) -> None:
        """Mend wrong sketches, one conflict a round, each from the picture of the round before."""
        active = [turn for turn in turns if not turn.verdict.right]
        for number in range(1, ROUNDS + 1):
            if not active:
                return
            active = self._correct(active, number)
        for turn in active:
            self._counts["critiques given up"] += 1
            turn.restore(self._world)

    def _correct(self, turns: Sequence[StepDraft], number: int) -> list[StepDraft]:
        """Do one round; return the steps that need another one."""
        language = self._world.language
        texts = [write_critique(turn.verdict, language, turn.instruction) for turn in turns]
        contents = [self._mended(turn) for turn in turns]
        requests = [
            DrawingRequest(
                turn.image, content, correction, language.description(turn.move.after),
                self._seeds.noise(turn.draft.index, f"refine {turn.draft.position} {number}"), edit=True,
            )
            for turn, content, (_, correction) in zip(turns, contents, texts, strict=True)
        ]  # fmt: skip
        images = self.draw_accepted(requests, [turn.draft.task.prompt for turn in turns])
        going_on = []
        for turn, content, request, image, (inspection, correction) in zip(
            turns, contents, requests, images, texts, strict=True
        ):
            if image is None:
                self._counts["critiques given up"] += 1
                turn.restore(self._world)
                continue
            turn.rounds.append(Round(wrap(inspection, "inspect"), wrap(correction, "refine"), image, request.seed))
            turn.verdict = self._known(turn.move.after, content) or Verdict(True)
            if not turn.verdict.right:
                going_on.append(turn)
        return going_on

    def _mended(self, turn: StepDraft) -> SceneGraph:
        """What the picture shows after its conflict is mended; all of the state in a world without places."""
        verdict, graph = turn.verdict, turn.move.after
        if verdict.conflict is None or verdict.seen is None:
            return graph
        return self._world.mend(graph, verdict.seen, verdict.conflict, turn.rng) or graph


def _attempt(request: DrawingRequest, attempt: int) -> DrawingRequest:
    if attempt == 0:
        return request
    return replace(request, seed=(request.seed + attempt * 1_000_003) % 2**63)

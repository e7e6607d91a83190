"""The teacher's part of the data: states as they should be, and states with a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from evalharness.training_data.critiques import misplace, spoil, vary, write_critique
from evalharness.training_data.drafts import Components, Seeds, StepDraft
from evalharness.training_data.filters import Case, Verdict, compare
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.teachers import DrawingRequest

ATTEMPTS = 3
"""Drawings of a state that a filter may reject before the record is given up."""
MISPLACED = 0.6
"""Share of the teacher's wrong plans about things with relations that are wrong in the place."""


class TeacherDrawings:
    """Draws states and wrong sketches, and adds to ``counts``."""

    def __init__(self, components: Components, seeds: Seeds, counts: Counter[str], *, subsampling: bool) -> None:
        self._components = components
        self._seeds = seeds
        self._counts = counts
        self._subsampling = subsampling

    def draw_targets(self, turns: Sequence[StepDraft]) -> None:
        """Draw the states as they should be; a trajectory whose state cannot be drawn is given up."""
        language = self._components.world.language
        requests = []
        for turn in turns:
            draft, after = turn.draft, turn.move.after
            instruction = language.instruction(turn.move.described, turn.move.index)
            noise = self._seeds.noise(draft.index, f"state {draft.position}")
            requests.append(DrawingRequest(draft.image, after, instruction, language.description(after), noise))
        images = self.draw_accepted(requests, [turn.draft.task.prompt for turn in turns])
        for turn, image in zip(turns, images, strict=True):
            turn.target = turn.sketch = image
            if image is None:
                turn.draft.failure = "trajectories given up"

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
        return Case(image, request.after, prompt, request.description, self._components.world)

    def draw_faults(self, turns: Sequence[StepDraft]) -> None:
        """Draw a wrong sketch, or write a wrong plan and draw it, and say what is wrong."""
        if not turns:
            return
        requests = [self._faulty(turn) for turn in turns]
        for turn, image in zip(turns, self._components.teacher.draw(requests), strict=True):
            turn.sketch = image
            self._counts["teacher critiques"] += 1

    def _faulty(self, turn: StepDraft) -> DrawingRequest:
        world, draft, after = self._components.world, turn.draft, turn.move.after
        last = len(after.nodes) - 1
        if turn.conflict == "state-prompt":
            wrong = after.changed(last, self._contradiction(turn))
            verdict = Verdict(False, compare(after, wrong.nodes))
            turn.mislead(world, wrong)
        else:
            wrong, mismatch = spoil(after, last, world, turn.rng)
            verdict = Verdict(False, (mismatch,))
        turn.critique = write_critique(verdict, world.language, turn.instruction)
        noise = self._seeds.noise(draft.index, f"spoil {draft.position}")
        return DrawingRequest(draft.image, wrong, self._instruction(wrong), world.language.description(wrong), noise)

    def _instruction(self, graph: SceneGraph) -> str:
        return self._components.world.language.instruction(graph, len(graph.nodes) - 1) if graph.nodes else ""

    def _contradiction(self, turn: StepDraft) -> Node:
        """A thing that contradicts the prompt: the right one in a wrong place, or another one."""
        world, rng = self._components.world, turn.rng
        if rng.random() < MISPLACED:
            misplaced = misplace(*turn.scene(subsampling=self._subsampling), world, rng)
            if misplaced is not None:
                return misplaced
        return vary(turn.move.after.nodes[-1], world, rng)


def _attempt(request: DrawingRequest, attempt: int) -> DrawingRequest:
    if attempt == 0:
        return request
    return replace(request, seed=(request.seed + attempt * 1_000_003) % 2**63)

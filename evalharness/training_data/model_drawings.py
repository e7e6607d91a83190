"""Self-sampling: plans and sketches of the model that is to learn, and what a filter finds wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evalharness.api.model import Drawn
from evalharness.generation.formats.strokes import Strokes, inner
from evalharness.training_data.critiques import contradicts, follows, is_mendable
from evalharness.training_data.drafts import Components, Seeds, StepDraft
from evalharness.training_data.filters import Case, Verdict
from evalharness.training_data.graphs import SceneGraph
from evalharness.types.trajectory import Cost, remembered


class ModelDrawings:
    """Lets the model plan and draw, and adds to ``counts``."""

    def __init__(self, components: Components, seeds: Seeds, counts: Counter[str]) -> None:
        self._model = components.model
        self._world = components.world
        self._filter = components.filter
        self._seeds = seeds
        self._counts = counts

    def plan(self, turns: Sequence[StepDraft]) -> None:
        """Let the model plan; if its plan contradicts the prompt, it becomes the plan of the step."""
        if not turns:
            return
        stage = Strokes.plan
        contexts = self._contexts(turns)
        seeds = [self._seeds.noise(turn.draft.index, f"plan {turn.draft.position}") for turn in turns]
        texts = self._model.write(contexts, stop=stage.stop, max_tokens=stage.max_tokens, seeds=seeds)
        for turn, written in zip(turns, texts, strict=True):
            self._counts["own plans"] += 1
            turn.conflict = "instruction-state"
            planned = self._contradiction(turn, written.text)
            if planned is not None:
                self._counts["own plans that contradict the prompt"] += 1
                turn.mislead(self._world, planned)

    def _contradiction(self, turn: StepDraft, plan: str) -> SceneGraph | None:
        planned = self._world.language.read(inner(plan, "des"))
        if planned is None or any(node.name not in self._world.names for node in planned.nodes):
            return None
        return contradicts(planned, turn.move.before, turn.draft.task.graph)

    def sketch(self, turns: Sequence[StepDraft]) -> None:
        """Let the model draw its sketches, and let the filter check them."""
        if not turns:
            return
        contexts = self._contexts(turns)
        self._model.read(contexts, [turn.plan for turn in turns])
        unguided = self._model.start(len(turns)) if self._model.guided else []
        if unguided:
            self._look(unguided, turns)
        seeds = [self._seeds.noise(turn.draft.index, f"sketch {turn.draft.position}") for turn in turns]
        drawings: list[Drawn] = self._model.draw(contexts, unguided=unguided, seeds=seeds)
        cases = [self._case(turn, drawing) for turn, drawing in zip(turns, drawings, strict=True)]
        for turn, drawing, seed, verdict in zip(turns, drawings, seeds, self._filter.check(cases), strict=True):
            self._use(turn, drawing, seed, verdict)

    def _case(self, turn: StepDraft, drawing: Drawn) -> Case:
        after = turn.move.after
        description = self._world.language.description(after)
        return Case(drawing.image, after, turn.draft.task.prompt, description, self._world)

    def _use(self, turn: StepDraft, drawing: Drawn, seed: int, verdict: Verdict | None) -> None:
        """Use a sketch with its verdict; if it cannot be mended, or does not follow a wrong plan, the teacher's stays.

        What such a sketch does not show no inspection would correct, and the next plan would have lost it.
        """
        if (
            verdict is None
            or (not verdict.right and not is_mendable(verdict, turn.move.after))
            or (turn.planned is not None and not self._follows(turn.planned, verdict))
        ):
            self._counts["own sketches left out"] += 1
            turn.restore(self._world)
            return
        self._counts["own sketches that are right" if verdict.right else "own sketches that are wrong"] += 1
        turn.sketch, turn.verdict = drawing.image, verdict
        turn.cost, turn.noise = Cost(drawing.evaluations), seed

    @staticmethod
    def _follows(planned: SceneGraph, verdict: Verdict) -> bool:
        """Whether a sketch of a wrong plan is wrong as the plan is; a filter that names no things is not asked."""
        return not verdict.right and (verdict.seen is None or follows(verdict.seen, planned))

    def _contexts(self, turns: Sequence[StepDraft]) -> list[Any]:
        """Contexts at the beginning of an iteration: the model has read the prompt and looked at the picture."""
        contexts: list[Any] = self._model.start(len(turns))
        strokes = Strokes({})
        self._model.read(contexts, [strokes.prompt(turn.draft.task.prompt) for turn in turns])
        if self._model.remembers:
            self._model.read(contexts, [remembered(turn.draft.steps) for turn in turns])
        self._look(contexts, turns)
        return contexts

    def _look(self, contexts: Sequence[Any], turns: Sequence[StepDraft]) -> None:
        blank = self._model.blank()
        images = [turn.draft.image or blank for turn in turns]
        pairs = [(context, image) for context, image in zip(contexts, images, strict=True) if image is not None]
        if pairs:
            self._model.look([context for context, _ in pairs], [image for _, image in pairs])

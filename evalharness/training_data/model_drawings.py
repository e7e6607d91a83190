"""Self-sampling: plans and sketches of the model that is to learn, and what a filter finds wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evalharness.api.model import Drawn
from evalharness.generation.formats.strokes import Strokes, inner
from evalharness.training_data.chains import subsampled
from evalharness.training_data.critiques import contradicting_addition, write_critique
from evalharness.training_data.drafts import Components, Seeds, StepDraft
from evalharness.training_data.filters import Case, Verdict
from evalharness.training_data.graphs import Node
from evalharness.types.trajectory import Cost, remembered


class ModelDrawings:
    """Lets the model plan and draw, and adds to ``counts``."""

    def __init__(self, components: Components, seeds: Seeds, counts: Counter[str], *, subsampling: bool) -> None:
        self._model = components.model
        self._world = components.world
        self._filter = components.filter
        self._seeds = seeds
        self._counts = counts
        self._subsampling = subsampling

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
            new = self._contradiction(turn, written.text)
            if new is not None:
                self._counts["own plans that contradict the prompt"] += 1
                self._relocate(turn, new)
                last = len(turn.move.after.nodes) - 1
                turn.mislead(self._world, turn.move.after.changed(last, new))

    def _contradiction(self, turn: StepDraft, plan: str) -> Node | None:
        draft = turn.draft
        described = self._world.language.read(inner(plan, "des")) or []
        remaining = draft.graph.subgraph(draft.order[draft.position :])
        scene, index = turn.scene(subsampling=self._subsampling)
        return contradicting_addition(described, turn.move.before, remaining, scene, index, self._world)

    def _relocate(self, turn: StepDraft, new: Node) -> None:
        """Move the thing to the place in the model's plan for all later steps, if the rest of the chain still fits."""
        draft = turn.draft
        moved = draft.graph.moved(draft.order[draft.position], new.place)
        if self._subsampling and self._world.fits(moved):
            draft.graph = moved
            turn.move = subsampled(moved, draft.order, draft.position)

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
        """Use a sketch with its critique; if it cannot be criticised in words, the teacher's sketch stays."""
        critique = None if verdict is None else write_critique(verdict, self._world.language, turn.instruction)
        if verdict is None or critique is None or (verdict.right and turn.conflict == "state-prompt"):
            self._counts["own sketches left out"] += 1
            turn.origin = ""
            if turn.conflict == "state-prompt":  # back from the model's wrong plan
                turn.plan_move(self._world)
            return
        self._counts["own sketches that are right" if verdict.right else "own sketches that are wrong"] += 1
        turn.sketch, turn.critique = drawing.image, critique
        turn.cost, turn.noise = Cost(drawing.evaluations), seed

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

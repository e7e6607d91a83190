"""Builds an arm of the training data from a world.

Record ``i`` is a function of the seed and of ``i``: all arms have the same prompts and layouts, and a record depends
neither on the batch size nor on whether the run was resumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness._util.image_files import png_bytes
from evalharness.errors import SampleError
from evalharness.generation.formats.strokes import wrap
from evalharness.training_data import chains
from evalharness.training_data.critiques import NO_FAULT, replaced_places
from evalharness.training_data.drafts import Components, Seeds, StepDraft, TrajectoryDraft
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.model_drawings import ModelDrawings
from evalharness.training_data.records import Record
from evalharness.training_data.teacher_drawings import TeacherDrawings
from evalharness.training_data.teachers import DrawingRequest
from evalharness.training_data.world import Task
from evalharness.types.trajectory import Step, Trajectory

BATCH = 256
"""Records that are made together."""
CRITIQUED = 0.6
"""Share of steps whose sketch is spoiled, or drawn by the model and then checked."""
SELF_SAMPLED = 0.7
"""The model's share of these, in arms with self-sampling."""
MISLED = 0.35
"""Share of these whose plan may be wrong; in the others it is the drawing."""


@dataclass(frozen=True, slots=True)
class Arm:
    """The ingredients of the data: whether there are trajectories, sub-graphs, critiques, and drawings of the model."""

    process: bool = True
    subsampling: bool = True
    critique: bool = True
    self_sampling: bool = True


ARMS: Mapping[str, Arm] = {
    "full": Arm(),
    "no-subsampling": Arm(subsampling=False),
    "no-critique": Arm(critique=False, self_sampling=False),
    "no-self-sampling": Arm(self_sampling=False),
    "base": Arm(process=False, subsampling=False, critique=False, self_sampling=False),
}


class DatasetBuilder:
    """Builds records.

    Attributes:
        counts: What happened on the way, such as rejected drawings.
    """

    def __init__(self, components: Components, arm: Arm, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._components = components
        self._world = components.world
        self._arm = arm
        self._seeds = Seeds(seed)
        self._teacher = TeacherDrawings(components, self._seeds, self.counts)
        self._model = ModelDrawings(components, self._seeds, self.counts)

    def batches(self, indices: Sequence[int]) -> Iterator[list[Record]]:
        """Yield the records of these indices: a ``think`` record each and, in arms with a process, a trajectory."""
        for start in range(0, len(indices), BATCH):
            yield self._batch(indices[start : start + BATCH])

    def _batch(self, indices: Sequence[int]) -> list[Record]:
        tasks = {index: self._world.task(index, self._seeds.rng(index, "task")) for index in indices}
        records = self._think_records(tasks)
        if self._arm.process:
            records += self._process_records(tasks)
        return sorted(records, key=lambda record: record.id)

    def _record(
        self,
        index: int,
        kind: str,
        task: Task,
        graph: SceneGraph,
        steps: Sequence[Step],
        critiques: Mapping[str, Any] | None = None,
    ) -> Record:
        provenance: dict[str, Any] = {"seed": self._seeds.seed, "index": index}
        if critiques:
            provenance["critiques"] = dict(critiques)
        return Record(
            f"{index:07d}-{kind}", kind, task.prompt, task.category, task.metadata, graph, Trajectory(tuple(steps)),
            task.knowledge, provenance,
        )  # fmt: skip

    # --- think: a description, then the picture ---

    def _think_records(self, tasks: Mapping[int, Task]) -> list[Record]:
        requests = []
        for index, task in tasks.items():
            description = self._world.language.description(task.graph)
            noise = self._seeds.noise(index, "think")
            requests.append(DrawingRequest(None, task.graph, description, description, noise))
        images = self._teacher.draw_accepted(requests, [task.prompt for task in tasks.values()])
        records = []
        for (index, task), request, image in zip(tasks.items(), requests, images, strict=True):
            if image is None:
                self.counts["pictures given up"] += 1
                continue
            thought = Step("think", 0, wrap(request.description, "think"))
            drawing = Step("draw", 0, image=png_bytes(image), seed=request.seed)
            records.append(self._record(index, "think", task, task.graph, [thought, drawing]))
        return records

    # --- process: iterations of plan, sketch, inspection and refinement ---

    def _process_records(self, tasks: Mapping[int, Task]) -> list[Record]:
        drafts = [self._draft(index, task) for index, task in tasks.items() if self._readable(task)]
        while active := [draft for draft in drafts if draft.active]:
            self._advance(active)
        self.counts.update(draft.failure for draft in drafts if draft.failure)
        return [self._process_record(draft) for draft in drafts if not draft.failure]

    def _readable(self, task: Task) -> bool:
        """Whether the model can read the prompt; it need not in arms without self-sampling."""
        if not self._arm.self_sampling:
            return True
        try:
            self._components.model.check(task.prompt)
        except SampleError:
            self.counts["prompts that the model cannot take"] += 1
            return False
        return True

    def _draft(self, index: int, task: Task) -> TrajectoryDraft:
        if self._arm.subsampling:
            order = chains.in_order(task.graph)
        else:
            order = chains.shuffled(task.graph, self._seeds.rng(index, "chain"))
        return TrajectoryDraft(index, task, chains.groups(order, self._seeds.rng(index, "groups")), task.graph)

    def _process_record(self, draft: TrajectoryDraft) -> Record:
        self.counts["trajectories"] += 1
        steps = [*draft.steps, Step("plan", draft.position + 1, "<end>")]
        return self._record(draft.index, "process", draft.task, draft.graph, steps, draft.critiques)

    def _advance(self, drafts: Sequence[TrajectoryDraft]) -> None:
        """Do one iteration of each draft."""
        turns = [self._turn(draft) for draft in drafts]
        self._model.plan([turn for turn in turns if turn.origin == "model" and turn.conflict == "state-prompt"])
        self._teacher.draw_targets(turns)
        turns = [turn for turn in turns if not turn.draft.failure]
        self._teacher.draw_faults([turn for turn in turns if turn.origin == "teacher"])
        self._model.sketch([turn for turn in turns if turn.origin == "model"])
        self._teacher.draw_corrections(turns)
        for turn in turns:
            self._write_down(turn)

    def _turn(self, draft: TrajectoryDraft) -> StepDraft:
        # Its own random numbers: what they decide must not change what other arms share.
        rng = self._seeds.rng(draft.index, f"step {draft.position}")
        cut = chains.subsampled if self._arm.subsampling else chains.unsubsampled
        move = cut(draft.graph, draft.groups, draft.position)
        turn = StepDraft(draft, move, rng)
        turn.plan_move(self._world)
        if self._arm.critique and rng.random() < CRITIQUED:
            turn.origin = "model" if self._arm.self_sampling and rng.random() < SELF_SAMPLED else "teacher"
            turn.conflict = "state-prompt" if rng.random() < MISLED else "instruction-state"
        return turn

    def _write_down(self, turn: StepDraft) -> None:
        """Add the iteration to its trajectory, which continues from its last picture."""
        draft, iteration = turn.draft, turn.draft.position + 1
        assert turn.sketch is not None
        target_seed = self._seeds.noise(draft.index, f"state {draft.position}")
        sketch_seed = turn.noise if turn.origin == "model" else target_seed
        draft.steps.append(Step("plan", iteration, turn.plan))
        draft.steps.append(Step("sketch", iteration, image=png_bytes(turn.sketch), seed=sketch_seed, cost=turn.cost))
        for critique in turn.rounds:
            draft.steps.append(Step("inspect", iteration, critique.inspection))
            image = png_bytes(critique.image)
            draft.steps.append(Step("refine", iteration, critique.refinement, image, critique.seed))
        if self._arm.critique:
            draft.steps.append(Step("inspect", iteration, NO_FAULT))
        if turn.origin:
            draft.critiques[str(iteration)] = self._provenance(turn)
        draft.image = turn.image
        draft.position += 1
        self._settle(turn)

    def _settle(self, turn: StepDraft) -> None:
        """Give the things of the complete scene the places that they have in the last picture."""
        draft = turn.draft
        if turn.verdict.seen is None:
            return
        places = replaced_places(turn.move.after, turn.verdict.seen)
        drawn = draft.drawn
        graph = draft.graph
        for number, index in enumerate(drawn):
            graph = graph.moved(index, places.get(number))
        if graph == draft.graph:
            return
        for group in draft.groups[draft.position :]:
            for index in group:
                graph = graph.moved(index, None)
        rng = self._seeds.rng(draft.index, f"settle {draft.position}")
        draft.graph = self._world.layout(graph, rng) or draft.graph

    def _provenance(self, turn: StepDraft) -> dict[str, str]:
        if not turn.rounds:
            return {"by": turn.origin, "conflict": "none"}
        provenance = {"by": turn.origin, "conflict": str(turn.conflict)}
        if turn.right_plan:
            provenance["plan"] = turn.right_plan
        return provenance

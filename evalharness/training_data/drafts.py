"""Trajectories in the making."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from evalharness.api.conflicts import ConflictKind
from evalharness.generation.formats.strokes import plan_text
from evalharness.training_data.chains import Move
from evalharness.training_data.critiques import Critique
from evalharness.training_data.filters import Filter
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.teachers import Teacher
from evalharness.training_data.world import Task, World
from evalharness.types.trajectory import Cost, Step


@dataclass(frozen=True)
class Components:
    """The parts that make the data.

    Attributes:
        world: The source of the prompts.
        teacher: Draws the states.
        filter: Checks drawings.
        model: The present checkpoint of the model that is to learn (an ``Interleaver``); needed for self-sampling.
        trusted: Whether the teacher's drawings are right by construction, so that no filter checks them.
    """

    world: World
    teacher: Teacher
    filter: Filter
    model: Any = None
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Seeds:
    """Randomness of the records: functions of the data's seed, the record's index and the purpose alone."""

    seed: int

    def rng(self, index: int, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{index}/{purpose}")

    def noise(self, index: int, purpose: str) -> int:
        """A seed of 63 bits for a drawing or a text."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{index}/{purpose}".encode()).digest()[:8], "big") >> 1


@dataclass
class TrajectoryDraft:
    """A trajectory in the making.

    Attributes:
        index: The index of its record.
        task: Its task.
        order: Node indices of ``graph`` in the order in which they are added.
        graph: The complete scene; things move in it when the model plans another place for them.
        state: What the last picture shows.
        image: The last picture.
        steps: The steps so far.
        critiques: Iteration → who made the conflict, of which kind it is, and the plan as it should be.
        position: How many things are added.
        failure: Why it was given up.
    """

    index: int
    task: Task
    order: list[int]
    graph: SceneGraph
    state: SceneGraph = field(default_factory=lambda: SceneGraph(()))
    image: Image.Image | None = None
    steps: list[Step] = field(default_factory=list)
    critiques: dict[str, dict[str, str]] = field(default_factory=dict)
    position: int = 0
    failure: str = ""

    @property
    def active(self) -> bool:
        return not self.failure and self.position < len(self.order)


@dataclass
class StepDraft:
    """An iteration in the making: what it should show, what its plan says, and what is drawn.

    Attributes:
        draft: The trajectory.
        move: The step as it should be.
        rng: For the choices of this step that no other arm shares.
        instruction: The plan's instruction.
        description: The plan's description.
        origin: Who makes a sketch or plan that may be wrong; empty if nobody does.
        conflict: The kind of conflict that may result.
        target: The state as it should be.
        sketch: The first drawing.
        critique: The inspection and refinement of the sketch.
        cost: The cost of the model's sketch.
        noise: The seed of the model's sketch.
    """

    draft: TrajectoryDraft
    move: Move
    rng: random.Random
    instruction: str = ""
    description: str = ""
    origin: Literal["", "teacher", "model"] = ""
    conflict: ConflictKind = "instruction-state"
    target: Image.Image | None = None
    sketch: Image.Image | None = None
    critique: Critique | None = None
    cost: Cost = field(default_factory=Cost)
    noise: int | None = None

    def plan_for(self, world: World, graph: SceneGraph, index: int) -> None:
        """Write the plan that adds thing ``index`` of a graph."""
        self.instruction = world.language.instruction(graph, index)
        self.description = world.language.description(graph)

    def plan_move(self, world: World) -> None:
        """Write the plan as it should be."""
        self.plan_for(world, self.move.described, self.move.index)

    def mislead(self, world: World, graph: SceneGraph) -> None:
        """Write a plan that contradicts the prompt: it adds the last thing of ``graph``."""
        self.conflict = "state-prompt"
        self.plan_for(world, graph, len(graph.nodes) - 1)

    @property
    def plan(self) -> str:
        return plan_text(self.instruction, self.description)

    def scene(self, *, subsampling: bool) -> tuple[SceneGraph, int]:
        """Everything that the prompt asks for, without places for later things, and the index of the new thing."""
        if not subsampling:  # each later thing gets its place in a layout of its own
            return self.move.after, len(self.move.after.nodes) - 1
        draft, graph = self.draft, self.draft.graph
        for index in draft.order[draft.position + 1 :]:
            graph = graph.moved(index, None)
        return graph, draft.order[draft.position]

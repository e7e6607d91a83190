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
from evalharness.training_data.critiques import Round
from evalharness.training_data.filters import Filter, Verdict
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
        groups: Node indices of ``graph``: what each step adds.
        graph: The complete scene; drawn things have the places that they have in the last picture.
        image: The last picture.
        steps: The steps so far.
        critiques: Iteration → who made the conflict, of which kind it is, and the plan as it should be.
        position: How many groups are added.
        failure: Why it was given up.
    """

    index: int
    task: Task
    groups: list[list[int]]
    graph: SceneGraph
    image: Image.Image | None = None
    steps: list[Step] = field(default_factory=list)
    critiques: dict[str, dict[str, str]] = field(default_factory=dict)
    position: int = 0
    failure: str = ""

    @property
    def active(self) -> bool:
        return not self.failure and self.position < len(self.groups)

    @property
    def drawn(self) -> list[int]:
        """The indices of the things in the last picture, in the order in which they were added."""
        return [index for group in self.groups[: self.position] for index in group]


@dataclass
class StepDraft:
    """An iteration in the making: what it should show, what its plan says, and what is drawn.

    Attributes:
        draft: The trajectory.
        move: The step as it should be.
        rng: For the choices of this step that no other arm shares.
        instruction: The plan's instruction.
        description: The plan's description.
        right_plan: The plan as it should be, if the plan contradicts the prompt.
        planned: What a plan describes that contradicts the prompt.
        origin: Who makes a sketch or plan that may be wrong; empty if nobody does.
        conflict: The kind of conflict that may result.
        target: The state as it should be.
        sketch: The first drawing.
        verdict: What is wrong with the last drawing, or that nothing is.
        rounds: The rounds of inspection and refinement.
        cost: The cost of the model's sketch.
        noise: The seed of the model's sketch.
    """

    draft: TrajectoryDraft
    move: Move
    rng: random.Random
    instruction: str = ""
    description: str = ""
    right_plan: str = ""
    planned: SceneGraph | None = None
    origin: Literal["", "teacher", "model"] = ""
    conflict: ConflictKind = "instruction-state"
    target: Image.Image | None = None
    sketch: Image.Image | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict(True))
    rounds: list[Round] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)
    noise: int | None = None

    def plan_move(self, world: World) -> None:
        """Write the plan as it should be."""
        language, move = world.language, self.move
        self.instruction = language.instruction(move.described, move.indices)
        self.description = language.description(move.described)
        self.right_plan, self.planned = "", None

    def mislead(self, world: World, planned: SceneGraph) -> None:
        """Write a plan that contradicts the prompt, and keep the right one.

        ``planned`` is what it describes; its first nodes are those of the state before.
        """
        right = self.plan
        language, before = world.language, len(self.move.before.nodes)
        self.conflict = "state-prompt"
        self.instruction = language.instruction(planned, range(before, len(planned.nodes)))
        self.description = language.description(planned)
        self.right_plan, self.planned = right, planned

    def restore(self, world: World) -> None:
        """Return to the right plan and the teacher's right sketch."""
        self.origin, self.conflict = "", "instruction-state"
        self.sketch, self.verdict, self.rounds = self.target, Verdict(True), []
        self.plan_move(world)

    @property
    def plan(self) -> str:
        return plan_text(self.instruction, self.description)

    @property
    def image(self) -> Image.Image | None:
        """The last picture of the iteration."""
        return self.rounds[-1].image if self.rounds else self.sketch

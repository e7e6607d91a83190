"""From a world to an arm of the data.

Record ``i`` is a function of the seed and of ``i``: all arms have the same prompts and layouts, and a run that goes on,
or one with other batches, makes the same records.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from evalharness.api.conflicts import ConflictKind
from evalharness.errors import SampleError
from evalharness.generation.formats.strokes import Strokes, inner
from evalharness.training_data import chains
from evalharness.training_data.critiques import OK, Critique, another, critique, misplaced, misread, spoiled
from evalharness.training_data.filters import Case, Filter, Verdict, compare
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.records import Record
from evalharness.training_data.teachers import DrawingRequest, Teacher
from evalharness.training_data.world import Task, World
from evalharness.types.trajectory import Cost, Step, Trajectory, remembered

BATCH = 256
"""Records that are made together."""
TRIES = 3
"""Drawings of a teacher that a filter may turn down before the record is given up."""
CRITIQUED = 0.6
"""The share of steps whose sketch is spoiled, or drawn by the model and then looked at."""
OWN = 0.7
"""The model's share of these, where it has one."""
MISLED = 0.35
"""The share of these that are about plans; the others are about drawings."""
MISPLACED = 0.6
"""The share of a teacher's wrong plans, of things with relations, that are wrong in the place."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What goes into the data: trajectories at all, sub-graphs, critiques, and the model's own drawings in them."""

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


@dataclass(frozen=True)
class Components:
    """What makes the data. ``model`` is the present checkpoint of the model that is to learn (an ``Interleaver``).

    ``trusted``: the teacher's drawings are right by construction, and no filter looks at them.
    """

    world: World
    teacher: Teacher
    filter: Filter
    model: Any = None
    trusted: bool = False


@dataclass
class _TrajectoryDraft:
    """A trajectory in the making."""

    index: int
    task: Task
    rng: random.Random
    nodes: list[int]
    graph: SceneGraph
    state: SceneGraph = field(default_factory=lambda: SceneGraph(()))
    image: Image.Image | None = None
    steps: list[Step] = field(default_factory=list)
    origins: dict[str, dict[str, str]] = field(default_factory=dict)
    at: int = 0
    failed: str = ""

    @property
    def open(self) -> bool:
        return not self.failed and self.at < len(self.nodes)


@dataclass
class _StepDraft:
    """One step of a draft: what it should show, what is said, and what is drawn of it."""

    draft: _TrajectoryDraft
    move: chains.Move
    instruction: str = ""
    description: str = ""
    origin: Literal["", "teacher", "model"] = ""
    conflict: ConflictKind = "instruction-state"
    target: Image.Image | None = None
    sketch: Image.Image | None = None
    said: Critique | None = None
    cost: Cost = field(default_factory=Cost)
    noise: int | None = None


class DatasetBuilder:
    """Makes records; ``counts`` says what happened on the way."""

    def __init__(self, kit: Components, arm: Arm, seed: int) -> None:
        self.kit, self.arm, self.seed = kit, arm, seed
        self.counts: Counter[str] = Counter()

    def batches(self, indices: Sequence[int]) -> Iterator[list[Record]]:
        """The records of these numbers: for each a ``think`` record and, in arms with a process, a trajectory."""
        for at in range(0, len(indices), BATCH):
            yield self._batch(indices[at : at + BATCH])

    def _batch(self, indices: Sequence[int]) -> list[Record]:
        tasks = {index: self.kit.world.task(index, self._rng(index, "task")) for index in indices}
        records = self._thoughts(tasks)
        if self.arm.process:
            drafts = [self._draft(index, task) for index, task in tasks.items() if self._taken(task)]
            while active := [draft for draft in drafts if draft.open]:
                self._advance(active)
            records += [self._record(draft) for draft in drafts if not draft.failed]
            self.counts.update(draft.failed for draft in drafts if draft.failed)
        return sorted(records, key=lambda record: record.id)

    def _taken(self, task: Task) -> bool:
        """Whether the model can read the prompt at all."""
        if not self.arm.self_sampling:
            return True
        try:
            self.kit.model.check(task.prompt)
        except SampleError:
            self.counts["prompts that the model cannot take"] += 1
            return False
        return True

    def _rng(self, index: int, what: str) -> random.Random:
        return random.Random(f"{self.seed}/{index}/{what}")

    def _noise(self, index: int, what: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{index}/{what}".encode()).digest()[:8], "big") >> 1

    # --- text, then the picture ---

    def _thoughts(self, tasks: Mapping[int, Task]) -> list[Record]:
        language = self.kit.world.language
        requests = []
        for index, task in tasks.items():
            told = language.description(task.graph)
            requests.append(DrawingRequest(None, task.graph, told, told, self._noise(index, "think")))
        drawn = self._drawn(requests, [task.prompt for task in tasks.values()])
        records = []
        for (index, task), request, image in zip(tasks.items(), requests, drawn, strict=True):
            if image is None:
                self.counts["pictures given up"] += 1
                continue
            steps = (
                Step("think", 0, f"<think> {request.description} </think>"),
                Step("draw", 0, image=_png(image), seed=request.seed),
            )
            records.append(self._of(index, "think", task, task.graph, Trajectory(steps), {}))
        return records

    def _of(
        self, index: int, kind: str, task: Task, graph: SceneGraph, trajectory: Trajectory, origins: Mapping[str, Any]
    ) -> Record:
        about = {"seed": self.seed, "index": index, **({"critiques": dict(origins)} if origins else {})}
        name = f"{index:07d}-{kind}"
        return Record(name, kind, task.prompt, task.category, task.metadata, graph, trajectory, task.knowledge, about)

    # --- trajectories ---

    def _draft(self, index: int, task: Task) -> _TrajectoryDraft:
        rng = self._rng(index, "chain")
        nodes = chains.in_order(task.graph) if self.arm.subsampling else chains.shuffled(task.graph, rng)
        return _TrajectoryDraft(index, task, rng, nodes, task.graph)

    def _record(self, draft: _TrajectoryDraft) -> Record:
        self.counts["trajectories"] += 1
        steps = (*draft.steps, Step("plan", draft.at + 1, "<end>"))
        return self._of(draft.index, "process", draft.task, draft.graph, Trajectory(steps), draft.origins)

    def _advance(self, drafts: Sequence[_TrajectoryDraft]) -> None:
        """One iteration of each."""
        turns = [self._turn(draft) for draft in drafts]
        self._plan([turn for turn in turns if turn.origin == "model" and turn.conflict == "state-prompt"])
        self._target(turns)
        turns = [turn for turn in turns if not turn.draft.failed]
        self._spoil([turn for turn in turns if turn.origin == "teacher"])
        self._sample([turn for turn in turns if turn.origin == "model"])
        for turn in turns:
            self._close(turn)

    def _turn(self, draft: _TrajectoryDraft) -> _StepDraft:
        world, node = self.kit.world, draft.nodes[draft.at]
        # What is drawn of it decides nothing that another arm shares.
        fresh = self._rng(draft.index, f"step {draft.at}")
        if self.arm.subsampling:
            move = chains.subsampled(draft.graph, draft.nodes, draft.at)
        else:
            move = chains.unsubsampled(draft.task.graph, draft.state, node, world.layout, fresh)
        turn = _StepDraft(draft, move)
        self._say(turn, move.told, move.node)
        if self.arm.critique and fresh.random() < CRITIQUED:
            turn.origin = "model" if self.arm.self_sampling and fresh.random() < OWN else "teacher"
            turn.conflict = "state-prompt" if fresh.random() < MISLED else "instruction-state"
        draft.rng = fresh
        return turn

    def _plan(self, turns: Sequence[_StepDraft]) -> None:
        """Let the model plan; where its plan contradicts the prompt, that is the plan of the step."""
        if not turns:
            return
        model, stage = self.kit.model, Strokes.plan
        contexts = self._contexts(turns)
        seeds = [self._noise(turn.draft.index, f"plan {turn.draft.at}") for turn in turns]
        written = model.write(contexts, stop=stage.stop, max_tokens=stage.max_tokens, seeds=seeds)
        for turn, text in zip(turns, written, strict=True):
            turn.conflict = "instruction-state"
            told = self.kit.world.language.read(inner(text.text, "des"))
            draft, self.counts["own plans"] = turn.draft, self.counts["own plans"] + 1
            left = draft.graph.part(draft.nodes[draft.at :])
            new = misread(told or [], turn.move.before, left, *self._whole(turn), self.kit.world)
            if new is not None:
                self.counts["own plans that contradict the prompt"] += 1
                self._relocate(turn, new)
                last = len(turn.move.after.nodes) - 1
                self._mislead(turn, turn.move.after.changed(last, new))

    def _whole(self, turn: _StepDraft) -> tuple[SceneGraph, int]:
        """All that the prompt asks for, without places for what is still to come; the number of the new thing in it."""
        draft, whole = turn.draft, turn.draft.graph
        if not self.arm.subsampling:  # the rest goes where it goes
            return turn.move.after, len(turn.move.after.nodes) - 1
        for node in draft.nodes[draft.at + 1 :]:
            whole = whole.moved(node, None)
        return whole, draft.nodes[draft.at]

    def _relocate(self, turn: _StepDraft, new: Node) -> None:
        """From here on the thing stands where the model's plan puts it, if the rest of the chain leaves room there."""
        draft = turn.draft
        moved = draft.graph.moved(draft.nodes[draft.at], new.place)
        if self.arm.subsampling and self.kit.world.fits(moved):
            draft.graph = moved
            turn.move = chains.subsampled(moved, draft.nodes, draft.at)

    def _mislead(self, turn: _StepDraft, told: SceneGraph) -> None:
        turn.conflict = "state-prompt"
        self._say(turn, told, len(told.nodes) - 1)

    def _say(self, turn: _StepDraft, told: SceneGraph, node: int) -> None:
        turn.instruction, turn.description = self._words(told, node)

    def _words(self, told: SceneGraph, node: int) -> tuple[str, str]:
        language = self.kit.world.language
        return language.instruction(told, node), language.description(told)

    def _target(self, turns: Sequence[_StepDraft]) -> None:
        """The state as it should be."""
        language = self.kit.world.language
        requests = []
        for turn in turns:
            after, draft = turn.move.after, turn.draft
            words = language.instruction(turn.move.told, turn.move.node), language.description(after)
            requests.append(DrawingRequest(draft.image, after, *words, self._noise(draft.index, f"state {draft.at}")))
        drawn = self._drawn(requests, [turn.draft.task.prompt for turn in turns])
        for turn, image in zip(turns, drawn, strict=True):
            turn.target = turn.sketch = image
            if image is None:
                turn.draft.failed = "trajectories given up"

    def _drawn(self, requests: Sequence[DrawingRequest], prompts: Sequence[str]) -> list[Image.Image | None]:
        """A teacher's drawings that the filter lets pass, after some tries."""
        done: list[Image.Image | None] = [None] * len(requests)
        open_ones = list(range(len(requests)))
        for attempt in range(TRIES):
            if not open_ones:
                break
            asked = [_again(requests[i], attempt) for i in open_ones]
            images = self.kit.teacher.draw(asked)
            self.counts["teacher drawings"] += len(images)
            if self.kit.trusted:
                return list(images)
            cases = [
                Case(image, one.after, prompts[i], one.description, self.kit.world)
                for i, one, image in zip(open_ones, asked, images, strict=True)
            ]
            for i, image, verdict in zip(list(open_ones), images, self.kit.filter.check(cases), strict=True):
                if verdict is not None and verdict.right:
                    done[i] = image
                    open_ones.remove(i)
                else:
                    self.counts["teacher drawings turned down"] += 1
        return done

    def _spoil(self, turns: Sequence[_StepDraft]) -> None:
        """The teacher draws something wrong, on purpose."""
        language, world = self.kit.world.language, self.kit.world
        requests = []
        for turn in turns:
            after, last = turn.move.after, len(turn.move.after.nodes) - 1
            if turn.conflict == "state-prompt":
                new = self._contradicting(turn)
                wrong = after.changed(last, new)
                verdict = Verdict(False, compare(after, wrong.nodes))
                self._mislead(turn, wrong)
            else:
                wrong, mismatch = spoiled(after, last, world, turn.draft.rng)
                verdict = Verdict(False, (mismatch,))
            turn.said = critique(verdict, language, turn.instruction)
            noise = self._noise(turn.draft.index, f"spoil {turn.draft.at}")
            words = (
                language.instruction(wrong, len(wrong.nodes) - 1) if wrong.nodes else "",
                language.description(wrong),
            )
            requests.append(DrawingRequest(turn.draft.image, wrong, *words, noise))
        for turn, image in zip(turns, self.kit.teacher.draw(requests) if requests else [], strict=True):
            turn.sketch = image
            self.counts["teacher critiques"] += 1

    def _contradicting(self, turn: _StepDraft) -> Node:
        """What a plan adds that contradicts the prompt: the thing in a wrong place or another thing."""
        rng, world = turn.draft.rng, self.kit.world
        elsewhere = misplaced(*self._whole(turn), world, rng) if rng.random() < MISPLACED else None
        return elsewhere or another(turn.move.after.nodes[-1], world, rng)

    def _sample(self, turns: Sequence[_StepDraft]) -> None:
        """The model draws its sketch, and the filter says what is wrong with it."""
        if not turns:
            return
        model = self.kit.model
        contexts = self._contexts(turns)
        model.read(contexts, [_plan(turn.instruction, turn.description) for turn in turns])
        unguided = model.start(len(turns)) if model.guided else []
        if unguided:
            self._look(unguided, turns)
        seeds = [self._noise(turn.draft.index, f"sketch {turn.draft.at}") for turn in turns]
        drawn = model.draw(contexts, unguided=unguided, seeds=seeds)
        cases = [
            Case(one.image, after, turn.draft.task.prompt, self.kit.world.language.description(after), self.kit.world)
            for turn, one, after in zip(turns, drawn, [turn.move.after for turn in turns], strict=True)
        ]
        for turn, one, seed, verdict in zip(turns, drawn, seeds, self.kit.filter.check(cases), strict=True):
            self._take(turn, one.image, verdict, Cost(one.evaluations), seed)

    def _take(self, turn: _StepDraft, image: Image.Image, verdict: Verdict | None, cost: Cost, seed: int) -> None:
        """A model's drawing with what a filter said of it; the teacher's is kept where nothing can be said."""
        said = None if verdict is None else critique(verdict, self.kit.world.language, turn.instruction)
        if verdict is None or said is None or (verdict.right and turn.conflict == "state-prompt"):
            self.counts["own sketches left out"] += 1
            turn.origin = ""
            if turn.conflict == "state-prompt":  # its plan was wrong: back to the teacher's
                self._say(turn, turn.move.told, turn.move.node)
            return
        self.counts["own sketches that are right" if verdict.right else "own sketches that are wrong"] += 1
        turn.sketch, turn.said, turn.cost, turn.noise = image, said, cost, seed

    def _contexts(self, turns: Sequence[_StepDraft]) -> list[Any]:
        """The prompt read, the present state looked at: where a step of the process begins."""
        model = self.kit.model
        contexts: list[Any] = model.start(len(turns))
        spoken = Strokes({})
        model.read(contexts, [spoken.prompt(turn.draft.task.prompt) for turn in turns])
        if getattr(model, "remembers", False):
            model.read(contexts, [remembered(turn.draft.steps) for turn in turns])
        self._look(contexts, turns)
        return contexts

    def _look(self, contexts: Sequence[Any], turns: Sequence[_StepDraft]) -> None:
        model = self.kit.model
        blank = model.blank()
        pairs = [(c, turn.draft.image or blank) for c, turn in zip(contexts, turns, strict=True)]
        shown = [(context, image) for context, image in pairs if image is not None]
        if shown:
            model.look([context for context, _ in shown], [image for _, image in shown])

    def _close(self, turn: _StepDraft) -> None:
        """Write the iteration down; the state is then the right one."""
        draft, iteration = turn.draft, turn.draft.at + 1
        assert turn.sketch is not None
        assert turn.target is not None
        own = turn.origin == "model"
        state_seed = self._noise(draft.index, f"state {draft.at}")
        seed = turn.noise if own else state_seed
        add = draft.steps.append
        add(Step("plan", iteration, _plan(turn.instruction, turn.description)))
        add(Step("sketch", iteration, image=_png(turn.sketch), seed=seed, cost=turn.cost))
        said = turn.said or (Critique(OK) if self.arm.critique else None)
        draft.image = turn.sketch
        if said is not None:
            add(Step("inspect", iteration, said.inspection))
        if said is not None and said.refinement:
            add(Step("refine", iteration, said.refinement, _png(turn.target), state_seed))
            draft.image = turn.target
        if turn.origin:
            conflict = turn.conflict if said and said.refinement else "none"
            about = draft.origins[str(iteration)] = {"by": turn.origin, "conflict": conflict}
            if conflict == "state-prompt":  # the plan as it should be
                about["plan"] = _plan(*self._words(turn.move.told, turn.move.node))
        draft.state = turn.move.after
        draft.at += 1


def _plan(instruction: str, description: str) -> str:
    return f"<ins> {instruction} </ins> <des> {description} </des>"


def _again(request: DrawingRequest, attempt: int) -> DrawingRequest:
    seed = request.seed if attempt == 0 else (request.seed + attempt * 1_000_003) % 2**63
    return DrawingRequest(request.before, request.after, request.instruction, request.description, seed)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()

"""Jobs and results as plain JSON values and bytes: nothing else crosses between processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalharness import errors
from evalharness.api.failure import Failure
from evalharness.api.model import SourceFile
from evalharness.api.variant import Variant
from evalharness.execution.workers import JudgedScore, JudgeReply, ScoreJob
from evalharness.generation import variants
from evalharness.planning.plan import Job
from evalharness.types.item import Item, PromptImage
from evalharness.types.origin import Origin
from evalharness.types.reply import Reply
from evalharness.types.score import Score, ScoringTime
from evalharness.types.trajectory import Cost, PartialTrajectory, Step, Trajectory

Plain = dict[str, Any]


def pack_jobs(jobs: Sequence[Any]) -> Plain:
    """A batch: jobs to draw, which share their variant, or jobs to score."""
    if isinstance(jobs[0], Job):
        variant = jobs[0].variant.model_dump(mode="json")
        return {"variant": variant, "draw": [_pack_job(job) for job in jobs]}
    return {"score": [_pack_score_job(job) for job in jobs]}


def unpack_jobs(data: Mapping[str, Any]) -> list[Any]:
    """The inverse of :func:`pack_jobs`."""
    if "draw" in data:
        variant = variants.from_json(data["variant"])
        return [_unpack_job(job, variant) for job in data["draw"]]
    return [_unpack_score_job(job) for job in data["score"]]


def pack_outcome(outcome: Any) -> Plain:
    """A failure, a trajectory, a judged score or a score."""
    if isinstance(outcome, Failure):
        return {"failed": asdict(outcome)}
    if isinstance(outcome, Trajectory):
        return {
            "steps": _pack_steps(outcome.steps),
            "finished": outcome.finished,
            "origin": _pack_origin(outcome.origin),
        }
    if isinstance(outcome, JudgedScore):
        return {"judged": pack_outcome(outcome.outcome), "replies": [asdict(reply) for reply in outcome.replies]}
    time = None if outcome.time is None else [outcome.time.scorer, outcome.time.seconds]
    details, origin = json.dumps(dict(outcome.details)), _pack_origin(outcome.origin)
    return {"value": float(outcome.value), "reason": outcome.reason, "details": details, "origin": origin, "time": time}


def unpack_outcome(data: Mapping[str, Any]) -> Any:
    """The inverse of :func:`pack_outcome`."""
    if "failed" in data:
        return Failure(**data["failed"])
    if "steps" in data:
        return Trajectory(_unpack_steps(data["steps"]), data["finished"], _unpack_origin(data["origin"]))
    if "judged" in data:
        replies = (JudgeReply(**{**reply, "reply": Reply(**reply["reply"])}) for reply in data["replies"])
        return JudgedScore(unpack_outcome(data["judged"]), tuple(replies))
    origin, time = _unpack_origin(data["origin"]), None if data["time"] is None else ScoringTime(*data["time"])
    return Score(data["value"], data["reason"], json.loads(data["details"]), origin, time)


def pack_partial(partial: PartialTrajectory) -> Plain:
    """What was made so far of a trajectory."""
    return {
        "steps": _pack_steps(partial.steps),
        "iterations": partial.iterations,
        "finished": partial.finished,
        "origin": _pack_origin(partial.origin),
    }


def unpack_partial(data: Mapping[str, Any]) -> PartialTrajectory:
    """The inverse of :func:`pack_partial`."""
    steps, origin = _unpack_steps(data["steps"]), _unpack_origin(data["origin"])
    return PartialTrajectory(steps, data["iterations"], data["finished"], origin)


def pack_error(error: Exception) -> Plain:
    """An error that ends the run: the nearest class of :mod:`evalharness.errors`, and the message."""
    known = (cls.__name__ for cls in type(error).__mro__ if getattr(errors, cls.__name__, None) is cls)
    return {"fatal": [next(known, type(error).__name__), str(error)]}


def unpack_error(data: Mapping[str, Any]) -> Exception:
    """The inverse of :func:`pack_error`; an import error stays one, anything else is an EvalHarnessError."""
    kind, message = data["fatal"]
    if kind in ("ImportError", "ModuleNotFoundError"):
        return ImportError(message)
    error: Exception = getattr(errors, kind, errors.EvalHarnessError)(message)
    return error


def _pack_job(job: Job) -> Plain:
    source = None if job.source is None else asdict(job.source)
    packed = {"key": job.key, "model": job.model, "prompt": job.prompt, "seed": job.seed, "source": source}
    return packed | {"picture": _pack_picture(job.picture), "stored": _pack_steps(job.stored)}


def _unpack_job(data: Plain, variant: Variant) -> Job:
    source = None if data["source"] is None else SourceFile(**data["source"])
    picture = _unpack_picture(data["picture"])
    stored = _unpack_steps(data["stored"])
    return Job(data["key"], data["model"], variant, data["prompt"], data["seed"], source, picture, stored)


def _pack_steps(steps: Sequence[Step]) -> list[Plain]:
    return [{**asdict(step), "cost": step.cost.as_dict(), "texts": list(step.texts)} for step in steps]


def _unpack_steps(data: Sequence[Plain]) -> tuple[Step, ...]:
    return tuple(Step(**{**step, "cost": Cost.from_dict(step["cost"]), "texts": tuple(step["texts"])}) for step in data)


def _pack_origin(origin: Origin | None) -> list[Any] | None:
    return None if origin is None else [origin.environment, origin.made]


def _unpack_origin(data: Sequence[Any] | None) -> Origin | None:
    return None if data is None else Origin(*data)


def _pack_picture(picture: PromptImage | None) -> Plain | None:
    return None if picture is None else {"path": str(picture.path), "digest": picture.digest}


def _unpack_picture(data: Plain | None) -> PromptImage | None:
    return None if data is None else PromptImage(Path(data["path"]), data["digest"])


def _pack_score_job(job: ScoreJob) -> Plain:
    item = {"id": job.item.id, "prompt": job.item.prompt, "category": job.item.category}
    replies = {key: [asdict(reply) for reply in known] for key, known in job.replies.items()}
    return {
        "key": job.key,
        "digest": job.digest,
        "image": job.image,
        "item": item | {"metadata": json.dumps(dict(job.item.metadata)), "picture": _pack_picture(job.item.picture)},
        "retry": job.retry,
        "replies": replies,
    }


def _unpack_score_job(data: Plain) -> ScoreJob:
    fields = data["item"]
    picture = _unpack_picture(fields["picture"])
    item = Item(**{**fields, "metadata": json.loads(fields["metadata"]), "picture": picture})
    replies = {key: [Reply(**reply) for reply in known] for key, known in data["replies"].items()}
    return ScoreJob(data["key"], data["digest"], data["image"], item, data["retry"], replies)

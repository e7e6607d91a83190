"""Jobs and results as plain JSON values and bytes: nothing else crosses between processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from evalharness.api.executor import Failure
from evalharness.api.model import SourceFile
from evalharness.generation.variants import VariantSettings
from evalharness.plan.plan import Job
from evalharness.run.workers import JudgedScore, JudgeReply, ScoreJob
from evalharness.types.item import Item, PromptImage
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory

Plain = dict[str, Any]
VARIANT: TypeAdapter[VariantSettings] = TypeAdapter(VariantSettings)


def pack_jobs(jobs: Sequence[Any]) -> Plain:
    if isinstance(jobs[0], Job):
        variant = jobs[0].variant.model_dump(mode="json")
        return {"variant": variant, "draw": [_pack_job(job) for job in jobs]}
    return {"score": [_pack_score_job(job) for job in jobs]}


def unpack_jobs(data: Mapping[str, Any]) -> list[Any]:
    if "draw" in data:
        variant = VARIANT.validate_python(data["variant"])
        return [_unpack_job(one, variant) for one in data["draw"]]
    return [_unpack_score_job(one) for one in data["score"]]


def pack_outcome(outcome: Any) -> Plain:
    if isinstance(outcome, Failure):
        return {"failed": outcome.reason}
    if isinstance(outcome, Trajectory):
        steps = [{**asdict(step), "cost": list(asdict(step.cost).values())} for step in outcome.steps]
        return {"steps": steps, "finished": outcome.finished}
    if isinstance(outcome, JudgedScore):
        said = [{**asdict(one), "reply": asdict(one.reply)} for one in outcome.said]
        return {"verdict": pack_outcome(outcome.outcome), "said": said}
    details = json.dumps(dict(outcome.details))
    return {"value": float(outcome.value), "reason": outcome.reason, "details": details}


def unpack_outcome(data: Mapping[str, Any]) -> Any:
    if "failed" in data:
        return Failure(data["failed"])
    if "steps" in data:
        steps = (Step(**{**step, "cost": Cost(*step["cost"])}) for step in data["steps"])
        return Trajectory(tuple(steps), data["finished"])
    if "verdict" in data:
        said = (JudgeReply(**{**one, "reply": Reply(**one["reply"])}) for one in data["said"])
        return JudgedScore(unpack_outcome(data["verdict"]), tuple(said))
    return Score(data["value"], data["reason"], json.loads(data["details"]))


def _pack_job(job: Job) -> Plain:
    source = None if job.source is None else asdict(job.source)
    made = {"key": job.key, "model": job.model, "prompt": job.prompt, "seed": job.seed, "source": source}
    return made | {"picture": _pack_picture(job.picture)}


def _unpack_job(data: Plain, variant: VariantSettings) -> Job:
    source = None if data["source"] is None else SourceFile(**data["source"])
    picture = _unpack_picture(data["picture"])
    return Job(data["key"], data["model"], variant, data["prompt"], data["seed"], source, picture)


def _pack_picture(picture: PromptImage | None) -> Plain | None:
    return None if picture is None else {"path": str(picture.path), "digest": picture.digest}


def _unpack_picture(data: Plain | None) -> PromptImage | None:
    return None if data is None else PromptImage(Path(data["path"]), data["digest"])


def _pack_score_job(job: ScoreJob) -> Plain:
    item = {"id": job.item.id, "prompt": job.item.prompt, "category": job.item.category}
    replies = {key: [asdict(reply) for reply in said] for key, said in job.replies.items()}
    return {
        "key": job.key,
        "digest": job.digest,
        "image": job.image,
        "item": item | {"metadata": json.dumps(dict(job.item.metadata)), "picture": _pack_picture(job.item.picture)},
        "retry": job.retry,
        "replies": replies,
    }


def _unpack_score_job(data: Plain) -> ScoreJob:
    own = data["item"]
    picture = _unpack_picture(own["picture"])
    item = Item(**{**own, "metadata": json.loads(own["metadata"]), "picture": picture})
    replies = {key: [Reply(**reply) for reply in said] for key, said in data["replies"].items()}
    return ScoreJob(data["key"], data["digest"], data["image"], item, data["retry"], replies)

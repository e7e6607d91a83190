"""What a sweep file may say of a benchmark that a judge scores."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from evalharness.config.plugin_ref import JudgeRef


class JudgedSettings(BaseModel):
    """``judge_repeats``: how often the judge is asked about each image of ``repeat_items`` items; the first answer
    counts, the others tell how steady it is. ``second_judge`` judges the same images; its scores only tell how far the
    two agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    judge: JudgeRef
    judge_repeats: int = Field(default=1, ge=1, le=20)
    repeat_items: int = Field(default=60, ge=1)
    second_judge: JudgeRef | None = None

"""The settings of the executor ``ray``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from evalharness.api.executor import WorkQueue


def _whole_above_one(amount: float) -> float:
    if amount > 1 and not amount.is_integer():
        raise ValueError(f"a share of one, or a whole number; got {amount:g}")
    return amount


Amount = Annotated[float, Field(ge=0, le=4096), AfterValidator(_whole_above_one)]
"""Of a GPU or a processor; Ray takes no fractions above 1."""


class Resources(BaseModel):
    """The resources of one worker.

    Attributes:
        gpus: A fraction of a GPU, or several GPUs.
        cpus: Processors.
        workers: Maximum number of workers at the same time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: Amount | None = None
    cpus: Amount = 1.0
    workers: Annotated[int, Field(ge=1, le=100_000)] | None = None

    def with_default_gpus(self, gpus: float) -> Resources:
        """A copy with ``gpus``, unless an amount is set already."""
        return self if self.gpus is not None else self.model_copy(update={"gpus": gpus})


class RaySettings(BaseModel):
    """See docs/cluster.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = None
    cpus: Annotated[int, Field(ge=1, le=4096)] | None = None
    gpus: Annotated[int, Field(ge=0, le=1024)] | None = None
    draw: Resources = Resources()
    score: Resources = Resources()
    models: dict[str, Resources] = {}
    benchmarks: dict[str, Resources] = {}
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    timeout: Annotated[float, Field(gt=0)] | None = None
    loading: Annotated[float, Field(ge=0)] = 600.0
    patience: Annotated[float, Field(gt=0)] = 300.0
    paths: dict[str, str] = {}

    def resources(self, queue: WorkQueue, *, has_gpus: bool) -> Resources:
        """What a worker of a queue needs: the entry of its model or benchmark, or that of its stage."""
        if queue.stage == "draw":
            return self.models.get(queue.subject, self.draw).with_default_gpus(1.0 if has_gpus else 0.0)
        return self.benchmarks.get(queue.subject, self.score).with_default_gpus(0.25 if has_gpus else 0.0)

"""Variants that make their steps one by one: these are stored as they are made, and continued."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from evalharness.api.model import Interleaver
from evalharness.api.variant import StepsMade
from evalharness.generation.sample import Sample
from evalharness.generation.spoken import SpokenVariant
from evalharness.generation.steps import NoteSteps, continued_samples, handing_over
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Step, Trajectory


class StepwiseVariant(SpokenVariant):
    """Base class: a subclass makes the steps of a batch in :meth:`make_steps`."""

    @abstractmethod
    def make_steps(self, model: Interleaver, samples: list[Sample], note: NoteSteps) -> None:
        """Make the steps of samples, of which some may be stored already.

        Args:
            model: The model.
            samples: The samples of a batch; those that continue take over their stored steps.
            note: To be called with the samples that have a new step, complete with text and image.
        """

    def resumes(self, model: Any) -> bool:
        return True

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None] = ()
    ) -> list[Trajectory]:
        return self.resume(model, prompts, seeds, [()] * len(prompts))

    def resume(
        self,
        model: Any,
        prompts: Sequence[str],
        seeds: Sequence[int],
        stored: Sequence[Sequence[Step]],
        made: StepsMade | None = None,
    ) -> list[Trajectory]:
        samples = continued_samples(prompts, seeds, stored)
        self.make_steps(model, samples, handing_over(samples, made))
        return [sample.trajectory() for sample in samples]

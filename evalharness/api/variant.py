"""The interface of variants, which make an image for each prompt with a model's verbs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from evalharness.api.format import Format
from evalharness.api.model import ImageModel
from evalharness.api.plugin import Installable
from evalharness.errors import ConfigError
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import PartialTrajectory, Step, Trajectory

CAP = "max_iterations"
"""The setting that caps the iterations of a variant, if it has one."""


StepsMade = Callable[[Mapping[int, PartialTrajectory]], None]
"""Takes what was made so far of the trajectories that have a new step, by their index in the batch."""


@dataclass(frozen=True)
class AddedLater:
    """Marks a setting that a variant did not have at first: ``rounds: Annotated[int, AddedLater(1)] = 1``.

    Attributes:
        before: The value that trajectories stored before had in effect. A key leaves the setting out where it has this
            value, so that those trajectories are found again.
    """

    before: Any


class Variant(Installable, BaseModel):
    """A plugin whose fields are its settings: the keys of an arm in a sweep file.

    A subclass gives ``variant`` its name as default: ``variant: Literal["zoom"] = "zoom"``. One that iterates has the
    cap in a field ``max_iterations`` and returns it as :attr:`cap`. It must not look ahead at its cap: a trajectory of
    a smaller cap is the beginning of one of a larger cap, and a stored one is continued.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs_pictures: ClassVar[bool] = False
    """Whether the variant changes the picture of an item, so that items without one cannot be used."""

    variant: str

    @property
    def cap(self) -> int | None:
        """The iteration cap; ``None`` for a variant that does not iterate."""
        return None

    @property
    def drawings(self) -> int:
        """The maximum number of images of a trajectory."""
        return 1

    def key(self) -> dict[str, Any]:
        """The settings that decide a trajectory's bytes: all but the iteration cap, which only cuts it short.

        Those that were :class:`AddedLater` are left out where they change nothing.
        """
        unchanged = {
            name
            for name, field in type(self).model_fields.items()
            if any(isinstance(mark, AddedLater) and mark.before == getattr(self, name) for mark in field.metadata)
        }
        return self.model_dump(mode="json", exclude={CAP} | unchanged)

    def spoken_format(self, model: Any) -> Format | None:
        """The format in which a model speaks in this variant; ``None`` if it does not speak."""
        return None

    def shared_key(self) -> dict[str, Any] | None:
        """The settings that variants have in common of which one with more drawings contains those with fewer.

        ``None`` if no trajectory of the variant contains another, but for the iteration cap.
        """
        return None

    def contained(self, larger: Trajectory, model: Any) -> Trajectory:
        """The trajectory of this variant that one of a larger variant with the same :meth:`shared_key` contains."""
        raise NotImplementedError(f"variant {self.variant!r} contains no other")

    def check(self, model: Any) -> None:
        """Check, while a sweep is planned, that a model can do what the variant asks of it.

        Raises:
            ConfigError: It cannot.
        """
        if not isinstance(model, ImageModel):
            raise ConfigError(f"variant {self.variant!r} needs a model that draws here; {model.name!r} does not")

    def resumes(self, model: Any) -> bool:
        """Whether a stored beginning of a trajectory is continued by :meth:`resume`."""
        return False

    def resume(
        self,
        model: Any,
        prompts: Sequence[str],
        seeds: Sequence[int],
        stored: Sequence[Sequence[Step]],
        made: StepsMade | None = None,
    ) -> list[Trajectory]:
        """Make a trajectory for each prompt that begins with stored steps, none or more, as they are.

        Args:
            model: The model, whose ``prepare`` has been called.
            prompts: The items' prompts.
            seeds: One for each prompt.
            stored: The first steps of each trajectory.
            made: Called after each step of the batch, so that what is made is not lost if a later step fails.
        """
        raise NotImplementedError(f"variant {self.variant!r} does not continue trajectories")

    @abstractmethod
    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None]
    ) -> list[Trajectory]:
        """Make a trajectory for each prompt, which depends on that prompt, seed and picture only.

        Args:
            model: The model, whose ``prepare`` has been called.
            prompts: The items' prompts.
            seeds: One for each prompt.
            pictures: The items' pictures, for a variant that needs them.

        Raises:
            SampleError: A sample is at fault. The batch is tried again in parts.
        """

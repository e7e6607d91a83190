"""Drawing: integrates the flow from noise to latents for a batch of contexts, with guidance in the same passes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from evalharness._util.finite import check_finite
from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.config import LATENT_PATCH
from evalharness.models.bagel.sampler import Sampler
from evalharness.models.bagel.verbs import BagelVerbs
from evalharness.models.bagel.vision import from_patches

Grid = tuple[int, int]


def draw(
    bagel: BagelVerbs,
    contexts: Sequence[Context],
    noise: Sequence[Tensor],
    grids: Sequence[Grid],
    samplers: Sequence[Sampler],
    *,
    guidance_every: int = 1,
) -> list[Tensor]:
    """Integrate the flow of each context. A step is one pass over all samples, guidance included.

    Args:
        bagel: the network.
        contexts: the contexts to draw behind. Image guidance needs their ``text_only`` sequences, which exist once an
            image was seen with ``branch``.
        noise: ``(tokens, latent width)`` for each context.
        grids: rows and columns of latent tokens for each context.
        samplers: a sampler for each context; they share their times.
        guidance_every: interval, in evaluations of the velocity, at which guidance is evaluated. In between, the last
            difference that it made is reused.

    Returns:
        Latents ``(channels, height, width)`` for each context.

    Raises:
        NotFiniteError: A latent is NaN or infinite after a step.
    """
    x = list(noise)
    differences: dict[int, tuple[Tensor, Tensor | None]] = {}
    for number, (time, step) in enumerate(samplers[0].times()):
        guided = [i for i, sampler in enumerate(samplers) if sampler.guided(time)]
        due = guided if number % guidance_every == 0 else [i for i in guided if i not in differences]
        velocities, without_text, without_images = _velocities(bagel, contexts, x, time, grids, samplers, due)
        for i in due:
            image_velocity = without_images.get(i)
            image_difference = None if image_velocity is None else velocities[i] - image_velocity
            differences[i] = velocities[i] - without_text[i], image_difference
        for i in set(guided) - set(due):
            text_difference, image_difference = differences[i]
            without_text[i] = velocities[i] - text_difference
            if image_difference is not None:
                without_images[i] = velocities[i] - image_difference
        for i, velocity in enumerate(velocities):
            if i in without_text:
                velocity = samplers[i].guide(velocity, without_text[i], without_images.get(i))
            x[i] = x[i] - velocity * step
            check_finite(x[i], "the drawing's latents")
    return [from_patches(latents, LATENT_PATCH, *grid) for latents, grid in zip(x, grids, strict=True)]


def _velocities(
    bagel: BagelVerbs,
    contexts: Sequence[Context],
    x: Sequence[Tensor],
    time: float,
    grids: Sequence[Grid],
    samplers: Sequence[Sampler],
    guided: Sequence[int],
) -> tuple[list[Tensor], dict[int, Tensor], dict[int, Tensor]]:
    """Compute all velocities in one pass.

    Returns:
        The velocities of all contexts; by index, those of the ``guided`` contexts without the newest text; by index,
        those without images, if image guidance is used and there are images.
    """
    image_guided = [i for i in guided if samplers[i].image_scale > 1 and contexts[i].text_only is not None]
    views = [context.full.view() for context in contexts]
    views += [contexts[i].without_newest_text() for i in guided]
    views += [text_only.view() for i in image_guided if (text_only := contexts[i].text_only) is not None]
    samples = [*range(len(contexts)), *guided, *image_guided]
    velocities = bagel.velocity(views, [x[i] for i in samples], time, [grids[i] for i in samples])
    conditional, rest = velocities[: len(contexts)], velocities[len(contexts) :]
    without_text = dict(zip(guided, rest[: len(guided)], strict=True))
    without_images = dict(zip(image_guided, rest[len(guided) :], strict=True))
    return conditional, without_text, without_images

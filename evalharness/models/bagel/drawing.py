"""Drawing: the flow from noise to latents behind a batch of contexts, guidance included in the same passes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.config import LATENT_PATCH
from evalharness.models.bagel.sampler import Sampler
from evalharness.models.bagel.verbs import Bagel
from evalharness.models.bagel.vision import from_patches

Grid = tuple[int, int]


def draw(
    bagel: Bagel,
    contexts: Sequence[Context],
    noise: Sequence[Tensor],
    grids: Sequence[Grid],
    samplers: Sequence[Sampler],
    *,
    renew: int = 1,
) -> list[Tensor]:
    """Solve the flow from noise (tokens, numbers) behind each context; returns latents (channels, height, width).

    All that a step needs of all samples, guidance included, is one pass. The samplers share their times. Image guidance
    needs the context's texts alone, which it has once it was looked at an image with ``branch``. With ``renew`` above 1
    only every so many evaluations look at the contexts that guidance leads away from; between them, the way that they
    were off the velocity then is taken for what it is now.
    """
    x = list(noise)
    away: dict[int, tuple[Tensor, Tensor | None]] = {}
    for number, (time, step) in enumerate(samplers[0].times()):
        guided = [i for i, one in enumerate(samplers) if one.guided(time)]
        due = guided if number % renew == 0 else [i for i in guided if i not in away]
        velocity, without_text, without_images = _velocities(bagel, contexts, x, time, grids, samplers, due)
        for i in due:
            images = without_images.get(i)
            away[i] = velocity[i] - without_text[i], None if images is None else velocity[i] - images
        for i in set(guided) - set(due):
            text, image = away[i]
            without_text[i] = velocity[i] - text
            if image is not None:
                without_images[i] = velocity[i] - image
        for i, own in enumerate(velocity):
            led = samplers[i].guide(own, without_text[i], without_images.get(i)) if i in without_text else own
            x[i] = x[i] - led * step
    return [from_patches(one, LATENT_PATCH, *grid) for one, grid in zip(x, grids, strict=True)]


def _velocities(
    bagel: Bagel,
    contexts: Sequence[Context],
    x: Sequence[Tensor],
    time: float,
    grids: Sequence[Grid],
    samplers: Sequence[Sampler],
    guided: Sequence[int],
) -> tuple[list[Tensor], dict[int, Tensor], dict[int, Tensor]]:
    """Of all contexts; of those ``guided``, without the newest text; and, where image guidance is wanted and there are
    images, without them."""
    shown = [i for i in guided if samplers[i].image_scale > 1 and contexts[i].texts is not None]
    views = [context.whole.view() for context in contexts]
    views += [contexts[i].without_newest_text() for i in guided]
    views += [texts.view() for i in shown if (texts := contexts[i].texts) is not None]
    who = [*range(len(contexts)), *guided, *shown]
    found = bagel.velocity(views, [x[i] for i in who], time, [grids[i] for i in who])
    own, rest = found[: len(contexts)], found[len(contexts) :]
    return own, dict(zip(guided, rest, strict=False)), dict(zip(shown, rest[len(guided) :], strict=True))

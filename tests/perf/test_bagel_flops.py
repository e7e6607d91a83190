"""The closed form against what torch counts while a small BAGEL computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bagel_small as small
import pytest
import torch

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

import bagel_flops
import bagel_random
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.drawing import draw
from evalharness.models.bagel.network import Piece
from evalharness.models.bagel.runtime import Runtime

SIZES = bagel_random.sizes_of(small.LLM, small.VIT, small.LATENT_SIDE)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    settings = {
        "dtype": "float32", "device": "cpu", "height": 64, "width": 48, "steps": 6,
        "vae_sizes": small.VAE_SIZES, "vit_sizes": small.VIT_SIZES,
    }  # fmt: skip
    return bagel_random.make(SIZES, 32, tmp_path_factory.mktemp("random"), settings, large=False)


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """With attention as plain products: torch does not count those within the CPU's own kernel."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


@pytest.mark.parametrize("renew", [1, 2])
@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.4, 1.0), (0.4, 0.95)])
def test_a_drawing(runtime: Runtime, interval: tuple[float, float], renew: int) -> None:
    sampler = runtime.settings.model_copy(update={"interval": interval, "image_scale": 2.0}).sampler(editing=True)
    contexts = [Context()]
    with torch.inference_mode():
        runtime.bagel.read(contexts, [[1, 2, 3]])
        image = torch.zeros(16, 8, 6)
        runtime.bagel.look(contexts, [image], [None], branch=True)
        runtime.bagel.read(contexts, [[4, 5]])
        texts = contexts[0].text_only
        assert texts is not None
        with counted() as counter:
            draw(runtime.bagel, contexts, [torch.zeros(12, 64)], [(4, 3)], [sampler], guidance_every=renew)
    pasts = [contexts[0].full.cache.length, contexts[0].unguided_prefix[0], texts.cache.length]
    assert counter.get_total_flops() == bagel_flops.of_drawing(SIZES, sampler, 12, pasts, renew)


def test_a_token(runtime: Runtime) -> None:
    (context,) = contexts = [Context()]
    with torch.inference_mode():
        runtime.bagel.read(contexts, [[1, 2, 3]])
        piece = Piece(context.full.view(), runtime.bagel.network.embed_text([7]), [5])
        with counted() as counter:
            runtime.bagel.network.run([piece], causal=True, keep=False)
    assert counter.get_total_flops() == bagel_flops.of_layers(SIZES, 1, 5)


def test_the_full_size_computes_with_7_billion_weights_a_token() -> None:
    full = bagel_random.sizes_of(small.FULL_LLM, small.FULL_VIT, 64)
    assert 2 * 6.5e9 < bagel_flops.of_layers(full, 1, 0) < 2 * 7.1e9

"""The parts with less work against those of transformers that they stand in for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation
from transformers.models.mask2former import modeling_mask2former as original

from evalharness.detectors import mask2former_fast
from evalharness.detectors.mask2former_fast import DeformableAttention, MaskedAttentionDecoder, speed_up

SHAPES = [(2, 3), (4, 6), (9, 11)]


@pytest.fixture
def random() -> Callable[..., Tensor]:
    torch.manual_seed(0)  # of the networks' own initial weights
    generator = torch.Generator().manual_seed(0)
    return lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)


def stirred(module: torch.nn.Module, random: Callable[..., Tensor], by: float) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.add_(by * random(*parameter.shape))
    return module.eval()


@pytest.mark.parametrize("reach", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("chunk", [7, 1024])
def test_deformable_attention(
    reach: float, chunk: int, random: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples within the maps, on their edges, and far outside."""
    monkeypatch.setattr(mask2former_fast, "CHUNK", chunk)
    places = sum(height * width for height, width in SHAPES)
    attention: Any = original.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention(32, 4, 3, 4)
    stirred(attention, random, 0.1)
    with torch.no_grad():
        attention.sampling_offsets.weight.mul_(reach)
        attention.sampling_offsets.bias.copy_(reach * random(96).round())
    states = random(2, places, 32)
    inputs: dict[str, Any] = {
        "encoder_hidden_states": states,
        "position_embeddings": random(2, places, 32),
        "reference_points": original.Mask2FormerPixelDecoderEncoderOnly.get_reference_points(
            SHAPES, torch.ones(2, 3, 2, dtype=torch.float64), "cpu"
        ),
        "spatial_shapes_list": SHAPES,
    }
    with torch.inference_mode():
        expected, _ = attention(states, **inputs)
        attention.__class__ = DeformableAttention
        result, _ = attention(states, **inputs)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


def test_masked_attention_decoder(random: Callable[..., Tensor]) -> None:
    """Some queries see a part of a level, some nothing, which means all."""
    config = Mask2FormerConfig(
        hidden_dim=32, mask_feature_size=32, num_attention_heads=4, dim_feedforward=16, decoder_layers=5, num_queries=10
    )
    decoder: Any = stirred(original.Mask2FormerMaskedAttentionDecoder(config), random, 0.1)
    pixels = random(2, 32, 16, 24)
    pixels[0] += 3 * random(32)[:, None, None]  # one sign for a whole mask
    sizes = [(2, 3), (4, 6), (8, 12)]
    inputs: dict[str, Any] = {
        "inputs_embeds": random(10, 2, 32),
        "multi_stage_positional_embeddings": [random(height * width, 2, 32) for height, width in sizes],
        "pixel_embeddings": pixels,
        "encoder_hidden_states": [random(height * width, 2, 32) for height, width in sizes],
        "query_position_embeddings": random(10, 2, 32),
        "feature_size_list": sizes,
    }
    with torch.inference_mode():
        expected = decoder(**inputs, output_hidden_states=True, return_dict=True)
        speed_up(decoder, "cpu")
        assert isinstance(decoder, MaskedAttentionDecoder)
        result = decoder(**inputs, output_hidden_states=True, return_dict=True)
        unseen = decoder.attention_mask(inputs["inputs_embeds"], pixels).unflatten(0, (2, 4))[:, 0]
    assert 0.05 < unseen.double().mean() < 0.95
    assert (~unseen.any(dim=-1)).any()
    assert result.last_hidden_state.shape == expected.last_hidden_state.shape
    for name in ("masks_queries_logits", "intermediate_hidden_states"):
        torch.testing.assert_close(result[name][-1], expected[name][-1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(64, 96), (32, 32)])
def test_the_whole_network(size: tuple[int, int], detector_folder: Path, random: Callable[..., Tensor]) -> None:
    plain = Mask2FormerForUniversalSegmentation.from_pretrained(detector_folder).double().eval()
    fast = copy.deepcopy(plain)
    speed_up(fast, "cpu")
    assert plain.state_dict().keys() == fast.state_dict().keys()
    pixels = random(2, 3, *size)
    with torch.inference_mode():
        expected, result = plain(pixel_values=pixels), fast(pixel_values=pixels)
    for name in ("class_queries_logits", "masks_queries_logits"):
        torch.testing.assert_close(result[name], expected[name], rtol=1e-7, atol=1e-7)


def test_on_a_gpu_grid_sample_stays(detector_folder: Path) -> None:
    model = Mask2FormerForUniversalSegmentation.from_pretrained(detector_folder)
    speed_up(model, "cuda:0")
    kinds = set(map(type, model.modules()))
    assert MaskedAttentionDecoder in kinds
    assert DeformableAttention not in kinds

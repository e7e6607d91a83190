"""How the networks of transformers that draw by tokens are asked for an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from PIL import Image

from evalharness._util.finite import check_finite
from evalharness.models.any_to_any.settings import AnyToAnySettings

if TYPE_CHECKING:
    import torch

Drawing = tuple[Image.Image, int]
"""An image, and the number of its tokens."""


def draw_janus(network: Any, processor: Any, settings: AnyToAnySettings, prompt: str) -> Drawing:
    """Draw with Janus or Janus-Pro: the prompt is a turn of the user, and all images have one size."""
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": prompt}]}], add_generation_prompt=True
    )
    inputs = processor(text=text, generation_mode="image", return_tensors="pt").to(network.device)
    # transformers leaves this out when it reads a checkpoint's generation_config.json.
    network.generation_config.generation_kwargs = {"boi_token_id": processor.tokenizer.boi_token_id}
    sampling = _sampling(settings)
    if settings.guidance == 1:
        sampling["guidance_scale"] = 1 + 1e-6  # transformers' Janus cannot do without
    tokens = network.generate(**inputs, generation_mode="image", **sampling)
    pixels = network.decode_image_tokens(tokens)
    return _image(processor, pixels[0]), tokens.shape[1]


def draw_emu3(network: Any, processor: Any, settings: AnyToAnySettings, prompt: str) -> Drawing:
    """Draw with Emu3: rows of tokens, each with a token that ends it, of a size that the settings give."""
    size = {"ratio": settings.ratio} | ({} if settings.area is None else {"image_area": settings.area})

    def inputs_of(text: str) -> Any:
        return processor(text=[text], return_for_image_generation=True, return_tensors="pt", **size)

    inputs = inputs_of(prompt)
    height, width = (int(side) for side in inputs.pop("image_sizes")[0])
    inputs = inputs.to(network.device)
    arguments = _sampling(settings)
    if (settings.guidance or network.generation_config.guidance_scale or 1) > 1:
        negative = inputs_of(settings.negative_prompt).to(network.device)
        arguments |= {
            "negative_prompt_ids": negative["input_ids"],
            "negative_prompt_attention_mask": negative["attention_mask"],
        }
    start = inputs["input_ids"].shape[1]
    tokens = network.generate(
        **inputs,
        **arguments,
        max_new_tokens=height * (width + 1) + 3,
        prefix_allowed_tokens_fn=_rows(network, processor.tokenizer, start, height, width),
    )[:, start:]
    pixels = network.decode_image_tokens(image_tokens=tokens, height=height, width=width)
    return _image(processor, pixels[0].permute(1, 2, 0)), height * width


FAMILIES: Mapping[str, tuple[str, Callable[[Any, Any, AnyToAnySettings, str], Drawing]]] = {
    "janus": ("JanusForConditionalGeneration", draw_janus),
    "emu3": ("Emu3ForConditionalGeneration", draw_emu3),
}
"""``model_type`` of a checkpoint's config → its class in transformers, and what draws with it."""


def _sampling(settings: AnyToAnySettings) -> dict[str, Any]:
    guidance = {} if settings.guidance is None else {"guidance_scale": settings.guidance}
    return {"do_sample": True, **guidance, **settings.arguments}


def _rows(
    network: Any, tokenizer: Any, start: int, height: int, width: int
) -> Callable[[int, torch.Tensor], list[int]]:
    """The tokens that may follow: ``height`` rows of ``width`` visual tokens, then the tokens that end an image."""
    visual = list(network.vocabulary_mapping.image_tokens)
    end_of_row = [network.vocabulary_mapping.eol_token_id]
    ends = [tokenizer.convert_tokens_to_ids(tokenizer.eof_token), tokenizer.eoi_token_id, tokenizer.eos_token_id]

    def allowed(row: int, ids: torch.Tensor) -> list[int]:
        place = len(ids) - start
        if place >= height * (width + 1):
            return [ends[min(place - height * (width + 1), 2)]]
        return end_of_row if place % (width + 1) == width else visual

    return allowed


def _image(processor: Any, pixels: torch.Tensor) -> Image.Image:
    """The image of normalized pixels ``(height, width, 3)``, truncated to 8 bits as transformers' processors do."""
    import torch

    check_finite(pixels, "the drawing's pixels")
    spread, middle = (
        pixels.new_tensor(getattr(processor.image_processor, name)) for name in ("image_std", "image_mean")
    )
    values = (pixels.float() * spread + middle).clamp(0, 1) * 255
    return Image.fromarray(values.to(torch.uint8).cpu().numpy())

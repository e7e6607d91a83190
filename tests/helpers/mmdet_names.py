"""Names of Mask2Former's weights in MMDetection."""

from __future__ import annotations

from torch import Tensor


def as_2x(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of MMDetection 3 as MMDetection 2 calls them."""

    def renamed(key: str) -> str:
        if key.startswith("panoptic_head.transformer_decoder.layers."):
            key = key.replace(".cross_attn.attn.", ".attentions.0.attn.").replace(
                ".self_attn.attn.", ".attentions.1.attn."
            )
        elif key.startswith("panoptic_head.pixel_decoder.encoder.layers."):
            key = key.replace(".self_attn.", ".attentions.0.")
        return key.replace(".ffn.layers.", ".ffns.0.layers.") if key.startswith("panoptic_head.") else key

    return {renamed(key): value for key, value in state.items()}

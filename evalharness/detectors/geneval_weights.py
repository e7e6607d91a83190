"""The networks that GenEval's published scores were measured with: ``weights: official``.

Both files are checked by SHA-256, and neither can run code: OpenMMLab's checkpoint is read with ``weights_only=True``.
OpenAI's own CLIP file is a TorchScript archive, which is a program; the same tensors are published as safetensors in
open_clip's repository on the hub, the source of ``pretrained: openai``.
"""

from __future__ import annotations

from pathlib import Path

from evalharness.assets.asset import Asset, require_converted, require_file

COMMAND = "evalharness fetch geneval"


def _to_transformers(file: Path, folder: Path) -> None:
    from evalharness.detectors import checkpoint

    checkpoint.to_folder(file, folder)


MASK2FORMER = Asset(
    folder="geneval",
    name="mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_20220504_001756-743b7d99.pth",
    url=(
        "https://download.openmmlab.com/mmdetection/v2.0/mask2former/mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco/"
        "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_20220504_001756-743b7d99.pth"
    ),
    sha256="743b7d99015f1224c6d57fd4b14d04b15cc8ec72ae7ee7831e7c71d8873b7a54",
    convert=_to_transformers,
)
"""MMDetection 2.x's file, which GenEval's program downloads."""

CLIP = Asset(
    folder="geneval",
    name="clip-vit-l-14-openai.safetensors",
    url=(
        "https://huggingface.co/timm/vit_large_patch14_clip_224.openai/resolve/"
        "18d0535469bb561bf468d76c1d73aa35156c922b/open_clip_model.safetensors"
    ),
    sha256="9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",
    size=1_710_517_724,
)
CLIP_ARCHITECTURE = "ViT-L-14-quickgelu"
"""OpenAI trained with QuickGELU; as ``ViT-L-14`` the same weights would give other colors."""


def mask2former_file() -> Path:
    """The published checkpoint, for MMDetection."""
    return require_file(MASK2FORMER, COMMAND)


def mask2former_folder() -> Path:
    """The same checkpoint, converted for transformers."""
    return require_converted(MASK2FORMER, COMMAND)


def clip_file() -> Path:
    """open_clip's state dict of OpenAI's ViT-L/14, float32."""
    return require_file(CLIP, COMMAND)

"""Runs MMDetection's Mask2Former without mmcv's compiled operations.

``mmcv-lite`` lacks the compiled module ``mmcv._ext``, which many modules of MMDetection import. Mask2Former uses a
single operation of it: multi-scale deformable attention on CUDA, which mmcv also has as a plain PyTorch function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from evalharness.errors import PluginError


class MissingOps(ModuleType):
    """Replaces ``mmcv._ext``; each operation raises PluginError when it is called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def operation(*arguments: Any, **options: Any) -> NoReturn:
            raise PluginError(f"{name} needs compiled mmcv: install mmcv==2.1.0 in place of mmcv-lite")

        return operation


class PortableAttention:
    """Replaces mmcv's autograd function around its CUDA kernel."""

    @staticmethod
    def apply(value: Any, shapes: Any, starts: Any, locations: Any, weights: Any, step: int) -> Any:
        """Takes the arguments of the kernel; the PyTorch function does not need ``starts`` and ``step``."""
        from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

        return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def prepare(device: str) -> None:
    """Make MMDetection importable, and its deformable attention correct on ``device``.

    Call it before the first import of MMDetection.
    """
    replace_missing_ops()
    if device.startswith("cuda") and not kernel_works(device):
        from mmcv.ops import multi_scale_deform_attn

        multi_scale_deform_attn.MultiScaleDeformableAttnFunction = PortableAttention


def replace_missing_ops() -> None:
    """Register :class:`MissingOps` if ``mmcv._ext`` cannot be imported.

    Raises:
        PluginError: OpenCV cannot be imported.
    """
    check_opencv()
    try:
        import mmcv._ext  # noqa: F401
    except ImportError:
        module = MissingOps("mmcv._ext")
        module.__spec__ = ModuleSpec("mmcv._ext", None)
        sys.modules["mmcv._ext"] = module


def check_opencv() -> None:
    """Check that OpenCV can be imported.

    mmcv depends on OpenCV's build with a GUI, which overwrites the headless one and needs a display's libraries.

    Raises:
        PluginError: with the commands that repair the installation.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise PluginError(
            f"OpenCV cannot be imported: {error}; keep the one without windows: pip uninstall -y opencv-python, then "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        ) from error


def kernel_works(device: str) -> bool:
    """Whether mmcv's kernel agrees with its PyTorch function.

    A kernel that was not compiled for this GPU fails with no more than a printed line, and its output stays zero.
    """
    import torch
    from mmcv.ops import multi_scale_deform_attn as mmcv_attention

    shapes = torch.tensor([[4, 4], [2, 2]], device=device)
    starts = torch.tensor([0, 16], device=device)
    random = torch.Generator().manual_seed(0)
    value = torch.rand(1, 20, 2, 8, generator=random).to(device)
    locations = torch.rand(1, 5, 2, 2, 3, 2, generator=random).to(device)
    weights = torch.rand(1, 5, 2, 2, 3, generator=random).to(device)
    expected = mmcv_attention.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    try:
        function = mmcv_attention.MultiScaleDeformableAttnFunction
        output = function.apply(value, shapes, starts, locations, weights, 64)
        return torch.allclose(output, expected, atol=1e-4)
    except (RuntimeError, PluginError):
        return False

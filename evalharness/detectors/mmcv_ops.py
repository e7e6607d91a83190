"""MMDetection without a compiler: what it needs of mmcv's compiled operations to be imported and to run Mask2Former.

``mmcv-lite`` lacks the compiled module ``mmcv._ext``, which MMDetection imports at every turn and Mask2Former uses for
one thing: multi-scale deformable attention on CUDA. mmcv also has that as a plain PyTorch function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from evalharness.errors import PluginError


class MissingOps(ModuleType):
    """Stands in for ``mmcv._ext``: each of its operations says that it is not there when it is called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def operation(*arguments: Any, **options: Any) -> NoReturn:
            raise PluginError(f"{name} needs compiled mmcv: install mmcv==2.1.0 in place of mmcv-lite")

        return operation


class PortableAttention:
    """Stands in for mmcv's autograd function around its CUDA kernel."""

    @staticmethod
    def apply(value: Any, shapes: Any, starts: Any, locations: Any, weights: Any, step: int) -> Any:
        """The arguments of the kernel; where a level starts, and the step, PyTorch needs not know."""
        from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

        return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def prepare(device: str) -> None:
    """Make MMDetection importable, and its deformable attention right on ``device``. Call it before the import."""
    stand_in()
    if device.startswith("cuda") and not kernel_works(device):
        from mmcv.ops import multi_scale_deform_attn

        multi_scale_deform_attn.MultiScaleDeformableAttnFunction = PortableAttention


def stand_in() -> None:
    """Register :class:`MissingOps` where ``mmcv._ext`` cannot be imported.

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
    """mmcv asks for the OpenCV with windows, which lands upon the headless one and needs a display's libraries."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise PluginError(
            f"OpenCV cannot be imported: {error}; keep the one without windows: pip uninstall -y opencv-python, then "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        ) from error


def kernel_works(device: str) -> bool:
    """Whether mmcv's kernel gives what its PyTorch function gives.

    A kernel that was not compiled for the GPU at hand fails with no more than a printed line, and leaves zeros.
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
        found = function.apply(value, shapes, starts, locations, weights, 64)
        return torch.allclose(found, expected, atol=1e-4)
    except (RuntimeError, PluginError):
        return False

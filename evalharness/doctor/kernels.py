"""Checks that CPU and GPUs compute correctly.

A kernel that was not built for a GPU can fail with no more than a printed line, and its output stays zero. Scores are
computed from such output as from any other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.doctor.check_result import CheckResult, fail, ok, warn

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TOLERANCE = 0.02
"""Relative error that is accepted: above bfloat16's rounding, far below the error of a kernel that did nothing."""

Operation = Callable[..., "Tensor"]


def check_gpus() -> Iterator[CheckResult]:
    """Check which GPUs torch can use, and whether it was built for them."""
    import torch

    if not torch.cuda.is_available():
        if any(Path("/dev").glob("nvidia[0-9]*")):
            yield warn(
                "cuda",
                f"this machine has an NVIDIA GPU, but torch {torch.__version__} cannot use it",
                "compare the driver (nvidia-smi) with torch.version.cuda, or install a torch that was built for CUDA",
            )
        else:
            yield ok("cuda", "no GPU, everything runs on the CPU")
        return
    for index in range(torch.cuda.device_count()):
        yield check_gpu(index)


def check_gpu(index: int) -> CheckResult:
    import torch

    name, (major, minor) = torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index)
    free, total = torch.cuda.mem_get_info(index)
    message = f"{index}: {name}, compute capability {major}.{minor}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
    architectures = torch.cuda.get_arch_list()
    if not runs_on(architectures, major, minor):
        message += f"; torch has kernels for {', '.join(architectures)}"
        return fail("cuda", message, "install a torch that was built for this GPU")
    return ok("cuda", message)


def runs_on(architectures: Sequence[str], major: int, minor: int) -> bool:
    """Whether kernels built for these architectures run on a GPU of this compute capability.

    A binary (``sm_``) runs on GPUs of the same major version and the same or a higher minor one, intermediate code
    (``compute_``) on any later GPU.

    >>> runs_on(["sm_80", "sm_90"], 8, 6), runs_on(["sm_86"], 8, 0), runs_on(["sm_80"], 9, 0)
    (True, False, False)
    """
    capability = 10 * major + minor
    for arch in architectures:
        kind, _, number = arch.partition("_")
        version = int(number.rstrip("af"))
        if version <= capability and (kind == "compute" or version // 10 == major):
            return True
    return False


def check_all_devices() -> Iterator[CheckResult]:
    """Run :func:`check_kernels` on the CPU and on each GPU."""
    import torch

    for name in ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))):
        yield from check_kernels(name)


def check_kernels(device: str) -> Iterator[CheckResult]:
    """Check basic operations of networks on ``device`` in float32 and bfloat16 against the CPU in float64."""
    import torch

    problems = []
    for name, (operation, shapes) in operations().items():
        random = torch.Generator().manual_seed(0)
        inputs = [torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes]
        expected = operation(*inputs)
        for dtype in (torch.float32, torch.bfloat16):
            rounded = [value.to(dtype).double() for value in inputs]
            exact = expected if dtype == torch.float32 else operation(*rounded)
            error = _error(operation, inputs, exact, device, dtype)
            if not error < TOLERANCE:  # also where it is not a number
                problems.append(f"{name} in {str(dtype).removeprefix('torch.')} ({error:.2g})")
    if problems:
        yield fail(
            "kernels",
            f"{device} computes wrongly: {', '.join(problems)} (relative errors)",
            "trust no score from this device; use device: cpu, or a torch and a driver that belong to it",
        )
    else:
        yield ok("kernels", f"{device}: {len(operations())} operations agree with the CPU in float64")


def _error(operation: Operation, inputs: Sequence[Tensor], exact: Tensor, device: str, dtype: torch.dtype) -> float:
    """Relative error over the whole output; infinite if the operation fails, 0 if the dtype is not supported."""
    try:
        output = operation(*(value.to(device, dtype) for value in inputs)).double().cpu()
    except RuntimeError as error:
        return 0.0 if "not implemented for" in str(error) else float("inf")
    return float((output - exact).norm() / exact.norm())


def operations() -> dict[str, tuple[Operation, Sequence[tuple[int, ...]]]]:
    """Name → operation and the shapes of its arguments."""
    from torch.nn import functional

    def deformable(value: Tensor, points: Tensor, weights: Tensor) -> Tensor:
        """The core of multi-scale deformable attention: a weighted sum of bilinear samples."""
        # Sampled away from the edges, so that rounding a position changes the sample only a little.
        sampled = functional.grid_sample(value, points.tanh() * 0.5, padding_mode="zeros", align_corners=False)
        return (sampled * weights.softmax(-1)[:, None]).sum(-1)

    return {
        "matrix product": (lambda a, b: a @ b, [(96, 128), (128, 64)]),
        "convolution": (lambda x, w: functional.conv2d(x, w, padding=1), [(2, 8, 24, 24), (8, 8, 3, 3)]),
        "attention": (functional.scaled_dot_product_attention, [(2, 4, 40, 32)] * 3),
        "deformable attention": (deformable, [(4, 8, 6, 6), (4, 20, 4, 2), (4, 20, 4)]),
        "layer norm": (lambda x: functional.layer_norm(x, (64,)), [(32, 64)]),
        "group norm": (lambda x: functional.group_norm(x, 4), [(2, 16, 12, 12)]),
        "gelu": (functional.gelu, [(64, 64)]),
        "resizing": (lambda x: functional.interpolate(x, (20, 20), mode="bilinear"), [(2, 4, 8, 8)]),
    }


def check_mmcv(device: str = "auto") -> Iterator[CheckResult]:
    """Check whether MMDetection's compiled operations are installed and correct, or replaced by PyTorch's own."""
    missing = [package for package in ("mmcv", "mmengine", "mmdet") if find_spec(package) is None]
    if missing:
        yield ok("mmcv", "MMDetection is not installed, so there is no detector mask2former-mmdet (extra geneval)")
        return
    from evalharness._util.devices import pick_device
    from evalharness.detectors import mmcv_ops

    mmcv_ops.replace_missing_ops()
    device = pick_device(device)
    try:
        import mmcv.ops
        import mmdet
    except (ImportError, AssertionError, OSError) as error:
        yield fail("mmcv", f"MMDetection cannot be imported: {error}", "pip install 'evalharness[geneval]'")
        return
    versions = f"mmdet {mmdet.__version__}, mmcv {mmcv.__version__}"
    compiled = not isinstance(sys.modules["mmcv._ext"], mmcv_ops.MissingOps)
    if not compiled:
        yield ok("mmcv", f"{versions}, not compiled: PyTorch's own deformable attention stands in")
    elif not device.startswith("cuda"):
        yield ok("mmcv", f"{versions}, compiled; the CPU does not need it")
    elif mmcv_ops.kernel_works(device):
        yield ok("mmcv", f"{versions}, compiled, and its deformable attention is right on {device}")
    else:
        yield warn(
            "mmcv",
            f"{versions}: its compiled deformable attention is wrong on {device}, and PyTorch's own stands in",
            "scores are not affected; for the faster kernel build mmcv for this GPU (TORCH_CUDA_ARCH_LIST)",
        )

"""Wrong kernels, foreign GPUs and MMDetection's operations, as far as they can be seen without a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from evalharness._util import devices
from evalharness.detectors import mmcv_ops
from evalharness.doctor import kernels
from evalharness.doctor.check_result import CheckResult


def test_this_machine_computes() -> None:
    results = list(kernels.check_all_devices())
    assert [finding.status for finding in results] == ["ok"] * (1 + torch.cuda.device_count())


@pytest.mark.parametrize("fault", [torch.zeros_like, lambda x: x * 1.1, lambda x: x * float("nan")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_kernel_that_fails(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    sample = functional.grid_sample

    def broken(value: Tensor, *arguments: Any, **options: Any) -> Tensor:
        results = sample(value, *arguments, **options)
        return fault(results) if value.dtype == dtype else results

    monkeypatch.setattr(functional, "grid_sample", broken)
    (finding,) = kernels.check_kernels("cpu")
    assert finding.status == "fail"
    assert finding.message.count("deformable attention in ") == 1
    assert f"deformable attention in {str(dtype).removeprefix('torch.')}" in finding.message
    assert "matrix product" not in finding.message


@pytest.mark.parametrize(
    ("message", "status"), [("CUDA error: no kernel image", "fail"), ("\"gelu\" not implemented for 'BFloat16'", "ok")]
)
def test_a_kernel_that_is_not_there(monkeypatch: pytest.MonkeyPatch, message: str, status: str) -> None:
    gelu = functional.gelu

    def missing(value: Tensor) -> Tensor:
        if value.dtype == torch.bfloat16:
            raise RuntimeError(message)
        return gelu(value)

    monkeypatch.setattr(functional, "gelu", missing)
    (finding,) = kernels.check_kernels("cpu")
    assert finding.status == status


class Gpu:
    """Stands for ``torch.cuda`` with one GPU."""

    def __init__(self, built: list[str]) -> None:
        self.built = built

    def plug_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "is_available": True,
            "device_count": 1,
            "get_device_name": "Hopper",
            "get_device_capability": (9, 0),
            "mem_get_info": (70e9, 80e9),
            "get_arch_list": self.built,
        }.items():
            monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)


@pytest.mark.parametrize(("built", "status"), [(["sm_80", "sm_90"], "ok"), (["sm_80", "sm_86"], "fail")])
def test_a_gpu_that_torch_was_not_built_for(monkeypatch: pytest.MonkeyPatch, built: list[str], status: str) -> None:
    Gpu(built).plug_in(monkeypatch)
    (finding,) = kernels.check_gpus()
    assert finding.status == status
    assert finding.message.startswith("0: Hopper, compute capability 9.0, 70 of 80 GB free")


@pytest.mark.parametrize(
    ("built", "capability", "runs"),
    [
        (["sm_80"], (8, 6), True),
        (["sm_86"], (8, 0), False),
        (["sm_80"], (9, 0), False),
        (["compute_80"], (9, 0), True),
        (["compute_120"], (9, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_120"], (12, 1), True),
        ([], (9, 0), False),
    ],
)
def test_what_runs_on_what(built: list[str], capability: tuple[int, int], runs: bool) -> None:
    assert kernels.runs_on(built, *capability) is runs


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and torch uses it")
@pytest.mark.parametrize(("files", "status"), [([], "ok"), ([Path("/dev/nvidia0")], "warn")])
def test_a_gpu_that_torch_does_not_see(monkeypatch: pytest.MonkeyPatch, files: list[Path], status: str) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(files))
    assert [finding.status for finding in kernels.check_gpus()] == [status]


# --- MMDetection's operations ---


def operations(monkeypatch: pytest.MonkeyPatch, *, device: str, compiled: bool, works: bool = True) -> CheckResult:
    pytest.importorskip("mmdet")
    mmcv_ops.replace_missing_ops()
    import mmcv.ops  # noqa: F401 - now, as it could not be imported with a module in which no operation is

    module = ModuleType("mmcv._ext") if compiled else mmcv_ops.MissingOps("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", module)
    monkeypatch.setattr(mmcv_ops, "kernel_works", lambda device: works)
    monkeypatch.setattr(devices, "pick_device", lambda name: device)
    (finding,) = kernels.check_mmcv()
    return finding


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"device": "cpu", "compiled": False}, "ok", "not compiled: PyTorch's own deformable attention stands in"),
        ({"device": "cuda", "compiled": False}, "ok", "not compiled"),
        ({"device": "cpu", "compiled": True}, "ok", "compiled; the CPU does not need it"),
        ({"device": "cuda", "compiled": True}, "ok", "is right on cuda"),
        ({"device": "cuda", "compiled": True, "works": False}, "warn", "is wrong on cuda, and PyTorch's own stands in"),
    ],
)
def test_compiled_operations(monkeypatch: pytest.MonkeyPatch, given: Any, status: str, words: str) -> None:
    finding = operations(monkeypatch, **given)
    assert (finding.status, words in finding.message) == (status, True), finding


@pytest.mark.skipif(find_spec("mmdet") is None, reason="MMDetection is not installed")
def test_an_mmcv_that_mmdet_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    mmcv_ops.replace_missing_ops()
    import mmcv

    monkeypatch.setattr(mmcv, "__version__", "2.2.0")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mmdet"]:
        monkeypatch.delitem(sys.modules, name)
    (finding,) = kernels.check_mmcv()
    assert finding.status == "fail"
    assert "MMDetection cannot be imported: MMCV==2.2.0 is used but incompatible" in finding.message


def test_without_mmdetection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    (finding,) = kernels.check_mmcv()
    assert finding.status == "ok"
    assert "not installed" in finding.message

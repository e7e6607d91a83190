"""Python, packages, disks."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from evalharness._util import environment
from evalharness.doctor.check_result import CheckResult, fail, ok, warn

TIGHT, TOO_TIGHT = 10e9, 1e9
"""Free bytes below which a disk is worth a word, and below which no run should start."""


def python() -> Iterator[CheckResult]:
    yield ok("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def packages(
    required: Iterable[str] | None = None, installed: Callable[[str], str | None] | None = None
) -> Iterator[CheckResult]:
    """The versions that are installed, against those that this package and its extras ask for."""
    from packaging.requirements import Requirement

    installed = installed or _installed
    if required is None:
        required = _required()
    wrong = False
    for requirement in map(Requirement, required):
        extra = _extra(str(requirement.marker or ""))
        found = installed(requirement.name)
        if requirement.name == "evalharness" or extra == "dev":
            continue
        if extra is None and requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if (found is None and extra is not None) or (
            found is not None and requirement.specifier.contains(found, prereleases=True)
        ):
            continue
        wrong = True
        wanted = f"{requirement.name}{requirement.specifier}"
        here = f"{requirement.name} {found}" if found else f"no {requirement.name}"
        advice = f"pip install '{wanted}'"
        if extra is None:
            yield fail("packages", f"{here} is installed, {wanted} is needed", advice)
        else:
            yield warn("packages", f"{here} is installed, the extra {extra} needs {wanted}", advice)
    if not wrong:
        yield ok("packages", ", ".join(f"{name} {found}" for name, found in environment.versions().items()))


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _required() -> list[str]:
    return metadata("evalharness").get_all("Requires-Dist") or []


def _extra(marker: str) -> str | None:
    """The extra that a requirement belongs to, of a marker as build tools write it: ``… and extra == "name"``."""
    _, found, rest = marker.partition("extra == ")
    return rest.strip().strip("\"'()") if found else None


def torch() -> Iterator[CheckResult]:
    """torch, and torchvision built for it."""
    import torch

    advice = "install versions that belong together: pip install --upgrade torch torchvision"
    try:
        from torchvision.ops import nms

        kept = nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2]]), torch.tensor([0.2, 0.9]), 0.5).tolist()
    except (RuntimeError, ImportError, OSError) as error:
        yield fail("torch", f"torchvision does not work with torch {torch.__version__}: {error}", advice)
        return
    if kept != [1]:
        yield fail("torch", f"torchvision's nms kept {kept}, not [1]", advice)
        return
    yield ok("torch", f"{torch.__version__}, {torch.get_num_threads()} threads")


def opencv() -> Iterator[CheckResult]:
    from evalharness.detectors.mmcv_ops import check_opencv

    check_opencv()
    import cv2

    yield ok("opencv", cv2.__version__)


def disks(
    places: Mapping[str, Path], needed: Mapping[str, float] | None = None, free: Callable[[Path], float] | None = None
) -> Iterator[CheckResult]:
    """Room and permission at ``places`` (what for → folder, there or not); ``needed`` are bytes, about."""
    free = free or (lambda folder: shutil.disk_usage(folder).free)
    for what, place in places.items():
        folder = _existing(place)
        room, need = free(folder), (needed or {}).get(what, 0.0)
        message = f"{what} {place}: {room / 1e9:.1f} GB free"
        if not os.access(folder, os.W_OK):
            yield fail("disk", f"{what} {place} cannot be written", f"change the permissions of {folder}")
        elif room < TOO_TIGHT:
            yield fail("disk", message, "free some space, or use another disk")
        elif room < need:
            yield warn("disk", f"{message}, about {need / 1e9:.1f} GB are needed", "use another disk: --store")
        elif room < TIGHT:
            yield warn("disk", message, "large models and runs need more; free some space")
        else:
            yield ok("disk", message + (f", about {need / 1e9:.1f} GB are needed" if need else ""))


def places(store: Path) -> dict[str, Path]:
    """Where runs write."""
    from evalharness.assets.asset import cache

    return {"store": store, "cache": cache(), "temporary files": Path(tempfile.gettempdir())}


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())

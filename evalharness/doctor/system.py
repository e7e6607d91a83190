"""Checks of Python, packages and disks."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from evalharness._util import environment
from evalharness._util.filesystems import free_bytes, nearest_folder
from evalharness._util.surroundings import check_surroundings, settings
from evalharness.doctor.check_result import CheckResult, fail, ok, warn

LOW_SPACE = 10e9
"""Free bytes below which the doctor warns."""
TOO_LITTLE_SPACE = 1e9
"""Free bytes below which no run should start."""


def check_python() -> Iterator[CheckResult]:
    yield ok("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def check_network() -> Iterator[CheckResult]:
    """Show what the environment says of proxies, certificates and headers, and check that it can be used."""
    for url in ("http://example.org", "https://example.org"):
        check_surroundings(url)
    known = ", ".join(f"{name}={value}" for name, value in settings())
    yield ok("network", known or "no proxy, and the usual certificates")


def check_packages(
    required: Iterable[str] | None = None, installed: Callable[[str], str | None] | None = None
) -> Iterator[CheckResult]:
    """Check the installed versions against those that this package and its extras require."""
    from packaging.requirements import Requirement

    installed = installed or _installed_version
    all_match = True
    for requirement in map(Requirement, _requirements() if required is None else required):
        extra = _extra(str(requirement.marker or ""))
        installed_version = installed(requirement.name)
        if requirement.name == "evalharness" or extra == "dev":
            continue
        if extra is None and requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if installed_version is None and extra is not None:
            continue
        if installed_version is not None and requirement.specifier.contains(installed_version, prereleases=True):
            continue
        all_match = False
        wanted = f"{requirement.name}{requirement.specifier}"
        actual = f"{requirement.name} {installed_version}" if installed_version else f"no {requirement.name}"
        advice = f"pip install '{wanted}'"
        if extra is None:
            yield fail("packages", f"{actual} is installed, {wanted} is needed", advice)
        else:
            yield warn("packages", f"{actual} is installed, the extra {extra} needs {wanted}", advice)
    if all_match:
        yield ok("packages", ", ".join(f"{name} {number}" for name, number in environment.versions().items()))


def _installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _requirements() -> list[str]:
    return metadata("evalharness").get_all("Requires-Dist") or []


def _extra(marker: str) -> str | None:
    """The extra that a requirement belongs to, from a marker as build tools write it: ``… and extra == "name"``."""
    _, operator, name = marker.partition("extra == ")
    return name.strip().strip("\"'()") if operator else None


def check_torch() -> Iterator[CheckResult]:
    """Check torch, and that torchvision was built for it."""
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


def check_opencv() -> Iterator[CheckResult]:
    from evalharness.detectors.mmcv_ops import check_opencv

    check_opencv()
    import cv2

    yield ok("opencv", cv2.__version__)


def check_disks(
    folders: Mapping[str, Path], needed: Mapping[str, float] | None = None, free: Callable[[Path], float] | None = None
) -> Iterator[CheckResult]:
    """Check free space and permissions.

    Args:
        folders: purpose → folder, which need not exist yet.
        needed: purpose → approximate number of bytes needed.
        free: returns the free bytes of a folder, in place of asking the system.
    """
    free = free or free_bytes
    for purpose, path in folders.items():
        folder = nearest_folder(path)
        space, need = free(folder), (needed or {}).get(purpose, 0.0)
        message = f"{purpose} {path}: {space / 1e9:.1f} GB free"
        if not os.access(folder, os.W_OK):
            yield fail("disk", f"{purpose} {path} cannot be written", f"change the permissions of {folder}")
        elif space < TOO_LITTLE_SPACE:
            yield fail("disk", message, "free some space, or use another disk")
        elif space < need:
            yield warn("disk", f"{message}, about {need / 1e9:.1f} GB are needed", "use another disk: --store")
        elif space < LOW_SPACE:
            yield warn("disk", message, "large models and runs need more; free some space")
        else:
            yield ok("disk", message + (f", about {need / 1e9:.1f} GB are needed" if need else ""))


def written_folders(store: Path) -> dict[str, Path]:
    """Folders that runs write to, by purpose."""
    from evalharness._util.cache_folder import cache_folder

    return {"store": store, "cache": cache_folder(), "temporary files": Path(tempfile.gettempdir())}

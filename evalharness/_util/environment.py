"""The environment of a process: versions, commit, hardware."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evalharness._util import gpus
from evalharness._util.hashing import canonical
from evalharness._util.installed import plugin_versions

PACKAGES = (
    "evalharness",
    "torch",
    "torchvision",
    "transformers",
    "diffusers",
    "open-clip-torch",
    "mmdet",
    "mmcv-lite",
    "numpy",
    "pillow",
)
DRIVER = Path("/proc/driver/nvidia/version")
_noted: dict[str, str] = {}
"""Facts that plugins added."""


def described() -> str:
    """The environment of this process as JSON text, with equal texts for equal environments.

    Keys are ``host``, ``platform``, ``hardware``, ``versions``, ``plugins`` (versions of the distributions that plugins
    come from) and, where they are known, ``git_commit``, ``driver`` and ``cuda``; and what :func:`note` was told.
    """
    return described_with("torch" in sys.modules, tuple(sorted(_noted.items())))


def note(name: str, value: str) -> None:
    """Add a fact that results of this process may depend on and that its plugins alone know."""
    _noted[name] = value


@cache
def described_with(torch_loaded: bool, noted: tuple[tuple[str, str], ...] = ()) -> str:
    """:func:`described`, once for each answer to whether torch is loaded, which knows the devices better."""
    known = {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "hardware": hardware(),
        "driver": _driver(),
        "cuda": sys.modules["torch"].version.cuda if torch_loaded else None,
        "git_commit": git_commit(),
        "versions": versions(),
        "plugins": plugin_versions(),
        **dict(noted),
    }
    return canonical({name: value for name, value in known.items() if value is not None})


def versions() -> dict[str, str]:
    """Versions of Python, of this package, and of the installed packages that influence results."""
    numbers = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:
            continue
    return numbers


def git_commit() -> str | None:
    """The commit of the checkout that this package runs from, with ``+`` if files have changed; None elsewhere.

    Committed reports do not count: a run that makes them anew changes them itself.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)reports")
    return commit + "+" * bool(changed) if commit else None


def _git(root: Path, *arguments: str) -> str:
    try:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def hardware() -> str:
    """Processor count and the names of the GPUs that this process may use. Does not load torch."""
    described = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU"
    torch = sys.modules.get("torch")
    if torch is None:
        names = [gpu.name for gpu in gpus.visible() if gpu.name]
    elif torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    else:
        names = []
    return f"{described}, {' + '.join(names)}" if names else described


def _driver() -> str | None:
    """The version of the NVIDIA driver."""
    try:
        match = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", DRIVER.read_text(encoding="utf-8"))
    except OSError:
        return None
    return match[0] if match else None

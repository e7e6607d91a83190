"""Tells which file system a folder is on, how full it is, and how large numbers of bytes are in words."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

MOUNTS = Path("/proc/mounts")
"""The kernel's list of what is mounted where; only Linux has it."""
NETWORK = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
    ]
)


def nearest_folder(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def network_filesystem(path: Path, mounts: Path | None = None) -> str | None:
    """The type of a network file system, such as ``nfs4``, that a path is on.

    ``None`` if it is on another one, or if the system does not tell. File systems of FUSE count, since programs answer
    for them, most of which reach out to a network.
    """
    try:
        lines = (mounts or MOUNTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    place, kind, depth = nearest_folder(path).resolve(), "", -1
    for line in lines:
        fields = line.split(" ")
        mounted = (
            Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1])) if len(fields) > 2 else None
        )
        # A later line hides an earlier one that is mounted at the same place.
        if mounted is not None and place.is_relative_to(mounted) and len(mounted.parts) >= depth:
            kind, depth = fields[2], len(mounted.parts)
    return kind if kind in NETWORK or kind.startswith("fuse.") else None


def free_bytes(path: Path) -> int:
    """The free space on the disk of a path, which need not exist."""
    return shutil.disk_usage(nearest_folder(path)).free


def bytes_text(count: float) -> str:
    """A number of bytes in words.

    >>> bytes_text(999), bytes_text(4_200_000)
    ('999 bytes', '4.2 MB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"

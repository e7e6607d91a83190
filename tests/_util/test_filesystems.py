from __future__ import annotations

from pathlib import Path

import pytest

from evalharness._util.filesystems import network_filesystem

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home {root}/home nfs4 rw,vers=4.2 0 0
/dev/sdb1 {root}/home/local xfs rw 0 0
//server/share {root}/my\\040share cifs rw 0 0
sshfs {root}/remote fuse.sshfs rw 0 0
/dev/sdc1 {root}/twice ext4 rw 0 0
10.0.0.1@tcp:/scratch {root}/twice lustre rw 0 0
malformed
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        (".", None),
        ("homeless", None),
        ("home/reports/store", "nfs4"),
        ("home", "nfs4"),
        ("home/local/store", None),
        ("my share/store", "cifs"),
        ("remote", "fuse.sshfs"),
        ("twice/store", "lustre"),
    ],
)
def test_network_file_systems_are_told_apart(tmp_path: Path, folder: str, kind: str | None) -> None:
    root = tmp_path.resolve()
    mounts = root / "mounts"
    mounts.write_text(MOUNTS.format(root=root))
    for name in ("home/local", "my share", "remote", "twice", "homeless"):
        (root / name).mkdir(parents=True, exist_ok=True)
    assert network_filesystem(root / folder, mounts) == kind


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "mounts").write_text(MOUNTS.format(root=root))
    (root / "home").mkdir()
    (root / "link").symlink_to(root / "home")
    assert network_filesystem(root / "link" / "store", root / "mounts") == "nfs4"


def test_a_system_without_the_list_tells_nothing(tmp_path: Path) -> None:
    assert network_filesystem(tmp_path, tmp_path / "none") is None

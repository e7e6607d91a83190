"""Runs of ``python -m evalharness.sweep`` on Ray, what their stores hold, and clusters of nodes on this machine."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster

options = {"num_cpus": int(sys.argv[2]), "object_store_memory": 2**27, "include_dashboard": False}
head = {**options, "node_ip_address": "127.0.0.2"}
for attempt in range(3):  # a machine that is busy may start a node too slowly for Ray
    try:
        cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
        break
    except Exception:
        if attempt == 2:
            raise
nodes = []
for line in iter(["add"] * (int(sys.argv[1]) - 1)):
    nodes.append(cluster.add_node(**options, node_ip_address=f"127.0.0.{3 + len(nodes)}"))


def raylet(node):
    return node.all_processes["raylet"][0].process.pid


print(json.dumps({"address": cluster.address, "raylets": [raylet(node) for node in nodes]}), flush=True)
for line in sys.stdin:
    if line.strip() == "kill":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    elif line.strip() == "add":
        nodes.append(cluster.add_node(**options, node_ip_address=f"127.0.0.{30 + len(nodes)}"))
    print("ok", flush=True)
cluster.shutdown()
"""
"""On addresses of this machine alone; not 127.0.0.1, which Ray would replace by that of a network."""


class ACluster:
    """A head and other nodes, of one CPU each."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.skip("Ray does not start a cluster here in time")
        told = json.loads(line)
        self.address: str = told["address"]
        self.raylets: list[int] = told["raylets"]

    def tell(self, order: str) -> None:
        """``kill`` the newest node, ``add`` one."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"


@contextlib.contextmanager
def cluster(nodes: int, env: Mapping[str, str], cpus: int = 1) -> Iterator[ACluster]:
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(nodes), str(cpus)],
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield ACluster(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def write(folder: Path, executor: Mapping[str, Any] | str, **changes: Any) -> Path:
    """A sweep file of the toy plugins, or with other parts."""
    sweep = {
        "name": "toys",
        "model": {"name": "toy"},
        "benchmarks": ["toy"],
        "arms": [{"name": "single", "variant": "single_pass"}],
        "executor": executor,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "toys.yaml"
    file.write_text(json.dumps(sweep | changes))
    return file


def start(file: Path, env: Mapping[str, str], *options: str) -> subprocess.Popen[str]:
    out = file.parent / "r" / "toys"
    command = [sys.executable, "-m", "evalharness.sweep", str(file), "--out", str(out), "--quiet", *options]
    return subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(file: Path, env: Mapping[str, str], *options: str, code: int = 0) -> str:
    """What a run says; it must end with this code."""
    process = start(file, env, *options)
    said, complained = process.communicate(timeout=600)
    assert process.returncode == code, said + complained
    return textwrap.dedent(said + complained)


def rows(file: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    path = file.parent / "r" / "store" / "store.sqlite"
    if not path.is_file():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return sorted(db.execute(f"SELECT {columns} FROM {table}"))


def content(file: Path) -> dict[str, Any]:
    """All of a store but for the times that things took."""
    drawn = []
    for key, model, variant, finished, text in rows(file, "trajectories", "key, model, variant, finished, steps"):
        steps = [{name: value for name, value in step.items() if name != "seconds"} for step in json.loads(text)]
        drawn.append((key, model, variant, finished, json.dumps(steps)))
    images = {path.name: path.read_bytes() for path in sorted((file.parent / "r" / "store" / "images").rglob("*.png"))}
    scores = rows(file, "scores", "key, image, value, reason, details")
    return {"drawn": drawn, "images": images, "scores": scores, "failures": rows(file, "failures", "key, reason")}

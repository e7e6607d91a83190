"""A program: a Ray cluster on this machine, each node with an address of its own. See :func:`ray_runs.cluster`.

Says as JSON where it is and which raylets it has, then obeys: ``kill ADDRESS``; ``cut`` and ``join`` the link to a node
that is apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from ray.cluster_utils import Cluster

NEAR, FAR = "10.77.0.1", "10.77.0.2"
MEMORY = 2**27
LEAN = {"no_monitor": True, "include_log_monitor": False}
"""Without an autoscaler and without logs on the terminal, which take longer to start than all the rest."""
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def sh(command: str) -> None:
    subprocess.run(command, shell=True, check=True)


class Apart:
    """A second network namespace, with a link to this one. What a host has are addresses of its loopback: they outlive
    the link, as those of a machine do whose cable is pulled."""

    def __init__(self) -> None:
        self._host = subprocess.Popen(["unshare", "--net", "sleep", "3600"], **QUIET)
        self._there = f"nsenter --net=/proc/{self._host.pid}/ns/net"
        sh(f"until [ ! /proc/{self._host.pid}/ns/net -ef /proc/self/ns/net ]; do sleep 0.1; done")
        sh(f"ip link set lo up && ip link add near type veth peer name far netns {self._host.pid}")
        sh(f"ip addr add {NEAR}/32 dev lo && ip link set near up && ip route add default dev near src {NEAR}")
        sh(f"{self._there} ip link set lo up && {self._there} ip addr add {FAR}/32 dev lo")
        self.join()

    def join(self) -> None:
        sh(f"{self._there} ip link set far up && {self._there} ip route add default dev far src {FAR}")

    def cut(self) -> None:
        """Here the carrier is lost, and what is sent to the other host with it; nobody is told."""
        sh(f"{self._there} ip link set far down")

    def start(self, address: str, cpus: int) -> None:
        where = f"--address={address} --node-ip-address={FAR}"
        what = f"--num-cpus={cpus} --object-store-memory={MEMORY}"
        ray = f"{self._there} {sys.executable} -m ray.scripts.scripts start --block --disable-usage-stats"
        self._node = subprocess.Popen(f"{ray} {where} {what}".split(), stdin=subprocess.DEVNULL, stdout=sys.stderr)

    def check(self) -> None:
        """A node that could not start ends the program, which has shown what it said."""
        if self._node.poll() is not None:
            raise SystemExit(f"the node apart ended with code {self._node.returncode}")

    def end(self) -> None:
        for process in (self._node, self._host):
            process.kill()


def start_head(**options: Any) -> Cluster:
    """A machine that is busy may start a node too slowly for Ray."""
    for left in (2, 1, 0):
        try:
            return Cluster(initialize_head=True, connect=False, head_node_args=options)
        except Exception as error:  # Ray's own is a plain one
            sys.stderr.write(f"{error}\n")
            if not left:
                raise
    raise AssertionError


def main(count: int, cpus: int, is_apart: bool) -> None:
    options = {"num_cpus": cpus, "object_store_memory": MEMORY, "include_dashboard": False}
    apart = Apart() if is_apart else None
    cluster = start_head(**options, **LEAN, node_ip_address=NEAR if apart else "127.0.0.2")
    nodes = {}
    for number in range(1, count):
        if apart is None:
            address = f"127.0.0.{2 + number}"
            nodes[address] = cluster.add_node(**options, node_ip_address=address)
        else:
            apart.start(cluster.address, cpus)
    while sum(node["Alive"] for node in cluster.global_state.node_table()) < count:
        if apart is not None:
            apart.check()
        time.sleep(0.2)
    raylets = {address: node.all_processes["raylet"][0].process.pid for address, node in nodes.items()}
    say(json.dumps({"address": cluster.address, "raylets": raylets}))
    for line in sys.stdin:
        order, *names = line.split()
        if order == "kill":
            cluster.remove_node(nodes.pop(names[0]), allow_graceful=False)
        elif apart is not None:
            {"cut": apart.cut, "join": apart.join}[order]()
        say("ok")
    cluster.shutdown()
    if apart is not None:
        apart.end()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "apart")

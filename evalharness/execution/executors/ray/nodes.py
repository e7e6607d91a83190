"""The nodes of a Ray cluster, and what room they have."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import ray

from evalharness.execution.executors.ray.settings import Resources

REFRESH = 2.0
"""Seconds between looks at the nodes of the cluster."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node with its processors and GPUs, or with what is left of them."""

    id: str
    name: str
    cpus: float
    gpus: float

    def has_room(self, need: Resources) -> bool:
        """Whether a worker fits."""
        return self.cpus >= need.cpus and self.gpus >= (need.gpus or 0)

    def without(self, needs: Iterable[Resources]) -> Node:
        """The node with what these workers leave of it."""
        needs = list(needs)
        cpus = self.cpus - sum(need.cpus for need in needs)
        gpus = self.gpus - sum(need.gpus or 0 for need in needs)
        return Node(self.id, self.name, round(cpus, 6), round(gpus, 6))

    @property
    def size(self) -> tuple[float, float]:
        """By which the largest of several nodes is found."""
        return self.gpus, self.cpus


class Nodes:
    """The nodes that are alive, looked up every few seconds.

    Args:
        started_here: Whether Ray was started on this machine for this run alone.
    """

    def __init__(self, *, started_here: bool) -> None:
        self._started_here = started_here
        self._nodes: dict[str, Node] = {}
        self._refreshed = -REFRESH

    def refresh(self, *, at_once: bool = False) -> None:
        """Look at the cluster again, if the last time is long ago."""
        if not at_once and time.monotonic() - self._refreshed < REFRESH:
            return
        self._refreshed = time.monotonic()
        self._nodes = {
            node["NodeID"]: Node(
                node["NodeID"],
                node["NodeManagerHostname"] + ("" if self._started_here else f" ({node['NodeManagerAddress']})"),
                node["Resources"].get("CPU", 0.0),
                node["Resources"].get("GPU", 0.0),
            )
            for node in ray.nodes()
            if node["Alive"]
        }

    def alive(self, node: Node) -> bool:
        """Whether a node was there at the last look."""
        return node.id in self._nodes

    def all(self) -> list[Node]:
        """Every node, with all that it has."""
        return list(self._nodes.values())

    @property
    def has_gpus(self) -> bool:
        return any(node.gpus for node in self._nodes.values())

    def __str__(self) -> str:
        """What the largest node has."""
        node = max(self._nodes.values(), key=lambda node: node.size)
        return f"{node.cpus:g} CPUs and {node.gpus:g} GPUs"

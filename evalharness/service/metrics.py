"""Counts of a service, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from evalharness.service.queue import RequestQueue
from evalharness.service.wire import Scored

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Upper bounds of the buckets in which requests are counted by how long they took."""


class Metrics:
    """Requests by status, images by outcome, seconds a request, and the length of the queue."""

    def __init__(self, queue: RequestQueue) -> None:
        self._registry = CollectorRegistry()
        place = self._registry
        labels = ["path", "status"]
        self._requests = Counter("evalharness_requests", "Requests by path and status", labels, registry=place)
        self._seconds = Histogram("evalharness_request_seconds", "Seconds a request", buckets=SECONDS, registry=place)
        self._images = Counter("evalharness_images", "Images, scored or failed", ["outcome"], registry=place)
        waiting = Gauge("evalharness_images_waiting", "Images that wait", registry=place)
        waiting.set_function(lambda: queue.waiting)
        in_hand = Gauge("evalharness_images_in_hand", "Images that are being scored", registry=place)
        in_hand.set_function(lambda: queue.in_hand)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.observe(seconds)

    def images(self, scored: Iterable[Scored]) -> None:
        """Count the images of a request."""
        for image in scored:
            self._images.labels("failed" if image.score is None else "scored").inc()

    def text(self) -> bytes:
        """All counts in Prometheus's text format."""
        return generate_latest(self._registry)

"""What the service counts, in the text form of Prometheus. No photo, no name and no address is in it."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from mien.inference.results import PhotoResult

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PHOTOS = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._registry = registry
        self._requests = Counter(
            "mien_requests", "Requests by route and status.", ("route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "mien_request_seconds",
            "Time from a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._photos = Counter("mien_photos", "Photos by outcome.", ("outcome",), registry=registry)
        self._faces = Counter("mien_faces", "Faces by outcome.", ("outcome",), registry=registry)
        self._batches = Histogram(
            "mien_batch_photos", "Photos whose faces went to the network together.", buckets=_PHOTOS, registry=registry
        )
        self.waiting_photos = Gauge(
            "mien_waiting_photos", "Photos that are read, waiting or worked on.", registry=registry
        )
        self.held_bytes = Gauge("mien_held_bytes", "Size of the requests that are held.", registry=registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the pattern of a path, never the path itself."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def recognized(self, results: Iterable[PhotoResult]) -> None:
        """Count photos and their faces."""
        for result in results:
            self._photos.labels(result.outcome.value).inc()
            for face in result.faces:
                self._faces.labels(face.outcome.value).inc()

    def batched(self, photos: int) -> None:
        """Count a batch."""
        self._batches.observe(photos)

    def text(self) -> bytes:
        """All of it, for Prometheus."""
        return generate_latest(self._registry)

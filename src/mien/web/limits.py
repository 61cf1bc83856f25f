"""What the service refuses, so that no client can take its memory or its time."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mien.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what clients send and on what is worked on at once.

    Attributes:
        photo_bytes: size of one photo, and of a body of crops.
        body_bytes: size of a request with several photos.
        photos: photos in one request.
        pixels: pixels of a photo in baseline JPEG; what must be decoded whole may have half as many.
        crops: faces in one request for crops.
        waiting_photos: photos that are read, waiting or worked on, over all requests; beyond it the answer is 429.
        held_bytes: size of all requests that are read or worked on; beyond it the answer is 429.
        connections: open connections; beyond it the answer is 503.
        idle_seconds: a client that sends, or takes, nothing for so long is given up.
        body_seconds: time for a whole request to arrive.
        answer_seconds: time for an answer once the request is there; beyond it the answer is 503.
    """

    photo_bytes: int = 20_000_000
    body_bytes: int = 64_000_000
    photos: int = 16
    pixels: int = 50_000_000
    crops: int = 1024
    waiting_photos: int = 64
    held_bytes: int = 128_000_000
    connections: int = 512
    idle_seconds: float = 10.0
    body_seconds: float = 60.0
    answer_seconds: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise DataError(f"A limit is above 0. Received: {field.name}={getattr(self, field.name)}.")
        if not self.photo_bytes <= self.body_bytes <= self.held_bytes:
            raise DataError(
                "A photo fits into a request, and a request into what is held at once: photo_bytes <= body_bytes <= "
                f"held_bytes. Received: {self.photo_bytes}, {self.body_bytes}, {self.held_bytes}."
            )
        if self.photos > self.waiting_photos:
            raise DataError(
                "The photos of one request must find room to wait: photos <= waiting_photos. "
                f"Received: {self.photos}, {self.waiting_photos}."
            )

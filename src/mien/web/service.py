"""One recognizer for all requests: bounded, in order of arrival, faces of different requests classified together."""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.images import png_bytes, read_image
from mien.inference.drawing import draw_result
from mien.inference.explanation import draw_explanations, explain_photo
from mien.inference.recognizer import BATCH, Prepared, Recognizer
from mien.inference.results import FaceResult, PhotoResult
from mien.web.limits import Limits
from mien.web.metrics import Metrics
from mien.web.problems import ServiceError, busy

T = TypeVar("T")

# For the pace at which photos are answered.
_RECENT = 32
_LONGEST_WAIT = 60


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as it was sent.

    Attributes:
        name: what the result calls it.
        content: the bytes of the file.
    """

    name: str
    content: bytes


class Room:
    """Counts how much of something bounded is taken."""

    def __init__(self, size: int, what: str, show: Callable[[float], None], wait: Callable[[], int]) -> None:
        self.size = size
        self.taken = 0
        self._what = what
        self._show = show
        self._wait = wait

    def take(self, amount: int) -> None:
        """Take a part.

        Raises:
            ServiceError: 429, there is not enough left.
        """
        if self.taken + amount > self.size:
            raise busy(f"The service is busy: it holds {self.taken:,} of {self.size:,} {self._what}.", self._wait())
        self.taken += amount
        self._show(self.taken)

    def give_back(self, amount: int) -> None:
        """Give a part back."""
        self.taken -= amount
        self._show(self.taken)

    @contextmanager
    def holding(self, amount: int) -> Iterator[Holding]:
        """Take a part for the length of a block, in which more can be taken."""
        holding = Holding(self)
        holding.take(amount)
        try:
            yield holding
        finally:
            self.give_back(holding.amount)


class Holding:
    """A part of a room that one request holds."""

    def __init__(self, room: Room) -> None:
        self.amount = 0
        self._room = room

    def take(self, amount: int) -> None:
        """Take more; raises as `Room.take`."""
        self._room.take(amount)
        self.amount += amount


class Service:
    """Works on photos for many clients at once. Its methods belong to one event loop.

    Photos are read in threads, one a core. While the network works on the faces of some, those of others gather, and
    go to it together next: nobody waits for a batch to fill up.

    Args:
        recognizer: the models.
        limits: what is refused.
        metrics: what is counted.
        threads: photos that are read at once; None for one per core.
    """

    def __init__(self, recognizer: Recognizer, limits: Limits, metrics: Metrics, *, threads: int | None = None) -> None:
        self.recognizer = recognizer
        self.limits = limits
        self.metrics = metrics
        self.photos = Room(limits.waiting_photos, "photos", metrics.waiting_photos.set, self._wait_seconds)
        self.bytes = Room(limits.held_bytes, "bytes", metrics.held_bytes.set, self._wait_seconds)
        self._working = 0
        self._last = 0.0  # when an answer was ready, or the first photo came after none was worked on
        self._took: deque[float] = deque(maxlen=_RECENT)
        self._readers = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="mien-photo")
        self._network = ThreadPoolExecutor(1, thread_name_prefix="mien-network")
        self._gathered: deque[tuple[Prepared, asyncio.Future[NDArray[np.float64]]]] = deque()
        self._classifying: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End the threads; what they work on is finished, what waits is dropped."""
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._network.shutdown(wait=True, cancel_futures=True)

    def place(self) -> AbstractContextManager[Holding]:
        """Take room for the first photo of a request, for the length of a block.

        Raises:
            ServiceError: 429, there is none; or what waits already takes as long as an answer may.
        """
        wait = self._pace() * (self.photos.taken + 1)
        if self.photos.taken and wait > self.limits.answer_seconds:
            raise busy(
                f"The service is busy: this would take about {wait:.0f} s, and an answer may take "
                f"{self.limits.answer_seconds:g} s.",
                self._wait_seconds(),
            )
        return self.photos.holding(1)

    async def recognize(
        self, photos: Sequence[Photo], *, labels: str | None = None, unsure: float | None = None
    ) -> list[PhotoResult]:
        """The results of photos, in their order; the same as `Recognizer.recognize` gives for each.

        Raises:
            DataError: `labels` does not fit the model.
            ServiceError: it took too long: 429 while there are other photos, 503 when these were alone.
        """
        view = self.recognizer.with_options(labels=labels, unsure=unsure)
        async with self._in_time(len(photos)), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._recognize_one(photo, view)) for photo in photos]
        results = [task.result() for task in tasks]
        self.metrics.recognized(results)
        return results

    async def explain(self, photo: Photo, *, label: str | None, face: int | None, method: str | None) -> bytes:
        """A PNG file: the photo with the maps of its faces.

        Raises:
            ImageError: the photo cannot be read.
            MienError: as `explain_photo`.
            ServiceError: as `recognize`.
        """

        def draw() -> bytes:
            image = read_image(photo.content, max_pixels=self.limits.pixels, name=photo.name)
            explained = explain_photo(self.recognizer, image, label=label, face=face, method=method)
            parts = [(part.found.face, part.explanation) for part in explained]
            return png_bytes(draw_explanations(image, parts, self.recognizer.bundle.crop_rule), small=False)

        async with self._in_time():
            return await self._read(draw)

    async def draw(self, photo: Photo, *, labels: str | None = None, unsure: float | None = None) -> bytes:
        """A PNG file: the photo with frames and labels.

        Raises:
            DataError: `labels` does not fit the model.
            ImageError: the photo cannot be read.
            ServiceError: as `recognize`.
        """
        view = self.recognizer.with_options(labels=labels, unsure=unsure)

        def draw() -> bytes:
            image = read_image(photo.content, max_pixels=self.limits.pixels, name=photo.name)
            return png_bytes(draw_result(image, view.recognize(image)), small=False)

        async with self._in_time():
            return await self._read(draw)

    async def recognize_crops(self, crops: Callable[[], NDArray[np.uint8]]) -> list[FaceResult]:
        """The labels of faces that are cut out already; `crops` is called in a thread, and what it raises goes on."""
        async with self._in_time():
            return await self._read(lambda: self.recognizer.recognize_crops(crops()))

    async def _recognize_one(self, photo: Photo, view: Recognizer) -> PhotoResult:
        clock = asyncio.get_running_loop().time
        if self._working == 0:
            self._last = clock()
        self._working += 1
        try:
            prepared = await self._read(partial(self.recognizer.prepare, photo.content, name=photo.name))
            result = view.result(prepared, await self._classify(prepared))
        finally:
            self._working -= 1
        self._took.append(clock() - self._last)
        self._last = clock()
        return result

    def _pace(self) -> float:
        """Seconds a photo, while there is something to do."""
        return sum(self._took) / len(self._took) if self._took else 0.0

    def _wait_seconds(self) -> int:
        """After how long there should be room: when a half to all of the photos that wait now will be answered.

        By chance within that: clients that were refused together are not to come back together.
        """
        return max(1, min(_LONGEST_WAIT, round(self._pace() * self.photos.taken * random.uniform(0.5, 1))))

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _classify(self, prepared: Prepared) -> NDArray[np.float64]:
        if not len(prepared.crops):
            return self.recognizer.classify([prepared])[0]
        answer: asyncio.Future[NDArray[np.float64]] = asyncio.get_running_loop().create_future()
        self._gathered.append((prepared, answer))
        if self._classifying is None:
            self._classifying = asyncio.create_task(self._classify_gathered())
        return await answer

    async def _classify_gathered(self) -> None:
        try:
            while group := self._next_group():
                photos = [prepared for prepared, _ in group]
                try:
                    work = partial(self.recognizer.classify, photos)
                    rows = await asyncio.get_running_loop().run_in_executor(self._network, work)
                except Exception as error:  # whatever the runtime raises belongs to those who asked
                    for _, answer in group:
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                self.metrics.batched(len(group))
                for (_, answer), row in zip(group, rows, strict=True):
                    if not answer.done():
                        answer.set_result(row)
        finally:
            self._classifying = None

    def _next_group(self) -> list[tuple[Prepared, asyncio.Future[NDArray[np.float64]]]]:
        group: list[tuple[Prepared, asyncio.Future[NDArray[np.float64]]]] = []
        while self._gathered and len(group) < BATCH:
            prepared, answer = self._gathered.popleft()
            if not answer.done():  # done: whoever asked has given up
                group.append((prepared, answer))
        return group

    @asynccontextmanager
    async def _in_time(self, photos: int = 1) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                yield
        except TimeoutError as error:
            seconds = f"{self.limits.answer_seconds:g} s"
            if self.photos.taken > photos:
                raise busy(f"The service is busy: this took longer than {seconds}.", self._wait_seconds()) from error
            raise ServiceError(503, f"This took longer than {seconds}. Send fewer or smaller photos.") from error
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

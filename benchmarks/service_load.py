"""Many clients at once: is every answer right or a 429, how many photos a second, and does memory stay flat?

    python benchmarks/service_load.py FOLDER [--clients 200] [--seconds 60] [--requests 20000]

Expected: a minute and a half, and as long as --requests take. A `mien serve` of its own is asked through the loopback:
1. the photos of FOLDER, one after the other: what every later answer must be (probabilities within 1e-6: a network adds
   up in another order when faces go to it together);
2. `recognize_many` in this process for 64 photos, then the service with --clients for --seconds, then `recognize_many`
   again: photos a second of both, answers by status, the service's peak memory;
3. --requests with the sample photo at 240 pixels: the service's memory along the way.
Clients that are told 429 wait as long as Retry-After says.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from PIL import Image as pillow

from mien.inference.batch import find_photos
from mien.inference.recognizer import Recognizer

MEBIBYTE = 1 << 20
BARE_PHOTOS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=20_000)
    arguments = parser.parse_args()
    photos = [photo.path.read_bytes() for photo in find_photos([arguments.folder])]
    with serving() as (port, process):
        print(f"after the start: {memory(process, 'VmRSS')} MiB")
        expected = asyncio.run(one_after_the_other(port, photos))
        print(f"{len(photos)} photos one after the other: {memory(process, 'VmHWM')} MiB at most")
        recognizer = Recognizer()
        before = bare(recognizer, photos)
        load = Load(port, photos, expected)
        start = time.monotonic()
        asyncio.run(load.run(arguments.clients, lambda: time.monotonic() - start < arguments.seconds))
        rate = load.statuses[200] / (time.monotonic() - start)
        after = bare(recognizer, photos)
        print(
            f"{arguments.clients} clients, {arguments.seconds:g} s: {dict(load.statuses)}, {load.wrong} wrong, "
            f"{load.broken} broken off; {rate:.1f} photos a second, recognize_many {before:.1f} before and {after:.1f} "
            f"after: {2 * rate / (before + after):.2f} of it; {memory(process, 'VmHWM')} MiB at most"
        )
    if arguments.requests:
        with serving() as (port, process):
            grow(port, process, arguments.requests, arguments.clients)


def grow(port: int, process: subprocess.Popen, requests: int, clients: int) -> None:
    small = sample(240)
    load = Load(port, [small], asyncio.run(one_after_the_other(port, [small])))
    start = time.monotonic()
    for part in (requests // 20, requests // 4, requests // 2, requests):
        asyncio.run(load.run(min(clients, 32), lambda part=part: load.begun < part))
        print(
            f"{load.begun:,} requests in {time.monotonic() - start:.0f} s: {memory(process, 'VmRSS')} MiB; "
            f"{dict(load.statuses)}, {load.wrong} wrong, {load.broken} broken off",
            flush=True,
        )


class Load:
    """Clients with a connection each, that ask as soon as they are answered."""

    def __init__(self, port: int, photos: list[bytes], expected: list[bytes]) -> None:
        self.statuses: Counter[int] = Counter()
        self.begun = self.wrong = self.broken = 0
        self._port = port
        self._asked = itertools.cycle(zip([request(photo) for photo in photos], expected, strict=True))

    async def run(self, clients: int, more: Callable[[], bool]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client(more))

    async def _client(self, more: Callable[[], bool]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while more():
            asked, expected = next(self._asked)
            self.begun += 1
            try:
                status, retry, body = await ask(reader, writer, asked)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.broken += 1
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                continue
            self.statuses[status] += 1
            if status == 200:
                self.wrong += body != expected and not same(json.loads(body), json.loads(expected))
            else:
                writer.close()  # the service gives up connections that are idle so long
                await asyncio.sleep(retry)
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.close()


async def one_after_the_other(port: int, photos: list[bytes]) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = [await ask(reader, writer, request(photo)) for photo in photos]
    writer.close()
    assert [status for status, _, _ in answers] == [200] * len(photos)
    return [body for _, _, body in answers]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> tuple[int, float, bytes]:
    writer.write(asked)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), float(headers.get("retry-after", 0)), body


def request(photo: bytes) -> bytes:
    head = "POST /v1/faces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    return f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo


def bare(recognizer: Recognizer, photos: list[bytes]) -> float:
    start = time.monotonic()
    count = len(list(recognizer.recognize_many(itertools.islice(itertools.cycle(photos), BARE_PHOTOS))))
    return count / (time.monotonic() - start)


def same(received: Any, expected: Any) -> bool:
    """Whether two JSON values are equal, numbers to 1e-6."""
    if isinstance(expected, dict):
        return received.keys() == expected.keys() and all(same(received[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(received) == len(expected) and all(map(same, received, expected))
    return abs(received - expected) <= 1e-6 if isinstance(expected, float) else bool(received == expected)


def sample(side: int) -> bytes:
    file = io.BytesIO()
    whole = pillow.open(Path(str(resources.files("mien") / "data" / "sample.jpg")))
    whole.resize((side, side)).save(file, "JPEG", quality=90)
    return file.getvalue()


def memory(process: subprocess.Popen, what: str) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(status.split(f"{what}:")[1].split()[0]) * 1024 // MEBIBYTE


@contextmanager
def serving() -> Iterator[tuple[int, subprocess.Popen]]:
    command = [sys.executable, "-u", "-c", "from mien.cli.main import main\nmain()"]
    options = ["serve", "--no-open", "--port", "0", "--quiet"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split("/")[0])
        try:
            yield port, process
        finally:
            process.terminate()


if __name__ == "__main__":
    main()

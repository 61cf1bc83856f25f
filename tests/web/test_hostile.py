"""What nobody sends by mistake: it is refused or escaped, the service stays, and nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import time
import zlib
from dataclasses import replace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow

from mien.inference.results import Outcome
from support.web import HASTY, JPEG, ask, with_server

BOUNDARY = b"--edge"
PATIENCE = 30  # seconds: a server without limits would wait for ever, and a busy machine takes some
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}


def part(name: str, content: bytes, *, field: str = "photo") -> bytes:
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    return BOUNDARY + b"\r\n" + head + content + b"\r\n"


def held(app) -> tuple[int, int]:
    service = app.state.mien.service
    return service.photos.taken, service.bytes.taken


@pytest.fixture(autouse=True)
def _nothing_is_held_and_nothing_left_behind(app, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    assert held(app) == (0, 0)
    assert ask(app, "GET", "/health").json() == {"status": "ok"}
    assert list(tmp_path.iterdir()) == []


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG file with a true header and as much of its pixels as one likes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def gif_frames(count: int) -> bytes:
    file = io.BytesIO()
    frames = [pillow.new("P", (8, 8), number % 2) for number in range(count)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


BOMBS = {
    "pixels": png(60_000, 60_000, bytes(1_000_000)),
    "wide": png(2**31 - 1, 1),
    "nothing after the header": png(800, 800),
    "one row": png(100_000_000, 1),
    "frames": gif_frames(500),
    "zip": b"PK\x03\x04" + bytes(1000),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
    "html": b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_file_that_is_a_trap_is_a_result_with_a_reason(post, kind):
    answer = post("/v1/faces", content=BOMBS[kind], headers=JPEG)
    assert answer.status_code == 200
    (photo,) = answer.json()["photos"]
    assert photo["outcome"] in (Outcome.UNREADABLE, Outcome.TOO_SMALL)
    assert photo["reason"]
    assert photo["faces"] == []


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\\\..\\\\boot.ini", "boot.ini"),
        ("/", "photo"),
        ("..", "photo"),
        ("", None),
        ("<img src=x onerror=alert(1)>.jpg", "<img src=x onerror=alert(1)>.jpg"),
        ("a\x1b[31mb\x00\x07.jpg", "a[31mb.jpg"),
        ("n" * 300, "n" * 255),
        ("ü\u202egpj.exe", "ügpj.exe"),
    ],
)
def test_a_file_name_is_a_name_and_no_more(post, sent, told):
    answer = post("/v1/faces", content=part(sent, b"x") + BOUNDARY + b"--\r\n", headers=FORM)
    if told is None:  # a browser sends an empty name for a field in which no file was chosen
        assert answer.status_code in (200, 422)
        return
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    (photo,) = answer.json()["photos"]
    assert photo["photo"] == told


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--edge",
        b"--edge\r\n",
        b"--edge--\r\n",
        b"--other\r\n" + part("a", b"x"),
        part("a", b"x"),  # without an end
        part("n" * 100_000, b"x"),
        BOUNDARY + b"\r\n\r\nx\r\n--edge--\r\n",
        BOUNDARY + b"\r\n" + b"A" * 100_000 + b"\r\n\r\nx\r\n--edge--\r\n",
        BOUNDARY + b"\r\n" + b"A: b\r\n" * 10_000 + b"\r\nx\r\n--edge--\r\n",
        BOUNDARY + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(500_000) + b"\r\n--edge--\r\n",
        b"\xff" * 1000,
    ],
)
def test_a_broken_form_is_refused(post, content):
    answer = post("/v1/faces", content=content, headers=FORM)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["code"] in ("bad_request", "invalid")


def test_a_thousand_files_at_once_are_refused(post):
    content = b"".join(part(f"{number}.jpg", b"x") for number in range(1000)) + BOUNDARY + b"--\r\n"
    answer = post("/v1/faces", content=content, headers=FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many")


_TYPES = st.sampled_from(["image/jpeg", "multipart/form-data; boundary=edge", "application/json", "x", "image/é", ""])
_PATHS = st.sampled_from(
    [
        "/v1/faces",
        "/v1/faces?unsure=1e999",
        "/v1/faces?labels=%00",
        "/v1/explain?face=99999999999999999999",
        "/v1/explain?label=%ff",
        "/v1/drawing",
        "/v2/models/tiny/infer",
        "/v1/session",
    ]
)


@settings(max_examples=60, deadline=None)
@given(path=_PATHS, kind=_TYPES, content=st.binary(max_size=300) | st.builds(part, st.text(max_size=20), st.binary()))
def test_whatever_is_sent_is_answered_by_what_is_documented(app, path, kind, content):
    answer = ask(app, "POST", path, content=content, headers={"Content-Type": kind.encode()})
    assert answer.status_code in (200, 204, 400, 413, 415, 422), answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert isinstance(error, str) if path.startswith("/v2") else set(error) == {"code", "message"}


def test_a_body_of_100_megabytes_is_refused_unread(app_maker):
    async def work(port: int) -> None:
        async def endless():
            for _ in range(100):
                yield bytes(1_000_000)

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            said = await client.post("/v1/faces", content=bytes(100_000_000), headers=JPEG)
            unsaid = await client.post("/v1/faces", content=endless(), headers=JPEG)
            assert [answer.status_code for answer in (said, unsaid)] == [413, 413]
            assert (await client.get("/health")).status_code == 200

    with_server(app_maker(), work)


HEAD = b"POST /v1/faces HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        (b"", b""),
        (b"POST /v1/fa", b""),
        (b"POST /v1/faces HTTP/1.1\r\nHost: local", b""),
        (HEAD, b"408"),
        (HEAD + b"x" * 10, b"408"),
        (HEAD.replace(b"image/jpeg", b"text/plain"), b"415"),  # answered early, and the rest never comes
        (b"not http at all\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 200_000, b""),
        (HEAD.replace(b"1000", b"-5"), b"400"),
        (HEAD.replace(b"1000", b"9" * 30), b""),
    ],
)
def test_a_client_that_does_not_go_on_is_given_up(app_maker, begun, told):
    async def work(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        answer = b""
        try:
            answer = await asyncio.wait_for(reader.read(20), PATIENCE)
            if told != b"408":
                await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionError:
            pass  # closed as well, only less politely
        writer.close()
        return answer

    # Where it is told why, the connection is kept open long enough to tell it on a busy machine.
    limits = replace(HASTY, body_seconds=10.0) if told == b"408" else HASTY
    start = time.monotonic()
    answer = with_server(app_maker(limits=limits), work, limits)
    assert told in answer
    assert time.monotonic() - start < PATIENCE


def test_a_client_that_drips_is_given_up_in_the_end(app_maker):
    limits = replace(HASTY, idle_seconds=20.0)

    async def work(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        answer = asyncio.create_task(reader.read(12))
        while not answer.done():
            writer.write(b"x")
            await asyncio.sleep(0.1)
        writer.close()
        return await answer

    assert with_server(app_maker(limits=limits), work, limits) == b"HTTP/1.1 408"


def test_a_client_that_does_not_take_its_answer_is_given_up(app_maker, tmp_path_factory):
    page = tmp_path_factory.mktemp("large")
    (page / "large.bin").write_bytes(bytes(30_000_000))

    async def work(port: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read(10)
        writer.transport.pause_reading()
        await asyncio.sleep(HASTY.idle_seconds * 3)
        writer.transport.resume_reading()
        received = 0
        try:
            while chunk := await asyncio.wait_for(reader.read(1 << 20), PATIENCE):
                received += len(chunk)
        except ConnectionError:
            pass
        writer.close()
        return received < 30_000_000

    assert with_server(app_maker(static=page, limits=HASTY), work, HASTY)


def test_what_holds_for_hosts_and_origins_cannot_be_sent_twice_or_bent(app_maker):
    app = app_maker(hosts=("localhost",))
    for host in ("localhost@evil.example", "localhost.evil.example", "evil.example#localhost", "[", "localhost:x:y"):
        answer = ask(app, "GET", "/v1/config", headers={"Host": host})
        assert answer.status_code == 421, host
        assert json.loads(answer.text)["error"]["code"] == "host"

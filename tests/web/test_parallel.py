"""Many clients at once get what each would get alone, or are told that there is no room."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest
from PIL import Image as pillow

from mien.errors import DataError
from mien.web.limits import Limits
from support.web import JPEG, LIMITS, ask, with_server

CLIENTS = 50


@pytest.fixture(scope="module")
def photos(portrait) -> list[bytes]:
    """Eight different photos: one face and two, of several sizes, none, and one that is no picture."""
    whole = pillow.open(portrait).convert("RGB")
    pictures = [whole.resize((side, side)) for side in (280, 260, 240, 220)]
    pictures += [pillow.fromarray(np.hstack([np.asarray(picture)] * 2)) for picture in pictures[1:3]]
    pictures += [pillow.new("RGB", (200, 160), (90, 120, 200))]
    files = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return [*files, b"no picture"]


def test_parallel_answers_are_those_of_one_after_the_other(app_maker, app, photos):
    other = app_maker(limits=replace(LIMITS, held_bytes=64_000_000))
    alone = [ask(app, "POST", "/v1/faces", content=photo, headers=JPEG).json() for photo in photos]

    async def work(port: int) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            async def one(number: int) -> None:
                place = number % len(photos)
                answer = await client.post("/v1/faces", content=photos[place], headers=JPEG)
                assert answer.status_code == 200, answer.text
                (received,), (expected,) = answer.json()["photos"], alone[place]["photos"]
                for face, other in zip(received["faces"], expected["faces"], strict=True):
                    # A network may add up in another order when faces go to it together.
                    assert face.pop("probabilities") == pytest.approx(other["probabilities"], abs=1e-6)
                    assert face.pop("probability") == pytest.approx(other["probability"], abs=1e-6)
                    assert face == {key: other[key] for key in face}
                assert {**received, "faces": []} == {**expected, "faces": []}

            async with asyncio.TaskGroup() as group:
                for number in range(CLIENTS):
                    group.create_task(one(number))

    with_server(other, work)
    assert f'mien_requests_total{{route="/v1/faces",status="200"}} {CLIENTS}.0' in ask(other, "GET", "/metrics").text


def test_who_finds_no_room_is_told_when_to_ask_again(app_maker, photos, monkeypatch):
    app = app_maker(limits=replace(LIMITS, waiting_photos=4, photos=2))
    recognizer = app.state.mien.service.recognizer
    gate = threading.Event()
    prepare = type(recognizer).prepare

    def waiting(self, *arguments, **options):
        gate.wait(60)
        return prepare(self, *arguments, **options)

    monkeypatch.setattr(type(recognizer), "prepare", waiting)

    async def work(port: int) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            requests = [
                asyncio.create_task(client.post("/v1/faces", content=photos[0], headers=JPEG)) for _ in range(10)
            ]
            _, pending = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
            while len(pending) > 4:
                await asyncio.sleep(0.01)
                pending = [request for request in requests if not request.done()]
            gate.set()
            return await asyncio.gather(*requests)

    answers = with_server(app, work)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 4 + [429] * 6
    for answer in answers:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"] == "busy"
    assert (app.state.mien.service.photos.taken, app.state.mien.service.bytes.taken) == (0, 0)


def test_requests_that_are_too_large_together_are_told_to_ask_again(app_maker):
    app = app_maker(limits=replace(LIMITS, held_bytes=LIMITS.body_bytes))
    app.state.mien.service.bytes.take(LIMITS.body_bytes - 100)
    for content in (bytes(101), _chunks(101)):
        answer = ask(app, "POST", "/v1/faces", content=content, headers=JPEG)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert ask(app, "POST", "/v1/faces", content=bytes(100), headers=JPEG).status_code == 200
    assert app.state.mien.service.bytes.taken == LIMITS.body_bytes - 100


async def _chunks(size: int):
    yield bytes(size // 2)
    yield bytes(size - size // 2)


def test_an_answer_that_takes_too_long_is_given_up(app_maker, photos, monkeypatch):
    app = app_maker(limits=replace(LIMITS, answer_seconds=0.05))
    gate = threading.Event()
    monkeypatch.setattr(type(app.state.mien.service.recognizer), "prepare", lambda *_, **__: gate.wait(60))
    answer = ask(app, "POST", "/v1/faces", content=photos[0], headers=JPEG)
    gate.set()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_slow")
    assert app.state.mien.service.photos.taken == 0


def test_what_would_wait_longer_than_an_answer_may_take_is_told_to_ask_again(app_maker, photos, monkeypatch):
    app = app_maker(limits=replace(LIMITS, answer_seconds=20.0))
    service = app.state.mien.service
    prepare = type(service.recognizer).prepare

    def slow(*arguments, **options):
        time.sleep(0.5)
        return prepare(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(type(service.recognizer), "prepare", slow)
        assert ask(app, "POST", "/v1/faces", content=photos[0], headers=JPEG).status_code == 200
    for waiting, status in ((60, 429), (0, 200)):
        service.photos.taken = waiting
        answer = ask(app, "POST", "/v1/faces", content=photos[0], headers=JPEG)
        assert answer.status_code == status
        if status == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert "an answer may take 20 s" in answer.json()["error"]["message"]
    service.photos.taken = 0


def test_an_idle_time_is_no_slow_pace(app_maker, photos):
    app = app_maker(limits=replace(LIMITS, answer_seconds=30.0))
    for _ in range(3):
        assert ask(app, "POST", "/v1/faces", content=photos[6], headers=JPEG).status_code == 200
        time.sleep(1.0)
    assert app.state.mien.service._pace() < 1.0


def test_an_answer_that_takes_too_long_among_others_is_told_to_ask_again(app_maker, photos, monkeypatch):
    app = app_maker(limits=replace(LIMITS, answer_seconds=0.05))
    gate = threading.Event()
    monkeypatch.setattr(type(app.state.mien.service.recognizer), "prepare", lambda *_, **__: gate.wait(60))
    with app.state.mien.service.photos.holding(1):
        answer = ask(app, "POST", "/v1/faces", content=photos[0], headers=JPEG)
    gate.set()
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")
    assert int(answer.headers["retry-after"]) >= 1


def test_an_error_of_the_network_goes_to_those_who_asked_and_to_nobody_else(app_maker, photos, monkeypatch):
    app = app_maker()
    classifier = app.state.mien.service.recognizer.classifier

    def broken(crops):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(classifier, "predict", broken)
        assert ask(app, "POST", "/v1/faces", content=photos[0], headers=JPEG).status_code == 500
    assert ask(app, "POST", "/v1/faces", content=photos[0], headers=JPEG).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"photos": 0}, {"idle_seconds": -1.0}, {"photo_bytes": 10**9}, {"held_bytes": 10}, {"photos": 65}],
)
def test_limits_fit_each_other(wrong):
    with pytest.raises(DataError):
        Limits(**wrong)

"""A service with a tiny model and small limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from mien.inference.recognizer import Recognizer
from mien.web.app import create_app
from support.web import LIMITS, ask


@pytest.fixture(scope="session")
def recognizer(bundle) -> Recognizer:
    return Recognizer(bundle, threads=2, max_pixels=LIMITS.pixels)


@pytest.fixture(scope="session")
def app_maker(recognizer, tmp_path_factory):
    """`create_app` for the tiny model, with the small limits unless told otherwise."""
    page = tmp_path_factory.mktemp("page")
    (page / "index.html").write_text("<!doctype html><title>mien</title>", encoding="utf-8")
    made: list[FastAPI] = []

    def make(model: Recognizer = recognizer, **settings: Any) -> FastAPI:
        app = create_app(model, **{"limits": LIMITS, "static": page, "threads": 2, **settings})
        made.append(app)
        return app

    yield make
    for app in made:
        app.state.mien.service.close()


@pytest.fixture(scope="session")
def app(app_maker) -> FastAPI:
    return app_maker()


@pytest.fixture(scope="session")
def get(app) -> Callable[..., httpx.Response]:
    return lambda path, **options: ask(app, "GET", path, **options)


@pytest.fixture(scope="session")
def post(app) -> Callable[..., httpx.Response]:
    return lambda path, **options: ask(app, "POST", path, **options)

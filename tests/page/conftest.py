"""The page in a real browser: one for all tests, and a static host for the folder that `mien page` writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.web import runtime
from mien.web.page import write_page
from support.browser import BROWSERS, Host, Visit, visiting


def unavailable(reason: str) -> None:
    """Skip; but fail where the browser's tests have been asked for, so that they are not left out unseen."""
    if os.environ.get("MIEN_BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        unavailable("There is no Chromium on this machine.")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("Playwright is not installed.")
    # As root Chromium starts only without its sandbox.
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if as_root else [])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mien page` writes."""
    if not runtime.is_there():
        unavailable("onnxruntime-web has not been fetched: python -m mien.web.runtime")
    folder = tmp_path_factory.mktemp("page") / "site"
    write_page(folder)
    return folder


@pytest.fixture(scope="session")
def host(page_folder: Path) -> Iterator[Host]:
    """A static host of the page."""
    with Host(page_folder) as started:
        yield started


@pytest.fixture(scope="session")
def opened(browser: Any, host: Host) -> Iterator[Visit]:
    """The static page, opened once: to start its networks takes the time."""
    with visiting(browser, host.url) as visit:
        yield visit


@pytest.fixture
def visit(opened: Visit) -> Iterator[Visit]:
    """The static page, ready and empty. It must not have complained when the test ends."""
    yield opened
    assert opened.errors == []
    opened.clear()

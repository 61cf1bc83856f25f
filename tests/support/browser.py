"""The page in a browser: static hosts, and what tests do with an open page."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
READY_MS = 60_000


def unavailable(reason: str) -> None:
    """Skip; but fail where the browser's tests have been asked for, so that they are not left out unseen."""
    if os.environ.get("MIEN_BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


class Host:
    """A static web server on this machine, for a `with` block.

    Attributes:
        url: of its root.
        asked: the paths that were asked for so far.
    """

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                asked.append(self.path)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._running = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        if self._running:
            self._running = False
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


@dataclass
class Visit:
    """The page, open and ready.

    Attributes:
        page: Playwright's page.
        requests: what the browser asked for over the network, also of other hosts.
        errors: what the page complained of.
    """

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def give(self, *files: Path | dict[str, Any]) -> None:
        """Pick photos and wait until they have been read."""
        before = self.page.locator("#results > li").count()
        self.page.set_input_files("#files", list(files))
        self.wait_for(before + len(files), patience_ms=READY_MS * len(files))

    def wait_for(self, count: int, *, patience_ms: int = READY_MS) -> None:
        """Wait until so many results are shown."""
        self.page.locator(f"#results > li:nth-child({count})").wait_for(timeout=patience_ms)

    def status(self) -> str:
        """What the page says of itself."""
        return str(self.page.locator("#status").inner_text())

    def clear(self) -> None:
        """Remove all results, and what a test has changed of the window."""
        if self.page.locator("#clear").is_visible():
            self.page.click("#clear")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")

    def downloaded(self, button: str) -> bytes:
        """What a button gives as a file."""
        with self.page.expect_download() as download:
            self.page.click(button)
        return Path(download.value.path()).read_bytes()


def open_page(context: Any, url: str) -> Visit:
    """Open the page and wait until it is ready, or has said why it is not."""
    visit = Visit(context.new_page())
    context.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("console", lambda line: visit.errors.append(line.text) if line.type == "error" else None)
    visit.page.goto(url)
    visit.page.locator("html[data-state]").wait_for()
    return visit


@contextmanager
def visiting(browser: Any, url: str, **options: Any) -> Iterator[Visit]:
    """Open a page in a profile of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(READY_MS)
    try:
        yield open_page(context, url)
    finally:
        context.close()

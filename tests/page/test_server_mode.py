"""The page of `mien serve`: both ways to read photos, by the reader's choice."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mien
from mien import Recognizer
from mien.inference.results import PhotoResult
from mien.web.app import create_app
from mien.web.limits import Limits
from mien.web.server import make_server
from support.browser import Visit, visiting

RESULTS = Path(__file__).parents[2] / "results"
TOKEN = "a-token-for-the-test"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


@contextmanager
def served(recognizer: Recognizer, **options: Any) -> Iterator[str]:
    """The address of a service on this machine."""
    started = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server(create_app(recognizer, **options), Limits(), started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert started.wait(60)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.mark.usefixtures("page_folder")  # skipped without the browser's runtime
def test_the_reader_chooses_where_photos_are_read(browser: Any, recognizer: Recognizer, portrait: Path) -> None:
    with served(recognizer) as url, visiting(browser, url) as visit:
        page = visit.page
        assert "Photos never leave this device" in page.locator("#modes").inner_text()
        assert page.locator("#mode-browser").is_checked()
        before = sent(visit)
        visit.give(portrait)
        assert sent(visit) == before

        page.locator("#mode-browser").focus()
        page.keyboard.press("ArrowDown")
        assert page.locator("#mode-server").is_checked()
        assert "The server's model default@" in visit.status()
        visit.give(portrait)
        assert sent(visit) == [*before, "v1/faces"]
        assert page.locator(".where").all_inner_texts() == ["Read on the server.", "Read in this browser."]
        local, remote = (PhotoResult.from_dict(value) for value in json.loads(visit.downloaded("#json")))
        assert remote == replace(recognizer.recognize(portrait), photo=portrait.name)
        assert [face.label for face in local.faces] == [face.label for face in remote.faces]

        page.locator("#results > li:first-child .map").click()
        page.locator("#results > li:first-child .map[aria-pressed=true]").wait_for()
        assert visit.downloaded("#results > li:first-child .drawing").startswith(b"\x89PNG")
        assert sent(visit)[-2:] == ["v1/explain", "v1/drawing"]
        assert visit.errors == []
        assert [address for address in visit.requests if not address.startswith((url, f"blob:{url}"))] == []


@pytest.mark.usefixtures("page_folder")
def test_a_photo_that_is_too_large_for_the_server_is_said_to_be_so_and_not_sent(
    browser: Any, recognizer: Recognizer, portrait: Path
) -> None:
    most = portrait.stat().st_size - 1
    with served(recognizer, limits=Limits(photo_bytes=most)) as url, visiting(browser, url) as visit:
        visit.page.check("#mode-server")
        visit.page.locator("#status.good").wait_for()
        before = sent(visit)
        visit.page.set_input_files("#files", portrait)
        visit.page.locator("#said .error:has-text('this server takes 0.1 MB at most')").wait_for()
        assert sent(visit) == before


@pytest.mark.usefixtures("page_folder")
def test_a_server_with_a_token_asks_for_it(browser: Any, recognizer: Recognizer, portrait: Path) -> None:
    with served(recognizer, token=TOKEN) as url, visiting(browser, url) as visit:
        visit.page.check("#mode-server")
        assert "asks for a token" in visit.status()
        visit.page.fill("#token", "wrong")
        visit.page.keyboard.press("Enter")
        visit.page.locator("#status.error:has-text('token')").wait_for()
        visit.page.fill("#token", TOKEN)
        visit.page.keyboard.press("Enter")
        visit.page.locator("#status.good").wait_for()
        visit.give(portrait)
        assert "happiness" in visit.page.locator(".face h4").inner_text()


@pytest.mark.usefixtures("page_folder")
def test_a_report_of_a_store_is_opened_from_the_page(browser: Any, recognizer: Recognizer, tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    shutil.copytree(RESULTS / "shipped-votes", stores / "shipped-votes")
    (stores / "other" / "report").mkdir(parents=True)
    shutil.copy(RESULTS / "shipped-labels" / "report" / "report.html", stores / "other" / "report")
    mien.write_report(stores / "shipped-votes")  # whole: the one that is kept is a page alone
    with served(recognizer, stores=[stores], token=TOKEN) as url, visiting(browser, url) as visit:
        visit.page.check("#mode-server")
        visit.page.fill("#token", TOKEN)
        visit.page.keyboard.press("Enter")
        listed = visit.page.locator("#report-list a")
        listed.first.wait_for()
        assert listed.count() == 2
        with visit.page.expect_popup() as opened:
            visit.page.locator("#report-list a[href*=shipped-votes]").press("Enter")
        report = opened.value
        assert report.locator("h1").inner_text()
        assert report.title() in listed.all_inner_texts()
        assert report.locator("svg").count() > 0
        table = report.locator("a[href$='.csv']").first
        with report.expect_download() as download:
            table.click()
        name = str(table.get_attribute("href"))
        assert Path(download.value.path()).read_bytes() == (stores / "shipped-votes" / "report" / name).read_bytes()
        report.locator("a[href$='.svg']").first.click()
        report.wait_for_url("**/*.svg")
        assert report.evaluate("document.documentElement.tagName") == "svg"
        assert visit.errors == []


def sent(visit: Visit) -> list[str]:
    """What was asked of the service about photos."""
    asked = ("v1/faces", "v1/explain", "v1/drawing")
    return [part for url in visit.requests for part in asked if part in url]

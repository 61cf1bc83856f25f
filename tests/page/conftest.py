"""The page in a real browser, on a static host for the folder that `mien page` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.web import runtime
from mien.web.page import write_page
from support.browser import Host, Visit, unavailable, visiting


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

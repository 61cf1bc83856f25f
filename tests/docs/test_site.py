"""The manual as a site: it builds without a warning, its links lead somewhere, and it needs no other host."""

import html
import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from filelock import FileLock

import mien
from mien.web import runtime

# Building takes twelve seconds of computing.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
API = [name for name in mien.__all__ if callable(getattr(mien, name))]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site; once for all processes that run tests."""
    temporary = tmp_path_factory.getbasetemp()
    folder = (temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary) / "site"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", f"{folder}.trees"]
            done = subprocess.run([*command, ROOT / "docs", folder], capture_output=True, text=True, encoding="utf-8")
            assert done.returncode == 0, done.stderr
    return folder


class Links(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = {""}
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.places.update(said[name] for name in ("id", "name") if name in said)
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif tag == "link" and said.get("rel") in ("stylesheet", "icon", "manifest", "preload", "prefetch"):
            self.loads.append(said["href"])
        elif tag != "a" and "src" in said:
            self.loads.append(said["src"])


@pytest.fixture(scope="session")
def pages(site):
    # The page that reads photos has tests of its own.
    return {path: Links(path) for path in site.rglob("*.html") if "page" not in path.relative_to(site).parts[:-1]}


def test_every_link_of_the_site_leads_somewhere(site, pages):
    lost = []
    for page, found in pages.items():
        for link in {*found.links, *found.loads}:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto", "data"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            if not target.is_file() or (target in pages and place not in pages[target].places):
                lost.append(f"{page.relative_to(site)} links to {link}")
    assert not lost


def test_the_site_loads_nothing_from_another_host(site, pages):
    loaded = [link for found in pages.values() for link in found.loads]
    assert any("mien.css" in link for link in loaded)
    assert [link for link in loaded if urlsplit(link).netloc] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in (site / "_static").rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", styles) == []


def test_the_reports_and_the_page_are_part_of_the_site(site):
    reports = [path.relative_to(ROOT) for path in (ROOT / "results").glob("**/report/report.html")]
    assert Path("results/nine/report/report.html") in reports
    assert all((site / path).read_bytes() == (ROOT / path).read_bytes() for path in reports)
    start = (site / "index.html").read_text(encoding="utf-8")
    assert (site / "page" / "index.html").is_file() == runtime.is_there() == ('href="page/index.html"' in start)
    assert ("python -m mien.web.runtime" in plain(start)) != runtime.is_there()


def plain(text: str) -> str:
    return re.sub(r"[\s`]+", " ", html.unescape(re.sub(r"<[^>]+>", "", text)))


@pytest.mark.parametrize("name", mien.__all__)
def test_every_public_name_is_described_in_the_reference(name, site):
    mark = f'id="mien.{name}"'
    page = next((page for page in (site / "api").glob("*.html") if mark in page.read_text(encoding="utf-8")), None)
    assert page is not None, f"mien.{name} stands on no page of docs/api"
    described = page.read_text(encoding="utf-8").partition(mark)[2]
    if name in API:
        first = inspect.getdoc(getattr(mien, name)).partition("\n\n")[0]
        assert plain(first).strip() in plain(described)
        contents = (site / "api" / "index.html").read_text(encoding="utf-8")
        assert f'href="{page.name}#mien.{name}"' in contents, f"mien.{name} is missing in docs/api/index.md"


@pytest.mark.parametrize("name", API)
def test_every_argument_of_a_public_name_is_described(name):
    public = getattr(mien, name)
    said = inspect.getdoc(public)
    if inspect.isclass(public) and issubclass(public, (Exception, str)):
        return
    arguments = [argument for argument in inspect.signature(public).parameters if not argument.startswith("_")]
    missing = [argument for argument in arguments if not re.search(rf"^ +\*{{0,2}}{argument}: ", said, re.M)]
    assert public is mien.Store or not missing


def test_the_search_works_in_a_folder_that_is_opened_as_files(browser, site):
    page = browser.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto((site / "index.html").as_uri())
        page.fill(".sidebar-search", "temperature")
        page.press(".sidebar-search", "Enter")
        page.locator("#search-results a", has_text="From a run to a model").wait_for()
    finally:
        page.close()
    assert errors == []
    assert [url for url in asked if not url.startswith("file:")] == []

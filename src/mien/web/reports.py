"""Reports of studies, as files that a browser may look at and that can do nothing."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from mien.errors import DataError

REPORT = Path("report") / "report.html"
# A report holds its own style and pictures. In the sandbox it runs no script and sends no form, whatever a store from
# elsewhere holds. It keeps its origin: without one, browsers ask for its tables and figures without the cookie that
# stands for the token.
POLICY = (
    "sandbox allow-same-origin allow-popups allow-downloads; "
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
)
_SUFFIXES = frozenset({".html", ".csv", ".svg", ".png", ".txt"})
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Report:
    """A report that is there.

    Attributes:
        name: of its store's folder; unique among those served.
        folder: the folder of `report.html`.
    """

    name: str
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """What `GET /v1/reports` says of it."""
        file = self.folder / REPORT.name
        with file.open("rb") as content:
            found = re.search(r"<title>(.*?)</title>", content.read(_HEAD_BYTES).decode("utf-8", "replace"), re.S)
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return {
            "title": html.unescape(found[1]).strip() if found else self.name,
            "url": f"reports/{self.name}/{REPORT.name}",
            "written": written.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }


def find_reports(folders: Iterable[Path]) -> list[Report]:
    """The reports of stores, and of folders of stores, in the order of their names; looked for at every call.

    A name that is there twice gets a number. A report is served only where it truly lies in the folder named, whatever
    links there are.
    """
    found: dict[str, Report] = {}
    for folder in folders:
        stores = [folder, *sorted(child for child in folder.iterdir() if child.is_dir())] if folder.is_dir() else []
        for store in stores:
            root = folder.resolve()
            if not (store / REPORT).is_file() or root not in (store / REPORT).resolve().parents:
                continue
            base = name = re.sub(r"[^A-Za-z0-9._-]+", "-", store.resolve().name).strip(".-") or "store"
            number = 1
            while name in found:
                number += 1
                name = f"{base}-{number}"
            found[name] = Report(name, store / REPORT.parent)
    return [found[name] for name in sorted(found)]


def check_stores(folders: Iterable[Path]) -> None:
    """Say at the start, and not at the first click, that a folder is not there.

    Raises:
        DataError: a folder is missing.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}. Expected: a store of a study, or a folder of stores.")


async def report_file(folders: Iterable[Path], name: str, path: str, scope: Scope) -> Response:
    """A file of a report.

    Raises:
        HTTPException: 404, it is not there, or is not one that a report has.
    """
    report = next((report for report in find_reports(folders) if report.name == name), None)
    if report is None or os.path.splitext(path)[1].lower() not in _SUFFIXES:
        raise HTTPException(404)
    # Resolves links and dots, and refuses what lies outside of the folder.
    response = await StaticFiles(directory=report.folder).get_response(os.path.normpath(path), scope)
    response.headers["Content-Security-Policy"] = POLICY
    return response

"""The page and the service, and what people must be told whose faces are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from mien.bundle import Bundle, load_bundle
from mien.errors import MienError, MissingExtraError
from mien.files import json_text, write_text
from mien.inference.detector import Detector
from mien.inference.recognizer import Recognizer
from mien.web import runtime
from mien.web.limits import Limits
from mien.web.notice import Deployer, notice_page, notice_text
from mien.web.notice import notice as content_of
from mien.web.page import write_page as write

NoticeForm = Literal["text", "html", "json"]


def serve(
    bundle: Bundle | Path | str = "default",
    *,
    host: str = "127.0.0.1",
    port: int = 8420,
    open_page: bool = True,
    detector: Path | None = None,
    stores: Sequence[Path] = (),
    token: str | None = None,
    allow_hosts: Sequence[str] = (),
    threads: int | None = None,
    limits: Limits | None = None,
    quiet: bool = False,
    started: Callable[[str, str], None] = lambda model, address: None,
    note: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve the page and answer other programs over HTTP, until it is interrupted.

    It writes nothing to the disk and keeps no photo.

    Args:
        bundle: the model, or what `load_bundle` takes.
        host: address to listen on.
        port: port to listen on; 0 for any that is free.
        open_page: open the page in a browser.
        detector: a YuNet model file; None for the packaged one.
        stores: show the reports of these stores, or of the stores in these folders.
        token: answer only those who send it; None to answer all.
        allow_hosts: further names under which the service may be asked.
        threads: photos read at once; None for one a core.
        limits: what is refused; None for the usual ones.
        quiet: print no line for each answer.
        started: is told the model's identity and the address, as soon as the service answers.
        note: is told what else is worth knowing.

    Raises:
        MissingExtraError: FastAPI is not installed.
        BundleError: the model is missing or damaged.
        StoreError: there is no store.
    """
    try:
        from mien.web.app import STATIC, create_app
        from mien.web.guard import is_loopback
        from mien.web.reports import check_stores
        from mien.web.server import known_hosts, log_to_stderr, spare_memory
        from mien.web.server import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mien"):
            raise
        raise MissingExtraError("Serving", "web") from error
    limits = limits or Limits()
    spare_memory()
    check_stores(stores)
    recognizer = Recognizer(bundle, detector=Detector(detector), threads=threads, max_pixels=limits.pixels)
    app = create_app(
        recognizer,
        limits=limits,
        token=token,
        stores=stores,
        hosts=known_hosts(host, tuple(allow_hosts)),
        threads=threads,
    )
    log_to_stderr(logging.ERROR if quiet else logging.INFO)
    if not runtime.is_there():
        note(f"{runtime.MISSING} Until then the page reads photos on the server alone.")
    if not is_loopback(host) and token is None:
        note(
            f"Anyone who reaches this machine at {host} can use the service, and what they send is not encrypted. "
            "--token asks for a token; docs/serve.md says how to put it behind HTTPS."
        )
    has_page = (STATIC / "index.html").is_file()
    if not has_page:
        note("This installation has no page; the service answers other programs all the same.")

    run(
        app,
        host=host,
        port=port,
        limits=limits,
        started=lambda address: started(recognizer.bundle.identity, address),
        open_page=open_page and has_page,
    )


def limits_of(*, megabytes: float, megapixels: float, photos: int, waiting: int, seconds: float) -> Limits:
    """The limits of a service in the units that people say.

    Args:
        megabytes: of the largest photo's file.
        megapixels: of the largest photo.
        photos: in one request.
        waiting: photos that may wait.
        seconds: after which an answer is given up.
    """
    photo_bytes = round(megabytes * 1e6)
    body_bytes = max(Limits.body_bytes, photo_bytes)
    return Limits(
        photo_bytes=photo_bytes,
        body_bytes=body_bytes,
        held_bytes=max(Limits.held_bytes, body_bytes),
        photos=photos,
        pixels=round(megapixels * 1e6),
        waiting_photos=waiting,
        answer_seconds=seconds,
    )


def write_page(folder: Path | str, bundle: Path | str = "default") -> dict[str, int]:
    """Write a page that reads photos in the browser, as a folder that any web server can host.

    Args:
        folder: made if it is not there. A page that is there is replaced, and what else lies beside it is left.
        bundle: the model, as `load_bundle` takes it. It answers its golden example first.

    Returns:
        For each file its path in the folder and how many bytes it is when a web server packs it (gzip).

    Raises:
        MienError: the model does not answer as it should, or the folder cannot be written to.
    """
    return write(Path(folder), bundle)


def notice(
    bundle: Bundle | Path | str = "default",
    form: NoticeForm = "text",
    *,
    name: str = "",
    purpose: str = "",
    contact: str = "",
    output: Path | None = None,
) -> str:
    """The notice for people whose faces are read (EU AI Act, Article 50(3)). No legal advice.

    Args:
        bundle: the model, or what `load_bundle` takes.
        form: "text": for people, in short; "html": a page to print; "json": for programs.
        name: who uses the labels; a gap where nothing is said.
        purpose: what they are used for.
        contact: where people can ask and object.
        output: the file to write it to as well; None for none.

    Raises:
        BundleError: the model is missing or damaged.
        MienError: the notice cannot be written.
    """
    model = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    content = content_of(model, Deployer(name, purpose, contact))
    text = {"text": notice_text, "html": notice_page, "json": json_text}[form](content)
    if output is not None:
        try:
            write_text(output, text)
        except OSError as error:
            raise MienError(f"The notice cannot be written: {error}.") from error
    return text

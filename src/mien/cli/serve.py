"""`mien serve`: the page and the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import BUNDLE_HELP, finite
from mien.errors import MissingExtraError


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; this machine alone if not given.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8420,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    bundle: Annotated[str, typer.Option(help=BUNDLE_HELP)] = "default",
    detector: Annotated[Path | None, typer.Option(help="A YuNet model file, instead of the packaged one.")] = None,
    store: Annotated[
        list[Path] | None, typer.Option(help="Show the reports of this store, or of the stores in this folder.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="MIEN_TOKEN", help="Answer only those who send this token.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name under which the service may be asked.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Photos read at once; one a core if not given.")] = None,
    max_megabytes: Annotated[
        float, typer.Option(min=0.001, callback=finite, help="Refuse larger photos (file size).")
    ] = 20,
    max_megapixels: Annotated[
        float, typer.Option(min=0.001, callback=finite, help="Refuse larger photos (picture size).")
    ] = 50,
    max_photos: Annotated[int, typer.Option(min=1, help="Refuse more photos in one request.")] = 16,
    max_waiting: Annotated[int, typer.Option(min=1, help="Photos that may wait; then the answer is 429.")] = 64,
    max_seconds: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Give up an answer after this time.")
    ] = 60,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print a line for each answer.")] = False,
) -> None:
    """Open a page for photos, and answer other programs over HTTP.

    It listens on this machine alone unless --host says otherwise, writes nothing to the disk, and keeps no photo.
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
    import logging

    from mien.inference.detector import Detector
    from mien.inference.recognizer import Recognizer
    from mien.web import runtime
    from mien.web.limits import Limits

    photo_bytes = round(max_megabytes * 1e6)
    body_bytes = max(Limits.body_bytes, photo_bytes)
    limits = Limits(
        photo_bytes=photo_bytes,
        body_bytes=body_bytes,
        held_bytes=max(Limits.held_bytes, body_bytes),
        photos=max_photos,
        pixels=round(max_megapixels * 1e6),
        waiting_photos=max_waiting,
        answer_seconds=max_seconds,
    )
    spare_memory()
    stores = store or []
    check_stores(stores)
    recognizer = Recognizer(bundle, detector=Detector(detector), threads=threads, max_pixels=limits.pixels)
    app = create_app(
        recognizer,
        limits=limits,
        token=token,
        stores=stores,
        hosts=known_hosts(host, tuple(allow_host or ())),
        threads=threads,
    )
    log_to_stderr(logging.ERROR if quiet else logging.INFO)
    if not runtime.is_there():
        typer.echo(f"{runtime.MISSING} Until then the page reads photos on the server alone.", err=True)
    if not is_loopback(host) and token is None:
        typer.echo(
            f"Anyone who reaches this machine at {host} can use the service, and what they send is not encrypted. "
            "--token asks for a token; docs/serve.md says how to put it behind HTTPS.",
            err=True,
        )

    has_page = (STATIC / "index.html").is_file()
    if not has_page:
        typer.echo("This installation has no page; the service answers other programs all the same.", err=True)

    def started(address: str) -> None:
        typer.echo(f"{recognizer.bundle.identity} answers at {address} (Ctrl+C ends it)")

    run(app, host=host, port=port, limits=limits, started=started, open_page=open_page and has_page)

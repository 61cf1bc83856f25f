"""`mien serve`: the page and the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import BUNDLE_HELP, finite


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
    from mien.api.serving import limits_of
    from mien.api.serving import serve as run

    limits = limits_of(
        megabytes=max_megabytes,
        megapixels=max_megapixels,
        photos=max_photos,
        waiting=max_waiting,
        seconds=max_seconds,
    )
    run(
        bundle,
        host=host,
        port=port,
        open_page=open_page,
        detector=detector,
        stores=store or [],
        token=token,
        allow_hosts=allow_host or [],
        threads=threads,
        limits=limits,
        quiet=quiet,
        started=lambda model, address: typer.echo(f"{model} answers at {address} (Ctrl+C ends it)"),
        note=lambda text: typer.echo(text, err=True),
    )

"""`mien page`: the page as a folder for any web server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def page(
    output: Annotated[Path, typer.Option("--output", help="The folder to write; a page that is there is replaced.")],
    bundle: Annotated[
        str, typer.Option("--bundle", help="The model: one that is shipped with mien, a folder, or a .mien file.")
    ] = "default",
) -> None:
    """Write a page that reads photos in the browser, as a folder that any web server can host.

    Photos never leave the browser of whoever opens it. It works without a network after the first visit.
    """
    from mien.api.serving import write_page

    sizes = write_page(output, bundle)
    typer.echo(
        f"{output}: {len(sizes)} files. A first visit loads {sum(sizes.values()) / 1e6:.1f} MB.\n"
        f"To look at it here: python -m http.server --bind 127.0.0.1 --directory {output}\n"
        "Elsewhere it needs https: without it browsers offer neither the camera nor work without a network."
    )

"""`mien notice`: what people must be told whose faces are read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import BUNDLE_HELP


class NoticeForm(StrEnum):
    """How the notice is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


def notice(
    form: Annotated[
        NoticeForm,
        typer.Option("--format", help="text: for people, in short; html: a page to print; json: for programs."),
    ] = NoticeForm.TEXT,
    name: Annotated[str, typer.Option(help="Who uses the labels; a gap if not given.")] = "",
    purpose: Annotated[str, typer.Option(help="What they are used for.")] = "",
    contact: Annotated[str, typer.Option(help="Where people can ask and object.")] = "",
    bundle: Annotated[str, typer.Option(help=BUNDLE_HELP)] = "default",
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Write the notice for people whose faces are read (EU AI Act, Article 50(3)).

    It says what the labels are and are not, which uses are prohibited, and which duties there are. No legal advice.
    """
    from mien.bundle import load_bundle
    from mien.errors import MienError
    from mien.files import json_text, write_text
    from mien.web.notice import Deployer, notice_page, notice_text
    from mien.web.notice import notice as make

    content = make(load_bundle(bundle), Deployer(name, purpose, contact))
    writers = {NoticeForm.TEXT: notice_text, NoticeForm.HTML: notice_page, NoticeForm.JSON: json_text}
    text = writers[form](content)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        write_text(output, text)
    except OSError as error:
        raise MienError(f"The notice cannot be written: {error}.") from error
    typer.echo(f"Written: {output}")

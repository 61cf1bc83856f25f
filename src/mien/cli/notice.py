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
    from mien.api.serving import notice as write

    text = write(bundle, form.value, name=name, purpose=purpose, contact=contact, output=output)
    typer.echo(text if output is None else f"Written: {output}\n", nl=False)

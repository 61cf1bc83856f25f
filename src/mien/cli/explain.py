"""`mien explain`: which parts of a face speak for a label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import mien
from mien.cli.options import BUNDLE_HELP, FRAMING_HELP


def explain(
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    output: Annotated[
        Path | None, typer.Option(help="Where to write the picture; PHOTO-explained.png here if not given.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Explain this label; the most probable one if not given.")] = None,
    face: Annotated[int | None, typer.Option(min=1, help="Only this face, by its number in `mien predict`.")] = None,
    method: Annotated[
        str | None, typer.Option(help="cam or occlusion; cam where the model allows it if not given.")
    ] = None,
    bundle: Annotated[str, typer.Option(help=BUNDLE_HELP)] = "default",
    framing: Annotated[str | None, typer.Option(help=FRAMING_HELP)] = None,
) -> None:
    """Mark which parts of a face speak for its label (orange) and against it (blue).

    For each face it also says how far the label's probability falls, on average, while the face is covered bit by bit,
    the marked parts first, and in random order. A map that is true to the network makes it fall sooner.
    """
    explained = mien.explain(photo, bundle, label=label, face=face, method=method, framing=framing)
    for part in explained:
        expression, deletion = part.explanation.expression, explained.deletion(part)
        typer.echo(
            f"face {part.found.face.id}: {expression.value} {dict(part.found.probabilities)[expression]:.0%}, "
            f"{part.explanation.method.value}; while it is covered bit by bit: {deletion.marked:.0%} with the marked "
            f"parts first, {deletion.random:.0%} in random order"
        )
    typer.echo(f"Written: {explained.save(output or Path(f'{photo.stem}-explained.png'))}")

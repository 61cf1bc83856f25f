"""`mien models draw` and `mien models show`: a network as a diagram, and what it makes of a face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.api.networks import NetworkPicture


def draw(
    backbone: Annotated[str | None, typer.Argument(help="A name from `mien models list`, or file.py:function.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Draw every backbone, into the folder --output.")] = False,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of the input, in pixels; the backbone's usual size if not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="A file .svg or .png; with --all, a folder. Both, named as the backbone, if not."
        ),
    ] = None,
) -> None:
    """Draw a backbone by stages and blocks, with the parameters and multiply-adds of each stage.

    The diagram is made from the network's own graph, so the network is built for it, with random weights.
    """
    if every == (backbone is not None):
        raise typer.BadParameter("Expected a backbone, or --all.")
    from mien.api.networks import SUFFIXES, check_ending, draw_network, draw_networks

    if every:
        for picture in draw_networks(size, left_out=left_out):
            _write(picture, [(output or Path("networks")) / (picture.name + suffix) for suffix in SUFFIXES])
        return
    if output is not None:
        check_ending(output)
    picture = draw_network(backbone or "", size)
    _write(picture, [Path(picture.name + suffix) for suffix in SUFFIXES] if output is None else [output])


def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_BACKBONE",
            help="The folder of a run (runs/ID in a store), a store with one run, or a name from `mien models list`.",
        ),
    ],
    photo: Annotated[
        Path | None,
        typer.Option(help="A photo: its largest face, or all of it where none is found. Else a drawn face."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help='Of a backbone: "none" (random), "imagenet", or a weight file, as in a study file.')
    ] = "none",
    output: Annotated[Path, typer.Option("--output", help="The folder of the pictures.")] = Path("pictures"),
) -> None:
    """Show a network's first filters, the maps of a face after each stage, and what its preprocessing does to the face.

    Three pictures, as SVG and PNG: filters, maps, preprocessing. Those of an untrained network show how it begins.
    """
    from mien.api.networks import SUFFIXES, show_network

    for picture in show_network(source, photo, weights=weights, note=lambda text: typer.echo(text, err=True)):
        _write(picture, [output / (picture.name + suffix) for suffix in SUFFIXES])


def left_out(name: str, reason: str) -> None:
    """Say that a backbone is left out, and why."""
    typer.echo(f"Left out: {name}: {reason}", err=True)


def _write(picture: NetworkPicture, paths: list[Path]) -> None:
    for path in paths:
        typer.echo(f"Written: {picture.save(path)}")

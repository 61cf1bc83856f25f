"""`mien wrap`: a bundle from another's model in ONNX."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import mien
from mien.cli.options import CLASSES_HELP, FRAMING_HELP

if TYPE_CHECKING:
    from mien.api.wrapping import TriedContract

_SHOWN = 10


class ModelChannels(StrEnum):
    """Channels that a model can take."""

    GRAY = "gray"
    GRAY3 = "gray3"
    RGB = "rgb"
    BGR = "bgr"


class LayoutChoice(StrEnum):
    """Where a model has its channels."""

    NCHW = "nchw"
    NHWC = "nhwc"


class GivesChoice(StrEnum):
    """What a model can give."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"


def wrap(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A classifier in ONNX.")],
    output: Annotated[
        Path, typer.Option("--output", help='The bundle: a single file when it ends in ".mien", otherwise a folder.')
    ] = Path("model.mien"),
    labels: Annotated[
        str | None,
        typer.Option(help='Expressions in the order of its outputs, with commas; "-" for one that is none.'),
    ] = None,
    channels: Annotated[ModelChannels | None, typer.Option(help="What it takes.")] = None,
    scale: Annotated[
        str | None,
        typer.Option(help='Pixels as it wants them: 0..255, 0..1, -1..1, imagenet, or "mean=127.5 std=127.5".'),
    ] = None,
    gives: Annotated[GivesChoice | None, typer.Option(help="What it answers with.")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Side of its input in pixels, where it does not say.")
    ] = None,
    layout: Annotated[LayoutChoice | None, typer.Option(help="Where its channels are. Default: by its shape.")] = None,
    contract: Annotated[
        str | None, typer.Option(help="A name from `mien models known`, for what is not said otherwise.")
    ] = None,
    framing: Annotated[str | None, typer.Option(help=FRAMING_HELP)] = None,
    name: Annotated[str | None, typer.Option(help="Short name of the model. Default: the output's name.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the model, in words, for its card.")] = None,
    model_output: Annotated[str | None, typer.Option(help="The output with the answers, where it has several.")] = None,
    try_: Annotated[
        str | None,
        typer.Option("--try", metavar="DATA", help="Write nothing; say under which contract it is most often right."),
    ] = None,
    classes: Annotated[str | None, typer.Option(help=f"With --try. {CLASSES_HELP}")] = None,
) -> None:
    """Make a bundle of any classifier in ONNX, and refuse where it does not answer as the bare model does."""
    words = None if labels is None else labels.split(",")
    if try_ is not None:
        from mien.api.wrapping import try_contracts

        tried = try_contracts(
            model,
            try_,
            labels=words,
            channels=None if channels is None else channels.value,
            scale=scale,
            size=size,
            layout=None if layout is None else layout.value,
            model_output=model_output,
            classes=classes,
        )
        for line in _tried(tried):
            typer.echo(line)
        return
    wrapped = mien.wrap(
        model,
        output,
        labels=words,
        channels=None if channels is None else channels.value,
        scale=scale,
        gives=None if gives is None else gives.value,
        size=size,
        layout=None if layout is None else layout.value,
        contract=contract,
        framing=framing,
        name=name,
        licence=licence,
        model_output=model_output,
    )
    bundle = wrapped.bundle
    typer.echo(f"{output}: {bundle.identity}, model of {len(bundle.onnx) / 1e6:.2f} MB")
    typer.echo(f"It differs from the bare model by at most {wrapped.difference:.1g} over {wrapped.images} images.")
    if wrapped.one_by_one:
        typer.echo("The model takes one image at a time: a batch runs it once for each of its images.")
    if bundle.crop_rule.framing is None:
        typer.echo("How its faces were framed is not known: photos are read only when it is said (--framing).")


def _tried(tried: list[TriedContract]) -> list[str]:
    lines = [
        f"{entry.accuracy.value:.1%}  --channels {entry.channels} --scale {_quoted(entry.scale)} "
        f"--labels {','.join(entry.labels)}"
        for entry in tried[:_SHOWN]
    ]
    best = tried[0].accuracy
    lines.append(f"{len(tried)} contracts were tried on {best.count} images; the first was right for {best.value:.1%}.")
    within = sum(entry.accuracy.value >= best.low for entry in tried[1:])
    if within:
        lines.append(
            f"{within} others lie within its 95 % interval (from {best.low:.1%}): these images do not tell them apart."
        )
    return lines


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text

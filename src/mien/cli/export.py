"""`mien export`: a bundle from a training run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import mien
from mien.cli.options import finite

if TYPE_CHECKING:
    from mien.bundle import UnsureRule
    from mien.training.exported import Exported


class WeightsChoice(StrEnum):
    """How weights can be stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run: its folder, runs/ID in a store, or a store that has no other.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            help="The bundle: a file when it ends in .mien, otherwise a folder; .onnx, .keras, .tflite: the model.",
        ),
    ] = Path("model.mien"),
    name: Annotated[str | None, typer.Option(help="Short name of the model. Default: the output's name.")] = None,
    weights_type: Annotated[
        WeightsChoice, typer.Option(help="How weights are stored. All but float32 need --data.")
    ] = WeightsChoice.FLOAT32,
    risk: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=0.999,
            callback=finite,
            help='Share of wrong labels that the threshold for "unsure" keeps to.',
        ),
    ] = 0.2,
    licence: Annotated[str | None, typer.Option(help="Licence of the model, in words, for its card.")] = None,
    weights_note: Annotated[
        str | None, typer.Option(help="Where pretrained weights come from and under which licence, for the card.")
    ] = None,
    adjust_prior: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            callback=finite,
            help="Prefer common expressions less; says what it does on validation images.",
        ),
    ] = 0.0,
    mirror: Annotated[
        bool,
        typer.Option("--mirror", help="Answer for each face and its mirror image together, in twice the time."),
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(help="Which head of a network with several, such as labels. Default: the first."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="The run's data set, to measure the exported model itself.")
    ] = None,
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv), where the run had them.")] = None,
    cleaning: Annotated[
        Path | None, typer.Option(help="The run's cleaning list; by default the copy that its store has kept.")
    ] = None,
) -> None:
    """Make a bundle from a run, and refuse where it does not answer as the trained network does."""
    exported = mien.export(
        run,
        output,
        name=name,
        data=data,
        votes=votes,
        cleaning=cleaning,
        say=lambda text: typer.echo(text, err=True),
        weights_type=weights_type.value,
        risk=risk,
        licence=licence,
        weights_note=weights_note,
        adjust_prior=adjust_prior,
        mirror=mirror,
        head=head,
    )
    for line in _lines(exported, output):
        typer.echo(line)


def _lines(exported: Exported, output: Path) -> list[str]:
    bundle, parity = exported.bundle, exported.parity
    alone = {".keras": "the .keras file", ".tflite": "LiteRT", ".onnx": "ONNX"}.get(output.suffix.lower())
    form = alone or "ONNX"
    size = len(bundle.onnx) if form == "ONNX" else output.stat().st_size
    lines = [
        f"{output}: {bundle.identity}, model of {size / 1e6:.2f} MB",
        f"Keras and {form} differ by at most {parity.difference:.1g} over {parity.images:,} images; no label differs.",
        f"Temperature {bundle.temperature:.3f}; {_unsure(bundle.unsure)}.",
    ]
    if bundle.likeness is None and alone is None:
        lines.append(
            "It will not say which faces are unlike those that it learned from: its run was trained before that was "
            "kept. With --data it will."
        )
    if exported.effect is not None:
        before, after = exported.effect
        lines.append(
            "As trained and with what was asked for on top, on the validation role: "
            f"accuracy {before.accuracy.value:.1%}, now {after.accuracy.value:.1%}; "
            f"balanced accuracy {before.balanced_accuracy.value:.1%}, now {after.balanced_accuracy.value:.1%}."
        )
    if exported.measured is not None:
        lines.append(f"Accuracy lost on the validation role: {exported.measured.accuracy_loss:.2%}.")
    if exported.int8 is not None and exported.int8.acceptable:
        lines.append(
            f"With --weights-type int8 it would have {exported.int8.megabytes:.2f} MB and lose "
            f"{exported.int8.accuracy_loss:.2%} of accuracy."
        )
    return lines


def _unsure(rule: UnsureRule | None) -> str:
    if rule is None:
        return "no threshold keeps that risk, so a label is always given"
    return (
        f"unsure below {rule.threshold:.3f}: {rule.coverage:.1%} of the validation images get a label, "
        f"{rule.risk:.1%} of those a wrong one"
    )

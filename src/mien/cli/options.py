"""What several commands share: what is said of their options, and how they print JSON."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Any

import typer


class ChannelsChoice(StrEnum):
    """In what images are read."""

    GRAY = "gray"
    RGB = "rgb"


DATA_HELP = (
    "A data set: a folder, a .zip or .tar, a table (.csv, .tsv, .parquet), arrays (.npz, .npy, .h5), a data file "
    '(.toml), or "drawn" for drawn faces.'
)
CHANNELS_HELP = "Read images in gray, or in colour: networks then take red, green and blue. Default: gray."
OUTSIDE_HELP = "Take images that a manifest names outside its folder."
CLASSES_HELP = (
    "What labels stand for: an order of numbers (fer2013, alphabetical, affectnet, raf-db, ck-plus), the names of the "
    "numbers in turn (anger,disgust,...), or LABEL=CLASS,... for words of any language and for merging classes."
)
LABELS_HELP = (
    "Label set: dataset, six, seven, eight, a list (anger,happiness,neutral), or with groups "
    "(neutral,positive=happiness+surprise,negative=anger+fear+sadness)."
)
BUNDLE_HELP = "A model: the name of one that comes with mien, a folder, or a .mien file."
FRAMING_HELP = (
    "How the faces were framed that the model learned from: fer2013, drawn, or numbers such as aligned:margin=1.3. "
    "Needed for photos where the model does not say."
)


PRIOR_HELP = (
    "How common the labels are: training (as among the model's training faces), uniform, or a file of lines such as "
    "anger,0.1."
)


On = Annotated[
    str | None,
    typer.Option(
        metavar="ray[:ADDRESS]",
        help="Compute on a Ray cluster (ray:auto on one of its machines, else ray:HOST:PORT), or with ray alone on all "
        "processors of this machine at once.",
    ),
]


def finite(value: float | None) -> float | None:
    """The callback of every option that takes a number: NaN and infinity pass any range, and mean nothing."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"Expected a number. Received: {value}.")
    return value


def print_json(value: Any) -> None:
    """Print plain values as readable JSON."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False))

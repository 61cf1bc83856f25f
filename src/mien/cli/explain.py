"""`mien explain`: which parts of a face speak for a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import BUNDLE_HELP, FRAMING_HELP
from mien.errors import MienError

if TYPE_CHECKING:
    from mien.inference.classifier import Classifier
    from mien.inference.explanation import ExplainedFace

_RANDOM_ORDERS = 5


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
    from mien.images import read_image
    from mien.inference.drawing import save_drawing
    from mien.inference.explanation import draw_explanations, explain_photo
    from mien.inference.recognizer import Recognizer

    recognizer = Recognizer(bundle, unsure=False, framing=framing)
    image = read_image(photo)
    explained = explain_photo(recognizer, image, label=label, face=face, method=method)
    for part in explained:
        typer.echo(_in_words(recognizer.classifier, part))
    parts = [(part.found.face, part.explanation) for part in explained]
    path = output or Path(f"{photo.stem}-explained.png")
    try:
        save_drawing(draw_explanations(image, parts, recognizer.bundle.crop_rule), path)
    except OSError as error:
        raise MienError(f"The picture cannot be written: {error}.") from error
    typer.echo(f"Written: {path}")


def _in_words(classifier: Classifier, part: ExplainedFace) -> str:
    from mien.inference.explanation import deletion_curve
    from mien.randomness import generator

    found, crop, explanation = part.found, part.crop, part.explanation
    random = generator(0, "deletion")
    maps = [explanation.heat, *(random.random(crop.shape) for _ in range(_RANDOM_ORDERS))]
    marked, *others = [deletion_curve(classifier, crop, explanation.expression, heat).mean() for heat in maps]
    probability = dict(found.probabilities)[explanation.expression]
    return (
        f"face {found.face.id}: {explanation.expression.value} {probability:.0%}, {explanation.method.value}; while it "
        f"is covered bit by bit: {marked:.0%} with the marked parts first, {sum(others) / len(others):.0%} in random "
        "order"
    )

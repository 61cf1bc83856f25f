"""`mien explain`: which parts of a face speak for a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import BUNDLE_HELP
from mien.errors import DataError, MienError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.inference.classifier import Classifier
    from mien.inference.explanation import Explanation
    from mien.inference.results import FaceResult, PhotoResult

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
) -> None:
    """Mark which parts of a face speak for its label (orange) and against it (blue).

    For each face it also says how far the label's probability falls, on average, while the face is covered bit by bit,
    the marked parts first, and in random order. A map that is true to the network makes it fall sooner.
    """
    from mien.images import read_image
    from mien.inference.crops import crop_face
    from mien.inference.drawing import save_drawing
    from mien.inference.explanation import Method, draw_explanations
    from mien.inference.explanation import explain as explain_crop
    from mien.inference.recognizer import Recognizer
    from mien.labels import parse_expression

    if method is not None and method not in tuple(Method):
        raise typer.BadParameter(f"Expected cam or occlusion. Received: {method}.", param_hint="--method")
    recognizer = Recognizer(bundle, unsure=False)
    image = read_image(photo)
    parts = []
    for found in _chosen_faces(recognizer.recognize(image), face):
        expression = found.most_probable if label is None else parse_expression(label)
        if expression is None:
            continue  # too small for the model
        crop = crop_face(image, found.face, recognizer.bundle.crop_rule)
        explanation = explain_crop(recognizer.classifier, crop, expression, None if method is None else Method(method))
        parts.append((found.face, explanation))
        typer.echo(_in_words(recognizer.classifier, found, crop, explanation))
    path = output or Path(f"{photo.stem}-explained.png")
    try:
        save_drawing(draw_explanations(image, parts, recognizer.bundle.crop_rule), path)
    except OSError as error:
        raise MienError(f"The picture cannot be written: {error}.") from error
    typer.echo(f"Written: {path}")


def _chosen_faces(result: PhotoResult, number: int | None) -> list[FaceResult]:
    asked = [face for face in result.faces if number in (None, face.face.id)]
    if number is not None and not asked:
        raise DataError(f"{result.photo} has {len(result.faces)} faces. Received: --face {number}.")
    if not any(face.probabilities for face in asked):
        raise DataError(f"{result.photo} has no face to explain. {result.reason}".rstrip())
    return asked


def _in_words(classifier: Classifier, found: FaceResult, crop: NDArray[np.uint8], explanation: Explanation) -> str:
    from mien.inference.explanation import deletion_curve
    from mien.randomness import generator

    random = generator(0, "deletion")
    maps = [explanation.heat, *(random.random(crop.shape) for _ in range(_RANDOM_ORDERS))]
    marked, *others = [deletion_curve(classifier, crop, explanation.expression, heat).mean() for heat in maps]
    probability = dict(found.probabilities)[explanation.expression]
    return (
        f"face {found.face.id}: {explanation.expression.value} {probability:.0%}, {explanation.method.value}; while it "
        f"is covered bit by bit: {marked:.0%} with the marked parts first, {sum(others) / len(others):.0%} in random "
        "order"
    )

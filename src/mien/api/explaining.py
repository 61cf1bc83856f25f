"""Which parts of a face speak for its label, and which against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mien.arguments import checked
from mien.bundle import Bundle
from mien.errors import MienError
from mien.images import Image, PhotoSource, read_image
from mien.inference.drawing import png_of, save_drawing
from mien.inference.explanation import ExplainedFace, deletion_curve, draw_explanations, explain_photo
from mien.inference.recognizer import Recognizer
from mien.randomness import generator

_RANDOM_ORDERS = 5


@dataclass(frozen=True)
class Deletion:
    """How far a label's probability falls, on average, while its face is covered bit by bit.

    Attributes:
        marked: with the parts first that the map marks most, 0 to 1.
        random: in random order, 0 to 1. A map that is true to the network has a lower `marked`.
    """

    marked: float
    random: float


@dataclass(frozen=True, eq=False)
class Explanations(Sequence[ExplainedFace]):
    """The faces of a photo with their maps, in reading order.

    Attributes:
        image: the photo.
        faces: its faces with their maps.
        recognizer: what found and labelled them.
    """

    image: Image
    faces: tuple[ExplainedFace, ...]
    recognizer: Recognizer

    def __len__(self) -> int:
        return len(self.faces)

    @overload
    def __getitem__(self, index: int) -> ExplainedFace: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ExplainedFace, ...]: ...
    def __getitem__(self, index: int | slice) -> ExplainedFace | tuple[ExplainedFace, ...]:
        return self.faces[index]

    def __iter__(self) -> Iterator[ExplainedFace]:
        return iter(self.faces)

    def deletion(self, face: ExplainedFace) -> Deletion:
        """Whether the map of one of these faces is true to the network; see `Deletion`."""
        random = generator(0, "deletion")
        maps = [face.explanation.heat, *(random.random(face.explanation.heat.shape) for _ in range(_RANDOM_ORDERS))]
        classifier, expression = self.recognizer.classifier, face.explanation.expression
        marked, *others = [float(deletion_curve(classifier, face.crop, expression, heat).mean()) for heat in maps]
        return Deletion(marked, sum(others) / len(others))

    def drawing(self) -> NDArray[np.uint8]:
        """The photo with the maps on its faces, orange for a label and blue against it: (H, W, 3), uint8, RGB."""
        parts = [(part.found.face, part.explanation) for part in self.faces]
        return draw_explanations(self.image, parts, self.recognizer.bundle.crop_rule)

    def __repr__(self) -> str:
        faces = ", ".join(f"{part.explanation.expression.value} of face {part.found.face.id}" for part in self.faces)
        return f"<maps on {self.image.name}: {faces}; a notebook shows them, .save(path) writes them>"

    def _repr_png_(self) -> bytes:
        return png_of(self.drawing())

    def save(self, path: Path | str) -> Path:
        """Write the drawing as JPEG, or as PNG where the path ends so. Returns the path.

        Raises:
            MienError: it cannot be written.
        """
        path = Path(path)
        if path.exists() and Path(self.image.name).exists() and path.samefile(self.image.name):
            raise MienError(f"{path} is the photo itself, which would be lost under the drawing. Name another file.")
        try:
            save_drawing(self.drawing(), path)
        except OSError as error:
            raise MienError(f"The picture cannot be written: {error}.") from error
        return path


@checked("photo", "bundle")
def explain(
    photo: PhotoSource,
    bundle: Bundle | Path | str = "default",
    *,
    label: str | None = None,
    face: int | None = None,
    method: str | None = None,
    framing: str | None = None,
) -> Explanations:
    """Explain the labels of a photo's faces.

    Args:
        photo: what `Recognizer.recognize` takes.
        bundle: the model, or what `mien.load_bundle` takes.
        label: explain this label; None for the most probable one.
        face: only this face, by its number; None for all.
        method: "cam" or "occlusion"; None for cam where the model allows it.
        framing: see `Recognizer`.

    Returns:
        The faces with their maps, at least one; `.save("explained.png")` writes the picture.

    Raises:
        ImageError: the photo cannot be read.
        MienError: there is no such face, label or method.
    """
    recognizer = Recognizer(bundle, unsure=False, framing=framing)
    image = read_image(photo)
    faces = explain_photo(recognizer, image, label=label, face=face, method=method)
    return Explanations(image, tuple(faces), recognizer)

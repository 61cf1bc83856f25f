"""Which parts of a face speak for its label, and which against it."""

from __future__ import annotations

from pathlib import Path

from mien.bundle import Bundle
from mien.images import PhotoSource, read_image
from mien.inference.explanation import ExplainedFace, explain_photo
from mien.inference.recognizer import Recognizer


def explain(
    photo: PhotoSource,
    bundle: Bundle | Path | str = "default",
    *,
    label: str | None = None,
    face: int | None = None,
    method: str | None = None,
    framing: str | None = None,
) -> list[ExplainedFace]:
    """Explain the labels of a photo's faces.

    Args:
        photo: what `Recognizer.recognize` takes.
        bundle: the model, or what `load_bundle` takes.
        label: explain this label; None for the most probable one.
        face: only this face, by its number; None for all.
        method: "cam" or "occlusion"; None for cam where the model allows it.
        framing: see `Recognizer`.

    Raises:
        ImageError: the photo cannot be read.
        MienError: there is no such face, label or method.
    """
    recognizer = Recognizer(bundle, unsure=False, framing=framing)
    return list(explain_photo(recognizer, read_image(photo), label=label, face=face, method=method))

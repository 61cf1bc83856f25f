"""Faces cut out of photos while a data set is read: by the steps of predicting, so that both see the same crops."""

from __future__ import annotations

import copy
import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.datasets.dataset import Dataset, Miss
from mien.datasets.pixels import DecodedImage
from mien.errors import DataError
from mien.files import canonical_json, write_text
from mien.framing import CropRule
from mien.inference.recognizer import Recognizer

SEVERAL = "several faces, the largest taken"


class Framer:
    """Cuts the largest face out of each photo, as a recognizer does; a `mien.datasets.samples.FaceCutter`.

    Args:
        recognizer: whose detector and crop rule are used; None for the default ones.
        rule: how a face is cut out; None for the rule of the recognizer's bundle.
    """

    def __init__(self, recognizer: Recognizer | None = None, *, rule: CropRule | None = None) -> None:
        self._recognizer = copy.copy(Recognizer() if recognizer is None else recognizer)
        bundle = self._recognizer.bundle
        self.rule = bundle.crop_rule if rule is None else rule
        # Its network is not asked, so that another size does no harm.
        self._recognizer.bundle = replace(bundle, crop_rule=self.rule)

    @property
    def key(self) -> str:
        """All that can change what is cut out."""
        settings = self._recognizer.settings()
        deciding = {name: settings[name] for name in ("detector", "minimum_face_px", "max_megapixels", "versions")}
        return canonical_json({"rule": self.rule.to_json(), **deciding})

    def cut(self, data: bytes) -> DecodedImage | Miss:
        """The largest face of an encoded photo, or why there is none."""
        prepared = self._recognizer.prepare(data, name="photo")
        if prepared.failure is not None:
            outcome, reason = prepared.failure
            return Miss("", reason, outcome.value)
        least = self._recognizer.minimum_face_px
        large = [face for face in prepared.faces if min(face.box.width, face.box.height) >= least]
        best = int(np.argmax([face.box.area for face in large]))
        notes = (SEVERAL,) if len(large) > 1 else ()
        return DecodedImage(prepared.crops[best], (*prepared.notes, *notes), len(large))


def write_face_table(dataset: Dataset, path: Path) -> None:
    """Write what was found in each photo: CSV with the columns id, outcome (ok, several, no_face …) and faces.

    Args:
        dataset: one that was read with faces cut out.
        path: the table.

    Raises:
        DataError: it cannot be written.
    """
    counts = [1] * len(dataset) if dataset.faces is None else dataset.faces.tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "outcome", "faces"))
    for name, count in zip(dataset.ids.tolist(), counts, strict=True):
        writer.writerow((name, "ok" if count < 2 else "several", count))
    for miss in dataset.missed:
        writer.writerow((miss.id, miss.outcome, 0))
    try:
        write_text(path, text.getvalue())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}. Name another folder.") from error

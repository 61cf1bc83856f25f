"""Where data sets can be had, under which terms, and how a copy is known to be complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mien.datasets.known import LICENCE_FER2013

_CHALLENGE = "challenges-in-representation-learning-facial-expression-recognition-challenge"
_FER2013_ORIGIN = (
    "FER2013 was collected by Pierre-Luc Carrier and Aaron Courville for a challenge of 2013 (Goodfellow et al., "
    "Challenges in Representation Learning)."
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set, or a part of one, that `mien data get` knows.

    Attributes:
        name: what the command calls it.
        title: what it is, in a few words.
        form: "table" (one file of the names in `files`), "images" (a folder tree, or its .zip) or "votes" (FER+'s).
        origin: who made it and who offers it, in sentences.
        licence: what may be done with it, in sentences.
        files: names under which the file is known, the best first; looked for in archives too.
        kaggle: "competitions/NAME" or "datasets/OWNER/NAME", or None when Kaggle is not where it comes from.
        kaggle_file: the one file wanted there; None for all.
        url: where it can be fetched without an account, or None.
        known: names in `mien.datasets.known.KNOWN_SETS` that a complete copy has the counts of.
        checksums: MD5 of published files to their names.
        fingerprints: fingerprints of data sets read from complete copies, to what they are.
    """

    name: str
    title: str
    form: Literal["table", "images", "votes"]
    origin: str
    licence: str
    files: tuple[str, ...] = ()
    kaggle: str | None = None
    kaggle_file: str | None = None
    url: str | None = None
    known: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it is fetched from when nothing else is asked for."""
        return self.url or f"https://www.kaggle.com/{self.kaggle}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which it may lie in a folder of data sets, the likeliest first."""
        if self.form != "images":
            return self.files
        theirs = str(self.kaggle).rpartition("/")[2]
        return tuple(dict.fromkeys((self.name, f"{self.name}.zip", theirs, f"{theirs}.zip")))


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="fer2013",
            title="FER2013, 35,887 images in one table",
            form="table",
            origin=f"{_FER2013_ORIGIN} Kaggle offers it to those who have accepted the challenge's rules.",
            licence=LICENCE_FER2013,
            files=("fer2013.csv", "icml_face_data.csv", "fer2013.csv.gz"),
            kaggle=f"competitions/{_CHALLENGE}",
            kaggle_file="fer2013.tar.gz",
            known=("FER2013",),
            # As torchvision lists them (torchvision/datasets/fer2013.py).
            checksums={
                "f8428a1edbd21e88f42c73edd2a14f95": "fer2013.csv",
                "b114b9e04e6949e5fe8b6a98b3892b1d": "icml_face_data.csv",
            },
        ),
        Source(
            name="fer2013-plus-votes",
            title="the votes of FER+, for FER2013's images",
            form="votes",
            origin="FER+ asked ten people about each image of FER2013 (Barsoum et al., 2016). Microsoft offers the "
            "votes on GitHub (microsoft/FERPlus). They hold no images.",
            licence="MIT, copyright Microsoft Corporation, for the votes; the images are FER2013's.",
            files=("fer2013new.csv",),
            url="https://raw.githubusercontent.com/microsoft/FERPlus/master/fer2013new.csv",
            checksums={"413eba86d6e454536b99705b8c7fc5c5": "fer2013new.csv"},
        ),
        Source(
            name="fer2013-folders",
            title="FER2013 as image files, public and private test in one",
            form="images",
            origin=f"{_FER2013_ORIGIN} A user of Kaggle offers it as image files (msambare/fer2013).",
            licence=f"{LICENCE_FER2013} A licence that an uploader names cannot grant more.",
            kaggle="datasets/msambare/fer2013",
            known=("FER2013, public and private test in one", "FER2013"),
        ),
        Source(
            name="fer2013-six",
            title="FER2013 as image files, without disgust",
            form="images",
            origin=f"{_FER2013_ORIGIN} A user of Kaggle offers six of its classes as JPEG files "
            "(apollo2506/facial-recognition-dataset).",
            licence=f"{LICENCE_FER2013} A licence that an uploader names cannot grant more.",
            kaggle="datasets/apollo2506/facial-recognition-dataset",
            known=("FER2013, without disgust", "FER2013, public and private test in one, without disgust"),
            fingerprints={"e196d053f967b3a9": "the copy that mien's own studies use"},
        ),
    )
}

"""Data sets: getting them, what is in them, and writing them in another form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mien.arguments import checked
from mien.datasets.dataset import Dataset
from mien.datasets.description import Description
from mien.datasets.description import describe as describe_dataset
from mien.datasets.duplicates import Progress
from mien.datasets.manifest import write_manifest
from mien.datasets.parquet import write_parquet
from mien.datasets.places import FOLDERS_VARIABLE, find_place
from mien.datasets.reading import as_dataset
from mien.datasets.sources import SOURCES, Source
from mien.datasets.spec import DataSpec
from mien.datasets.tables import TABLE_ENDINGS
from mien.errors import DataError, did_you_mean
from mien.inference.batch import PHOTO_SUFFIXES

if TYPE_CHECKING:
    from mien.datasets.getting import Checked

Form = Literal["manifest", "parquet"]


@dataclass(frozen=True, eq=False)
class Converted:
    """A data set in another form.

    Attributes:
        dataset: what was read.
        path: the folder of the manifest, or the Parquet file.
        faces: the table that says what was found in each photo; None where no faces were looked for.
    """

    dataset: Dataset
    path: Path
    faces: Path | None


@dataclass(frozen=True)
class Got:
    """A published data set that was brought here.

    Attributes:
        source: what was asked for.
        path: where it is.
        checked: how its counts compare with the published ones.
    """

    source: Source
    path: Path
    checked: Checked

    @property
    def how_named(self) -> str:
        """How a study file names it, and what else it takes for that to be found."""
        name, key = self.source.name, "votes" if self.source.form == "votes" else "path"
        if find_place(name, Path()) == self.path.resolve():
            return f'Studies find it by its name: {key} = "{name}"'
        return (
            f'For studies to find it by its name, {key} = "{name}", call it {self.source.names[0]} and put its folder '
            f"into the variable {FOLDERS_VARIABLE}."
        )


def describe(data: Dataset | DataSpec | Path | str, **keys: Any) -> Description:
    """Say what is in a data set: roles, expressions, copies, licence, and what could not be read.

    Args:
        data: a data set, or what `read_dataset` takes.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        DataError: the data cannot be read.
    """
    return describe_dataset(as_dataset(data, **keys))


# A folder of such a name is taken for the file that it is called as.
_ENDINGS_OF_FILES = (
    *TABLE_ENDINGS,
    *PHOTO_SUFFIXES,
    ".zip",
    ".tar",
    ".gz",
    ".tgz",
    ".npz",
    ".npy",
    ".h5",
    ".hdf5",
    ".json",
)


@checked("data")
def convert(
    data: Dataset | DataSpec | Path | str, output: Path | str, form: Form | None = None, **keys: Any
) -> Converted:
    """Write a data set as a manifest or as Parquet, with label, role, group and votes, and its images as PNG.

    Args:
        data: a data set, or what `read_dataset` takes.
        output: a folder, made where needed, or a file .parquet.
        form: None for Parquet where `output` is such a file, and a manifest otherwise.
        **keys: keys of `DataSpec`, where `data` is a path; with faces="find" the face in each image is cut out as in
            predicting, and faces.csv says of each photo whether it shows one face, several or none.

    Raises:
        DataError: the data cannot be read, or cannot be written there.
        MissingExtraError: Parquet is asked for, and pyarrow is not installed.
    """
    output = Path(output)
    is_file = output.suffix.lower() == ".parquet"
    if not (is_file or output.is_dir()) and output.name.lower().endswith(_ENDINGS_OF_FILES):
        raise DataError(
            f"A data set is written as a folder, or as one file that ends in .parquet. Received: {output}, which is "
            "called as another file is."
        )
    dataset = as_dataset(data, **keys)
    if (form or ("parquet" if is_file else "manifest")) == "parquet":
        place = write_parquet(dataset, output if is_file else output / "data.parquet")
    else:
        place = write_manifest(dataset, output).parent
    faces = None
    if keys.get("faces") == "find":
        faces = (place if place.is_dir() else place.parent) / "faces.csv"
        from mien.datasets.framing import write_face_table

        write_face_table(dataset, faces)
    return Converted(dataset, place, faces)


def known_sources() -> tuple[Source, ...]:
    """The published data sets that `get` brings, with where they come from and under which terms."""
    return tuple(SOURCES.values())


def source_named(name: str, *, url: str | None = None, file: Path | str | None = None) -> tuple[Source, str]:
    """A published data set, and the place that `get` would bring it from.

    Args:
        name: as `mien data get` lists it.
        url: as for `get`.
        file: as for `get`.

    Raises:
        DataError: there is no such set, or both `url` and `file` are given.
    """
    if name not in SOURCES:
        raise DataError(f"mien knows no data set {name!r} to get. {did_you_mean(name, SOURCES)}")
    if url is not None and file is not None:
        raise DataError("--url and --file are two places. Give one of them.")
    source = SOURCES[name]
    from mien.datasets.download import shown_url

    return source, str(file) if file is not None else source.place if url is None else shown_url(url)


@checked()
def get(
    name: str,
    folder: Path | str = "data",
    *,
    url: str | None = None,
    file: Path | str | None = None,
    progress: Progress | None = None,
) -> Got:
    """Bring a published data set onto this machine, and compare its counts with the published ones.

    Read first, under `known_sources`, where it comes from and under which terms.

    Args:
        name: as `mien data get` lists it.
        folder: to put it in; made where needed.
        url: where to fetch it; None for its own place.
        file: a file, archive or folder that is here already; nothing is fetched then.
        progress: called with bytes fetched and bytes to be fetched.

    Raises:
        DataError: there is no such set, or it cannot be had.
        MissingExtraError: it comes from Kaggle, and the package kagglehub is missing.
    """
    source, _ = source_named(name, url=url, file=file)
    from mien.datasets.getting import check_copy, get_dataset

    path = get_dataset(source, Path(folder), url=url, file=None if file is None else Path(file), progress=progress)
    return Got(source, path, check_copy(source, path))

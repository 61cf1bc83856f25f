"""Reading a data set: picks the reader by looking at the path, and keeps what was read in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from mien.datasets.affectnet import affectnet_files, is_affectnet, read_affectnet
from mien.datasets.arrays import arrays_files, is_arrays, read_arrays
from mien.datasets.cache import (
    CacheEntryError,
    default_cache,
    entry_name,
    load_entry,
    save_entry,
)
from mien.datasets.ckplus import ck_plus_files, is_ck_plus, read_ck_plus
from mien.datasets.cleaning import apply_cleaning, read_cleaning
from mien.datasets.dataset import Dataset
from mien.datasets.expw import expw_files, is_expw, read_expw
from mien.datasets.fer2013 import read_csv
from mien.datasets.ferplus import read_with_votes, table_beside
from mien.datasets.folders import LabelFiles, Progress, list_folder, read_folder, read_zip
from mien.datasets.jaffe import is_jaffe, jaffe_files, read_jaffe
from mien.datasets.known import known_framing
from mien.datasets.manifest import MANIFEST_FILE, is_manifest, manifest_files, read_manifest
from mien.datasets.parquet import is_parquet, parquet_files, read_parquet
from mien.datasets.places import why_missing
from mien.datasets.rafdb import is_raf_db, raf_db_files, read_raf_db
from mien.datasets.samples import dataset_name
from mien.datasets.sources import SOURCES
from mien.datasets.spec import DataSpec, OnMismatch
from mien.errors import DataError, did_you_mean
from mien.files import hash_file, hash_listing
from mien.labels import LabelSet


@dataclass(frozen=True)
class Reader:
    """One form in which data sets are kept.

    Attributes:
        name: what a study file or a command calls it.
        recognises: the form, in words.
        matches: whether a path, which exists, looks like this form.
        content_hash: hash that changes with the content of such a path.
        read: reads such a path.
        takes_votes: whether FER+'s votes can be joined to it.
    """

    name: str
    recognises: str
    matches: Callable[[Path], bool]
    content_hash: Callable[[Path], str]
    read: Callable[[Path, DataSpec, Progress | None], Dataset]
    takes_votes: bool = False


class _ReadImages(Protocol):
    def __call__(
        self, path: Path, /, *, size: int | None, on_mismatch: OnMismatch, progress: Progress | None
    ) -> Dataset: ...


def _images(read: _ReadImages) -> Callable[[Path, DataSpec, Progress | None], Dataset]:
    """A reader whose only options are those of images."""

    def read_images(path: Path, spec: DataSpec, progress: Progress | None) -> Dataset:
        return read(path, size=spec.size, on_mismatch=spec.on_mismatch, progress=progress)

    return read_images


def _read_folder(path: Path, spec: DataSpec, progress: Progress | None) -> Dataset:
    return _with_any_votes(read_folder, path, spec, progress)


def _read_zip(path: Path, spec: DataSpec, progress: Progress | None) -> Dataset:
    return _with_any_votes(read_zip, path, spec, progress)


def _with_any_votes(read: Callable[..., Dataset], path: Path, spec: DataSpec, progress: Progress | None) -> Dataset:
    def read_at(size: int | None, label: LabelFiles | None = None) -> Dataset:
        return read(path, size=size, on_mismatch=spec.on_mismatch, progress=progress, label=label)

    if spec.votes is None:
        return read_at(spec.size)
    return read_with_votes(read_at, Path(spec.votes), size=spec.size, on_mismatch=spec.on_mismatch)


def _read_csv(path: Path, spec: DataSpec, progress: Progress | None) -> Dataset:
    votes = None if spec.votes is None else Path(spec.votes)
    return read_csv(path, size=spec.size, on_mismatch=spec.on_mismatch, votes=votes, progress=progress)


def _hash_manifest(path: Path) -> str:
    table = path / MANIFEST_FILE if path.is_dir() else path
    return hash_file(table) + hash_listing(table.parent, manifest_files(path))


def _hash_files(files: Callable[[Path], list[str]]) -> Callable[[Path], str]:
    """The hash of the files that a form consists of; of the bytes where it is a single file."""
    return lambda path: hash_listing(path, files(path)) if path.is_dir() else hash_file(path)


# The forms of single data sets look for more than the general ones, and so come before them.
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader(
            "manifest",
            "a .csv with the columns path and label, or a folder with such a table as manifest.csv",
            is_manifest,
            _hash_manifest,
            _images(read_manifest),
        ),
        Reader(
            "raf-db",
            "RAF-DB: a folder with EmoLabel/list_patition_label.txt and Image/aligned",
            is_raf_db,
            _hash_files(raf_db_files),
            _images(read_raf_db),
        ),
        Reader(
            "affectnet",
            "AffectNet: a folder with train_set and val_set, each with images and annotations",
            is_affectnet,
            _hash_files(affectnet_files),
            _images(read_affectnet),
        ),
        Reader(
            "ck-plus",
            "CK+: a folder with cohn-kanade-images and Emotion",
            is_ck_plus,
            _hash_files(ck_plus_files),
            _images(read_ck_plus),
        ),
        Reader(
            "jaffe",
            "JAFFE: a folder of images such as KA.AN1.39.tiff",
            is_jaffe,
            _hash_files(jaffe_files),
            _images(read_jaffe),
        ),
        Reader(
            "expw",
            "ExpW: a folder with label/label.lst and image/origin",
            is_expw,
            _hash_files(expw_files),
            _images(read_expw),
        ),
        Reader(
            "parquet",
            "a .parquet with the columns image and label, or a folder of such files",
            is_parquet,
            _hash_files(parquet_files),
            _images(read_parquet),
        ),
        Reader(
            "numpy",
            "an .npz with the arrays images and labels, or a folder with such arrays as .npy",
            is_arrays,
            _hash_files(arrays_files),
            _images(read_arrays),
        ),
        Reader(
            "folders",
            "a folder with one folder of images per expression, in any nesting",
            Path.is_dir,
            _hash_files(list_folder),
            _read_folder,
            takes_votes=True,
        ),
        Reader(
            "zip",
            "a .zip of such a folder, read in place",
            lambda path: path.suffix.lower() == ".zip",
            hash_file,
            _read_zip,
            takes_votes=True,
        ),
        Reader(
            "fer2013-csv",
            "a .csv or .csv.gz with the columns emotion, pixels and Usage",
            lambda path: path.name.lower().endswith((".csv", ".csv.gz")),
            hash_file,
            _read_csv,
            takes_votes=True,
        ),
    )
}


def read_dataset(
    data: DataSpec | str | Path,
    *,
    cache: Path | Literal["user"] | None = "user",
    progress: Progress | None = None,
    **keys: Any,
) -> Dataset:
    """Read a data set from disk, or draw one.

    Args:
        data: what is read and how; or a path alone, with the keys of `DataSpec` beside it. For drawn faces the path is
            the text "drawn", or "drawn:count=4000,size=48,seed=1,labels=six". Votes are joined to a table by row, to
            image files by name or by pixels (see `mien.datasets.ferplus`). The samples of a cleaning list are marked in
            `Dataset.left_out`: a protocol leaves them out, the data set keeps them.
        cache: the folder in which what was read is kept; "user" for the user's own cache, None for none.
        progress: called with what has been done and what is to be done, in a unit that the reader chooses.
        **keys: keys of `DataSpec`.

    Returns:
        The data set. Its images may be memory-mapped; what the reader noticed is in `notes` and `problems`.

    Raises:
        DataError: there is nothing there, or it is not a data set that mien can read, or the cleaning list is about
            another one.
    """
    spec = _found(DataSpec.of(data, **keys))
    dataset = _draw(spec, cache) if spec.drawn else _read(spec, cache, progress)
    framing = spec.framing or ("drawn" if spec.drawn else known_framing(dataset))
    dataset = dataset.annotated(framing=framing, spec=replace(spec, framing=framing).resolved(Path.cwd()))
    if spec.cleaning is None:
        return dataset
    # After the cache: an entry belongs to the content, and serves with any list and with none.
    cleaning = Path(spec.cleaning)
    return apply_cleaning(dataset, read_cleaning(cleaning), cleaning)


def _found(spec: DataSpec) -> DataSpec:
    """The description with the places of what is named but does not lie where we are."""
    there = spec.resolved(Path())
    path = there.path if not spec.drawn and _moved(spec.path, there.path) else spec.path
    votes = there.votes if spec.votes and there.votes and _moved(spec.votes, there.votes) else spec.votes
    return replace(spec, path=path, votes=votes)


def _moved(text: str, found: str) -> bool:
    return not Path(text).exists() and Path(found).exists()


def _read(spec: DataSpec, cache: Path | Literal["user"] | None, progress: Progress | None) -> Dataset:
    path = Path(spec.path)
    chosen = _choose(path, spec.reader)
    if spec.votes is not None and not chosen.takes_votes:
        raise _no_votes(spec)
    try:
        return _read_cached(
            lambda: chosen.read(path, spec, progress),
            lambda: {
                "reader": chosen.name,
                "content": chosen.content_hash(path),
                "size": spec.size,
                "on_mismatch": spec.on_mismatch,
                "votes": None if spec.votes is None else _hash_votes(Path(spec.votes)),
            },
            cache,
            name=dataset_name(path),
            source=str(path),
        )
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error


def _no_votes(spec: DataSpec) -> DataError:
    return DataError(f"Votes go with FER2013, as a table or as images. Received: votes={spec.votes} with {spec.path}.")


def _choose(path: Path, name: str | None) -> Reader:
    if not path.exists():
        raise DataError(why_missing(path))
    if name is not None:
        if name not in READERS:
            raise DataError(f"There is no reader {name!r}. {did_you_mean(name, READERS)}")
        return READERS[name]
    for reader in READERS.values():
        if reader.matches(path):
            return reader
    forms = "; ".join(f"{reader.name}: {reader.recognises}" for reader in READERS.values())
    raise DataError(f"{path} is not in a form that mien can read. Known forms: {forms}.")


def _read_cached(
    read: Callable[[], Dataset],
    settings: Callable[[], dict[str, Any]],
    cache: Path | Literal["user"] | None,
    *,
    name: str,
    source: str,
) -> Dataset:
    """What `read` gives, from the cache when it has an entry for `settings`: all that can change the outcome."""
    if cache is None:
        return read()
    notes: list[str] = []
    folder = default_cache() if cache == "user" else cache
    entry = folder / entry_name(settings())
    try:
        kept = load_entry(entry, name=name, source=source)
        if kept is not None:
            return kept
    except CacheEntryError:
        notes.append(f"the cache entry {entry.name} was damaged and has been made again")
    dataset = read()
    try:
        save_entry(entry, dataset)
    except OSError as error:
        notes.append(f"nothing was cached: {folder} cannot be written to ({error.strerror or error})")
    hashes, fingerprint = dataset.sample_hashes, dataset.fingerprint
    return replace(dataset, notes=(*dataset.notes, *notes)).with_known_hashes(hashes, fingerprint)


def _hash_votes(path: Path) -> str:
    if not path.is_file():
        raise DataError(why_missing(path) if path.name in SOURCES else f"There is no file {path} with votes.")
    beside = table_beside(path)
    return hash_file(path) + ("" if beside is None else hash_file(beside))


def _draw(spec: DataSpec, cache: Path | Literal["user"] | None) -> Dataset:
    from mien.datasets.synthetic import draw_faces

    text = spec.path
    if spec.votes is not None:
        raise _no_votes(spec)
    words = _drawn_settings(text)
    if spec.size is not None:
        words["size"] = str(spec.size)
    label_set = LabelSet.named(words.pop("labels"))
    numbers = {key: _whole_number(key, value, text) for key, value in words.items()}

    def draw() -> Dataset:
        drawn = draw_faces(numbers["count"], size=numbers["size"], seed=numbers["seed"], label_set=label_set)
        return replace(drawn, source=text)

    return _read_cached(
        draw,
        lambda: {"drawn": numbers, "labels": label_set.name, "code": _drawing_code()},
        cache,
        name="drawn",
        source=text,
    )


def _drawing_code() -> list[str]:
    """What decides how a face is drawn, so that faces in the cache are drawn again when the drawing changes."""
    import cv2

    folder = Path(__file__).parent
    files = [folder / "synthetic.py", *sorted(folder.glob("_face_*.py"))]
    return [cv2.__version__, *map(hash_file, files)]


def _drawn_settings(text: str) -> dict[str, str]:
    settings = {"count": "2000", "size": "48", "seed": "0", "labels": "seven"}
    for part in filter(None, text.removeprefix("drawn").removeprefix(":").split(",")):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in settings:
            raise DataError(f"{text!r} has no setting {key!r}. {did_you_mean(key, settings)}")
        settings[key] = value
    return settings


def _whole_number(key: str, value: str, text: str) -> int:
    if not value.isdecimal():
        raise DataError(f"{key} in {text!r} is a whole number. Received: {value!r}.")
    return int(value)

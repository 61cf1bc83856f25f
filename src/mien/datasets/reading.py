"""Reading a data set: picks the reader by looking at the path, and keeps what was read in the cache."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from mien.datasets.affectnet import affectnet_files, is_affectnet, read_affectnet
from mien.datasets.archives import is_archive, unpacked, zip_is_sorted
from mien.datasets.arrays import arrays_files, is_arrays, read_arrays
from mien.datasets.cache import (
    CacheEntryError,
    default_cache,
    entry_name,
    load_entry,
    save_entry,
)
from mien.datasets.ckplus import ck_plus_files, is_ck_plus, read_ck_plus
from mien.datasets.classes import parse_classes
from mien.datasets.cleaning import apply_cleaning, read_cleaning
from mien.datasets.combining import Part, combine, with_role
from mien.datasets.dataset import Dataset, Role
from mien.datasets.expw import expw_files, is_expw, read_expw
from mien.datasets.fer2013 import is_pixel_table, pixel_tables, read_csv
from mien.datasets.ferplus import read_with_votes, table_beside
from mien.datasets.folders import LabelFiles, Progress, list_folder, read_folder, read_zip
from mien.datasets.jaffe import is_jaffe, jaffe_files, read_jaffe
from mien.datasets.known import known_framing
from mien.datasets.manifest import MANIFEST_FILE, is_manifest, manifest_files, read_manifest
from mien.datasets.named_files import FERG, KDEF, NamedSet, is_named, read_named
from mien.datasets.other_forms import other_form
from mien.datasets.parquet import is_parquet, parquet_files, read_parquet
from mien.datasets.pixels import DecodedImage, stack_images
from mien.datasets.places import why_missing
from mien.datasets.rafdb import is_raf_db, raf_db_files, read_raf_db
from mien.datasets.samples import BRING_TO_SIZE, FaceCutter, ReadOptions, dataset_name
from mien.datasets.sources import SOURCES
from mien.datasets.spec import DataSpec
from mien.datasets.tables import TABLE_ENDINGS, read_columns
from mien.errors import DataError, MienError, did_you_mean
from mien.files import hash_file, hash_listing, parse_toml
from mien.framing import crop_rule_of
from mien.labels import LabelSet
from mien.others import OpenTable, told

# How faces that mien finds are cut out, where nothing else is said: as the models that come with it want them.
FOUND_FRAMING = "fer2013"
# A file of [data] keys, wherever a data set is taken: several sources under one name.
DATA_FILE_ENDING = ".toml"
_CROP_SIZE = 48


@dataclass(frozen=True)
class Reader:
    """One form in which data sets are kept.

    A package may add its own (entry point `mien.readers`), and so may a file; those are used where they are named.

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
    read: Callable[[Path, ReadOptions, Progress | None], Dataset]
    takes_votes: bool = False


def _read_folder(path: Path, options: ReadOptions, progress: Progress | None) -> Dataset:
    return _with_any_votes(read_folder, path, options, progress)


def _read_zip(path: Path, options: ReadOptions, progress: Progress | None) -> Dataset:
    return _with_any_votes(read_zip, path, options, progress)


def _with_any_votes(
    read: Callable[..., Dataset], path: Path, options: ReadOptions, progress: Progress | None
) -> Dataset:
    if options.votes is None:
        return read(path, options, progress)

    def read_at(size: int | None, label: LabelFiles) -> Dataset:
        return read(path, replace(options, size=size), progress, label=label)

    return read_with_votes(read_at, options.votes, size=options.size, on_mismatch=options.on_mismatch)


def _names(folder: Path, files: list[Path]) -> list[str]:
    return [str(file.relative_to(folder)) for file in files]


def _hash_files(files: Callable[[Path], list[str]]) -> Callable[[Path], str]:
    """The hash of the files that a form consists of; of the bytes where it is a single file."""
    return lambda path: hash_listing(path, files(path)) if path.is_dir() else hash_file(path)


def _read_named(named: NamedSet, path: Path, options: ReadOptions, progress: Progress | None) -> Dataset:
    return read_named(path, named, options, progress)


# The forms of single data sets look for more than the general ones, and so come before them.
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader(
            "raf-db",
            "RAF-DB: a folder with EmoLabel/list_patition_label.txt and Image/aligned",
            is_raf_db,
            _hash_files(raf_db_files),
            read_raf_db,
        ),
        Reader(
            "affectnet",
            "AffectNet: a folder with train_set and val_set, each with images and annotations, or with training.csv",
            is_affectnet,
            _hash_files(affectnet_files),
            read_affectnet,
        ),
        Reader(
            "ck-plus",
            "CK+: a folder with cohn-kanade-images and Emotion",
            is_ck_plus,
            _hash_files(ck_plus_files),
            read_ck_plus,
        ),
        Reader(
            "jaffe",
            "JAFFE: a folder of images such as KA.AN1.39.tiff",
            is_jaffe,
            _hash_files(jaffe_files),
            read_jaffe,
        ),
        *(
            Reader(
                named.name.lower(),
                f"{named.name}: a folder of images such as {named.example}",
                partial(is_named, named=named),
                _hash_files(list_folder),
                partial(_read_named, named),
            )
            for named in (KDEF, FERG)
        ),
        Reader(
            "expw",
            "ExpW: a folder with label/label.lst and image/origin",
            is_expw,
            _hash_files(expw_files),
            read_expw,
        ),
        Reader(
            "parquet",
            "a .parquet with the columns image and label, or a folder of such files at any depth",
            is_parquet,
            _hash_files(parquet_files),
            read_parquet,
        ),
        Reader(
            "numpy",
            "an .npz or HDF5 file with the arrays images and labels, or a folder with such arrays as .npy",
            is_arrays,
            _hash_files(arrays_files),
            read_arrays,
        ),
        Reader(
            "manifest",
            "a table (.csv, .tsv, .txt) with a column of paths and one of labels, or a folder with such tables",
            is_manifest,
            lambda path: hash_listing(path if path.is_dir() else path.parent, manifest_files(path)),
            read_manifest,
        ),
        Reader(
            "fer2013-csv",
            "a table with the columns emotion, pixels and Usage, plain or as .gz, or a folder of such tables",
            is_pixel_table,
            lambda path: hash_file(path) if path.is_file() else hash_listing(path, _names(path, pixel_tables(path))),
            read_csv,
            takes_votes=True,
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
            zip_is_sorted,
            hash_file,
            _read_zip,
            takes_votes=True,
        ),
    )
}


T = TypeVar("T")

OTHER_READERS = OpenTable("reader", "mien.readers", READERS, DataError)

# What a reader that takes a path alone cannot know of, with what stands for "nothing said".
_OF_OPTIONS = {"classes": None, "groups": "auto", "faces": "whole", "outside": False}


def find_reader(name: str) -> Reader:
    """The reader of a name.

    Args:
        name: of mien's own table; or what another package or a file brings (see `mien.others`): a `Reader`, or a
            function that takes a path, and perhaps the `ReadOptions`, and returns a `Dataset`.

    Raises:
        DataError: there is none; the message names the nearest, and what packages bring.
    """
    if name in READERS:
        OTHER_READERS.refuse_namesake(name)
        return READERS[name]
    pinned = OTHER_READERS.pinned(name)
    reader = OTHER_READERS.row(pinned, Reader)
    title = OTHER_READERS.title(name)
    if reader is None:
        return Reader(pinned, title, Path.exists, _hash_all, partial(_read_by_function, OTHER_READERS.load(pinned)))
    return replace(
        reader,
        name=pinned,
        matches=lambda path: bool(_called(lambda: reader.matches(path), title, path)),
        content_hash=lambda path: str(_called(lambda: reader.content_hash(path), title, path)),
        read=partial(_read_by_row, reader, title),
    )


def _hash_all(path: Path) -> str:
    """The hash of a file, or of whatever lies in a folder: what a reader of others looks at is not known."""
    if path.is_file():
        return hash_file(path)
    return hash_listing(path, sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()))


def _read_by_row(reader: Reader, title: str, path: Path, options: ReadOptions, progress: Progress | None) -> Dataset:
    return _by_others(lambda: reader.read(path, options, progress), title, path)


def _read_by_function(
    function: Callable[..., Any], path: Path, options: ReadOptions, progress: Progress | None
) -> Dataset:
    title = getattr(function, "__name__", "the reader")
    try:
        parameters = len(inspect.signature(function).parameters)
    except ValueError:  # of functions in C, few say what they take
        parameters = 1
    if parameters > 1:
        return _by_others(lambda: function(path, options), title, path)
    said = {"classes": options.classes, "groups": options.groups, "outside": options.outside}
    unheard = [key for key, value in said.items() if value != _OF_OPTIONS[key]] + ["faces"] * bool(options.framing)
    if unheard:
        raise DataError(
            f"{title} takes a path alone, so {', '.join(unheard)} cannot be said to it. Leave that out, or give the "
            "function a second parameter: it gets the mien.datasets.samples.ReadOptions."
        )
    return _sized(_by_others(lambda: function(path), title, path), options)


def _by_others(read: Callable[[], Any], title: str, path: Path) -> Dataset:
    """What code of others read, and that it is a data set."""
    dataset = _called(read, title, path)
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"{title} must return a mien.Dataset, as mien.Dataset.from_arrays makes one. Received: "
            f"{type(dataset).__name__}."
        )
    return replace(dataset, name=dataset_name(path), source=str(path))


def _called(call: Callable[[], T], title: str, path: Path) -> T:
    """What code of others gives for a path; what it raises, and where it ends the program, is a refusal."""
    try:
        return call()
    except MienError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{title} cannot read {path}: {told(error)}") from error


def _sized(dataset: Dataset, options: ReadOptions) -> Dataset:
    """The data set with images of the side that was asked for."""
    if options.size is None or dataset.size == (options.size, options.size):
        return dataset
    images, notes = stack_images(
        [DecodedImage(np.asarray(image)) for image in dataset.images],
        dataset.ids.tolist(),
        name=dataset.name,
        size=options.size,
        on_mismatch=options.on_mismatch,
        channels=dataset.channels,
    )
    return replace(dataset, images=images, notes=(*dataset.notes, *notes))


def read_dataset(
    data: DataSpec | str | Path,
    *,
    cache: Path | Literal["user"] | None = "user",
    progress: Progress | None = None,
    framer: FaceCutter | None = None,
    **keys: Any,
) -> Dataset:
    """Read a data set from disk, or draw one.

    Args:
        data: what is read and how; or a path alone, with the keys of `DataSpec` beside it. A .toml is a data file: the
            keys of [data], several sources among them. For drawn faces the path is
            the text "drawn", or "drawn:count=4000,size=48,seed=1,labels=six". Votes are joined to a table by row, to
            image files by name or by pixels (see `mien.datasets.ferplus`). The samples of a cleaning list are marked in
            `Dataset.left_out`: a protocol leaves them out, the data set keeps them.
        cache: the folder in which what was read is kept; "user" for the user's own cache, None for none.
        progress: called with what has been done and what is to be done, in a unit that the reader chooses.
        framer: cuts the faces out where `DataSpec.faces` is "find"; None for mien's own framing.
        **keys: keys of `DataSpec`.

    Returns:
        The data set. Its images may be memory-mapped; what the reader noticed is in `notes` and `problems`.

    Raises:
        DataError: there is nothing there, or it is not a data set that mien can read, or the cleaning list is about
            another one.
    """
    spec = _opened(DataSpec.of(data, **keys))
    _refuse_circles(spec, ())
    if spec.sources:
        return _combined(spec, cache, progress, framer)
    spec = _found(spec)
    dataset = _draw(spec, cache) if spec.drawn else _read(spec, cache, progress, framer)
    cut = FOUND_FRAMING if spec.faces == "find" else None
    framing = spec.framing or cut or ("drawn" if spec.drawn else known_framing(dataset))
    dataset = dataset.annotated(framing=framing, spec=replace(spec, framing=framing).resolved(Path.cwd()))
    dataset = with_role(dataset, None if spec.role is None else Role(spec.role))
    if spec.cleaning is None:
        return dataset
    # After the cache: an entry belongs to the content, and serves with any list and with none.
    cleaning = Path(spec.cleaning)
    return apply_cleaning(dataset, read_cleaning(cleaning), cleaning)


def as_dataset(data: Dataset | DataSpec | str | Path, **keys: Any) -> Dataset:
    """A data set as it is, or what `read_dataset` reads of anything else.

    Raises:
        DataError: it cannot be read; or it is read already, and there are keys that would have no effect.
    """
    if isinstance(data, Dataset):
        refuse_keys(data, keys)
        return data
    return read_dataset(data, **keys)


def refuse_keys(dataset: Dataset, keys: Iterable[str]) -> None:
    """Refuse what a caller of Python said beside a data set that is in memory, and that nothing would follow.

    Raises:
        DataError: there are keys.
    """
    if unused := list(keys):
        raise DataError(
            f"There is no argument {', '.join(map(repr, unused))} where the data are in memory already, as "
            f"{dataset.name} is. What says how data are read goes to mien.read; any other has no meaning here."
        )


def read_data_file(path: Path) -> DataSpec:
    """The description in a data file: the keys of a study file's [data], with paths relative to the file.

    Raises:
        DataError: it cannot be read or says something impossible.
    """
    from mien.study.settings import parse

    try:
        values = parse_toml(path.read_text(encoding="utf-8"))
        if set(values) == {"data"}:
            values = values["data"]
        return parse(DataSpec, values).resolved(path.resolve().parent)
    except (OSError, ValueError) as error:
        raise DataError(f"The data file {path} cannot be read: {error}.") from error
    except MienError as error:
        raise DataError(f"{path}: {error}") from error


def _opened(spec: DataSpec) -> DataSpec:
    """What a data file says, where the path names one; else the description itself."""
    if not _is_data_file(spec.path):
        return spec
    usual = {item.name: item.default for item in fields(DataSpec)}
    said = {key: value for key in usual if key != "path" and (value := getattr(spec, key)) != usual[key]}
    return replace(read_data_file(Path(spec.path)), **said)


def _refuse_circles(spec: DataSpec, above: tuple[Path, ...]) -> None:
    """Raise where a data file names itself, be it through others: to read it would never end."""
    if _is_data_file(spec.path):
        raise DataError(f"The path of a data file is a data set, and not a data file again. Received: {spec.path}.")
    for source in spec.sources:
        path = Path(source.path).resolve()
        if path in above:
            names = " names ".join(file.name for file in (*above[above.index(path) :], path))
            raise DataError(f"A data file cannot be among its own sources: {names}. Name the data sets themselves.")
        if _is_data_file(source.path):
            _refuse_circles(read_data_file(path), (*above, path))


def _is_data_file(path: str) -> bool:
    return path.lower().endswith(DATA_FILE_ENDING) and Path(path).is_file()


def _combined(
    spec: DataSpec, cache: Path | Literal["user"] | None, progress: Progress | None, framer: FaceCutter | None
) -> Dataset:
    """Several sources as one data set, their images of the size that the first has."""
    parts: list[Part] = []
    for source in spec.parts:
        size = source.size if source.size is not None or not parts else _side(parts[0].dataset)
        dataset = read_dataset(replace(source, size=size, role=None), cache=cache, progress=progress, framer=framer)
        parts.append(Part(dataset, None if source.role is None else Role(source.role)))
    dataset = combine(parts)
    described = replace(spec, framing=spec.framing or dataset.framing).resolved(Path.cwd())
    dataset = dataset.annotated(framing=described.framing, spec=described)
    if spec.cleaning is None:
        return dataset
    cleaning = Path(spec.cleaning)
    return apply_cleaning(dataset, read_cleaning(cleaning), cleaning)


def _side(dataset: Dataset) -> int:
    height, width = dataset.size
    if height != width:
        raise DataError(
            f"The images of {dataset.name} are not square ({width}x{height}), and those of several sources are brought "
            f"to one size. {BRING_TO_SIZE}"
        )
    return height


def _found(spec: DataSpec) -> DataSpec:
    """The description with the places of what is named but does not lie where we are."""
    there = spec.resolved(Path())
    path = there.path if not spec.drawn and _moved(spec.path, there.path) else spec.path
    votes = there.votes if spec.votes and there.votes and _moved(spec.votes, there.votes) else spec.votes
    return replace(spec, path=path, votes=votes)


def _moved(text: str, found: str) -> bool:
    return not Path(text).exists() and Path(found).exists()


def _read(
    spec: DataSpec, cache: Path | Literal["user"] | None, progress: Progress | None, framer: FaceCutter | None
) -> Dataset:
    path = Path(spec.path)
    if not path.exists():
        raise DataError(why_missing(path))
    options = ReadOptions(
        size=spec.size,
        on_mismatch=spec.on_mismatch,
        channels=spec.channels or "gray",
        votes=None if spec.votes is None else Path(spec.votes),
        classes=None if spec.classes is None else parse_classes(spec.classes),
        groups=spec.groups,
        framing=framer or _framing(spec),
        outside=spec.outside,
    )
    named = None if spec.reader is None else find_reader(spec.reader)
    packed = (
        is_archive(path)
        and (named is None or not named.matches(path))
        and not (named is None and any(reader.matches(path) for reader in READERS.values()))
    )
    chosen = None if packed else _choose(path, named)
    used = chosen or named
    if spec.votes is not None and chosen is not None and not chosen.takes_votes:
        raise _no_votes(spec)

    def read() -> Dataset:
        if chosen is not None:
            return chosen.read(path, options, progress).in_channels(options.channels)
        with unpacked(path) as folder:
            try:
                inside = _choose(folder, named)
                if spec.votes is not None and not inside.takes_votes:
                    raise _no_votes(spec)
                dataset = inside.read(folder, options, progress).in_channels(options.channels)
            except DataError as error:
                if str(folder) not in str(error):
                    raise
                # Where it was unpacked is gone when the message is read.
                raise type(error)(str(error).replace(str(folder), str(path))) from error
            return replace(dataset, name=dataset_name(path), source=str(path))

    def settings() -> dict[str, Any]:
        return {
            "reader": None if used is None else OTHER_READERS.identity(used.name),
            "content": hash_file(path) if chosen is None else chosen.content_hash(path),
            "size": spec.size,
            "on_mismatch": spec.on_mismatch,
            "votes": None if spec.votes is None else _hash_votes(Path(spec.votes)),
            "classes": spec.classes,
            "groups": spec.groups,
            "framing": None if options.framing is None else options.framing.key,
            "outside": spec.outside,
            # Entries of before are of gray images, and serve on.
            **({} if options.channels == "gray" else {"channels": options.channels}),
        }

    try:
        return _read_cached(read, settings, cache, name=dataset_name(path), source=str(path))
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error


def _framing(spec: DataSpec) -> FaceCutter | None:
    if spec.faces == "whole":
        return None
    from mien.datasets.framing import Framer

    rule = crop_rule_of(spec.framing or FOUND_FRAMING, spec.size or _CROP_SIZE, spec.channels or "gray")
    return None if rule is None else Framer(rule=rule)


def _no_votes(spec: DataSpec) -> DataError:
    return DataError(f"Votes go with FER2013, as a table or as images. Received: votes={spec.votes} with {spec.path}.")


def _choose(path: Path, named: Reader | None) -> Reader:
    if named is not None:
        return named
    if (path / MANIFEST_FILE).is_file():
        return READERS["manifest"]
    for reader in READERS.values():
        if reader.matches(path):
            return reader
    if (way := other_form(path.name)) is not None:
        raise DataError(f"{path}: {way}")
    if path.name.lower().endswith(TABLE_ENDINGS):
        return READERS["manifest"] if _names_images(path) else READERS["fer2013-csv"]
    forms = "; ".join(f"{reader.name}: {reader.recognises}" for reader in READERS.values())
    others = ", ".join(f"{name} ({where})" for name, where in OTHER_READERS.others().items())
    raise DataError(
        f"{path} is not in a form that mien can read. Known forms: {forms}. A reader of your own is named by its file, "
        f"reader = 'file.py:function'{f'; of other packages there are: {others}' if others else ''}."
    )


def _names_images(path: Path) -> bool:
    """Whether a table without labels or without images has a column of paths: for the message that fits."""
    columns = read_columns(path)
    return columns is not None and columns.holds_paths


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
    unheard = [key for key in ("classes", "reader") if getattr(spec, key) is not None]
    unheard += ["faces"] * (spec.faces != "whole")
    words = _drawn_settings(text)
    if spec.size is not None:
        words["size"] = str(spec.size)
    label_set = LabelSet.named(words.pop("labels"))
    numbers = {key: _whole_number(key, value, text) for key, value in words.items()}

    def draw() -> Dataset:
        drawn = draw_faces(numbers["count"], size=numbers["size"], seed=numbers["seed"], label_set=label_set)
        return replace(drawn, source=text)

    dataset = _read_cached(
        draw,
        lambda: {"drawn": numbers, "labels": label_set.name, "code": _drawing_code()},
        cache,
        name="drawn",
        source=text,
    )
    dataset = dataset.annotated(
        notes=(f"drawn faces are as they are: {', '.join(unheard)} says nothing of them",) if unheard else ()
    )
    return dataset.in_channels(spec.channels or "gray")


def _drawing_code() -> list[str]:
    """What decides how a face is drawn, so that faces in the cache are drawn again when the drawing changes."""
    import cv2

    folder = Path(__file__).parent
    files = [folder / "synthetic.py", *sorted(folder.glob("_face_*.py"))]
    return [cv2.__version__, *map(hash_file, files)]


def _drawn_settings(text: str) -> dict[str, str]:
    settings = {"count": "2000", "size": "48", "seed": "0", "labels": "seven"}
    said: dict[str, str] = {}
    for part in filter(None, text.removeprefix("drawn").removeprefix(":").split(",")):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in settings:
            raise DataError(f"{text!r} has no setting {key!r}. {did_you_mean(key, settings)}")
        if key in said:
            raise DataError(f"{text!r} says {key} twice. Expected it once.")
        said[key] = value
    return settings | said


def _whole_number(key: str, value: str, text: str) -> int:
    if not value.isdecimal() or len(value) > 9:
        raise DataError(f"{key} in {text!r} is a whole number. Received: {value!r}.")
    return int(value)

"""Face crops without labels, or with labels that are not looked at: what a model shall name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.channels import Channels
from mien.datasets.arrays import is_arrays, is_folder_of_arrays, unlabelled_arrays
from mien.datasets.dataset import Problem
from mien.datasets.fer2013 import RowError, parse_pixels, pixel_text
from mien.datasets.folders import decode_files, read_below
from mien.datasets.manifest import locate, refuse_outside
from mien.datasets.pixels import DecodedImage
from mien.datasets.reading import read_dataset
from mien.datasets.samples import ReadOptions, Sample
from mien.datasets.tables import Columns, is_table, open_table
from mien.errors import DataError


def read_crops(path: Path, channels: Channels = "gray") -> Iterator[tuple[str, DecodedImage | Problem]]:
    """The images of a table, of arrays, or of any data set that mien reads, in order; labels do not count.

    Args:
        path: a table with a column of pixels or of paths; an .npz, .npy or HDF5 file with images; or what
            `read_dataset` takes.
        channels: what the images are wanted in; those that are gray stay gray.

    Yields:
        The name of an image, and the image or why it cannot be read.

    Raises:
        DataError: it holds no images that mien can read.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    if is_table(path):
        with open_table(path) as (columns, rows):
            if columns.holds_pixels:
                yield from _pixel_rows(columns, rows)
                return
            if columns.holds_paths:
                yield from _named_files(path, columns, rows, channels)
                return
    if is_arrays(path) or path.suffix.lower() in (".npz", ".npy") or is_folder_of_arrays(path):
        yield from unlabelled_arrays(path, channels)
        return
    dataset = read_dataset(path, channels=channels)
    for name, image in zip(dataset.ids.tolist(), dataset.images, strict=True):
        yield name, DecodedImage(np.asarray(image))


def _pixel_rows(columns: Columns, rows: Iterator[list[str]]) -> Iterator[tuple[str, DecodedImage | Problem]]:
    for number, cells in enumerate(rows, start=1):
        name = columns.cell(cells, "id") or f"row {number}"
        try:
            yield name, DecodedImage(parse_pixels(pixel_text(columns, cells)))
        except (RowError, IndexError) as error:
            reason = str(error) if isinstance(error, RowError) else f"It has {len(cells)} cells, and no pixels."
            yield name, Problem(name, reason)


def _named_files(
    path: Path, columns: Columns, rows: Iterator[list[str]], channels: Channels
) -> Iterator[tuple[str, DecodedImage | Problem]]:
    """The image files that a table names, beside it or where images usually lie."""
    samples = [
        Sample(columns.cell(cells, "path"), columns.cell(cells, "label"), columns.cell(cells, "role")) for cells in rows
    ]
    names = [sample.id for sample in samples]
    paths, _ = locate(path.parent, names, samples, path.name.partition(".")[0])
    refuse_outside(path.parent, paths, path)
    options = ReadOptions(channels=channels)
    yield from zip(names, decode_files(paths, read_below(path.parent), None, options), strict=True)

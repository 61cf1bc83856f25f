"""Face crops without labels, or with labels that are not looked at: what a model shall name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.datasets.arrays import is_arrays, unlabelled_arrays
from mien.datasets.dataset import Problem
from mien.datasets.fer2013 import RowError, parse_pixels, pixel_text
from mien.datasets.pixels import GrayImage
from mien.datasets.reading import read_dataset
from mien.datasets.tables import is_table, open_table
from mien.errors import DataError


def read_crops(path: Path) -> Iterator[tuple[str, GrayImage | Problem]]:
    """The images of a table of pixels, of arrays, or of any data set that mien reads, in order; labels do not count.

    Args:
        path: a table with a column of pixels; an .npz or HDF5 file with images; or what `read_dataset` takes.

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
                for number, cells in enumerate(rows, start=1):
                    name = columns.cell(cells, "id") or f"row {number}"
                    try:
                        yield name, GrayImage(parse_pixels(pixel_text(columns, cells)))
                    except (RowError, IndexError) as error:
                        reason = str(error) if isinstance(error, RowError) else f"It has {len(cells)} cells only."
                        yield name, Problem(name, reason)
                return
    if is_arrays(path) or path.suffix.lower() == ".npz":
        yield from unlabelled_arrays(path)
        return
    dataset = read_dataset(path)
    for name, image in zip(dataset.ids.tolist(), dataset.images, strict=True):
        yield name, GrayImage(np.asarray(image))

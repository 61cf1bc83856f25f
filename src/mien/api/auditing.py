"""What is wrong with a data set, before figures are made with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien.datasets.audit.run import Audit, audit_dataset
from mien.datasets.dataset import Dataset
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec


def audit(data: Dataset | DataSpec | Path | str, **keys: Any) -> Audit:
    """Look for what makes figures wrong: copies across roles, wrong labels, mixed-up roles and classes, empty images.

    Args:
        data: a data set, or what `read_dataset` takes.
        **keys: keys of `DataSpec`, where `data` is a path.

    Raises:
        DataError: the data cannot be read.
    """
    return audit_dataset(data if isinstance(data, Dataset) else read_dataset(data, **keys))

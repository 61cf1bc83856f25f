"""Forms that mien does not read, and the way from each to one that it does."""

from __future__ import annotations

import re

_ARRAYS = "numpy.savez(file, images=…, labels=…)"
_TABLE = "a .csv with the columns path and label"

# What a file is by the end of its name, and the way out.
_FORMS = {
    r"\.(pkl|pickle|joblib)": f"it is pickled: reading it can run code, and mien never does. Save it with {_ARRAYS}.",
    r"\.tfrecords?([-.].*)?": f"mien reads no TFRecord. Read it with tf.data once and save it with {_ARRAYS}.",
    r"\.mat": f"mien reads no MATLAB file. Read it with scipy.io.loadmat and save it with {_ARRAYS}.",
    r"\.(pt|pth)": f"it is pickled by PyTorch: reading it can run code, and mien never does. Save it with {_ARRAYS}.",
    r"\.(xlsx?|ods)": f"mien reads no spreadsheet. Save it as {_TABLE} (or pixels and label).",
    r"\.jsonl?": f"mien reads no JSON. Write file names and labels as {_TABLE}; cut out faces that are given as boxes.",
    r"\.xml": f"mien reads no XML. Write file names and labels as {_TABLE}; cut out faces that are given as boxes.",
    r"\.(arff|feather|arrow|db|sqlite3?|lmdb|mdb)": f"mien does not read this. Save it as {_TABLE}, or with {_ARRAYS}.",
    r"\.(rar|7z|xz|zst)": "mien opens .zip and .tar.gz. Unpack it and give the folder.",
    r"\.(mp4|avi|mov|mkv|webm)": "it is a film, and mien reads images. Save its frames in a folder per expression.",
}


def other_form(name: str) -> str | None:
    """What is to be done with a file that mien does not read, as sentences that begin small; None for other files.

    >>> other_form("faces.rar")
    'mien opens .zip and .tar.gz. Unpack it and give the folder.'
    """
    return next((way for ending, way in _FORMS.items() if re.search(f"{ending}$", name, re.I)), None)

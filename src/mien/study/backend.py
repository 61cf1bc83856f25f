"""Which of Keras' backends would train here, found without importing any of them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mien.errors import MissingExtraError


def find_backend() -> str | None:
    """The backend that training would use: the user's, else TensorFlow if it is installed, else JAX.

    The user's word is the variable KERAS_BACKEND or the file keras.json in KERAS_HOME (by default ~/.keras).

    Returns:
        Its name; None when keras.json decides.

    Raises:
        MissingExtraError: Keras is not installed, or no backend is.
    """
    if not _installed("keras"):
        raise MissingExtraError("Training", "train")
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    home = os.environ.get("KERAS_HOME")
    if ((Path(home) if home else Path.home() / ".keras") / "keras.json").is_file():
        return None
    for backend in ("tensorflow", "jax"):
        if _installed(backend):
            return backend
    raise MissingExtraError("Training", "train")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None

"""Which of Keras' backends would train here, found without importing any of them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mien.errors import MissingExtraError
from mien.files import parse_json


def find_backend() -> str | None:
    """The backend that training would use: the user's, else TensorFlow if it is installed, else JAX.

    The user's word is the variable KERAS_BACKEND or the file keras.json in KERAS_HOME (by default ~/.keras).

    Returns:
        Its name; None where keras.json names none, and Keras decides.

    Raises:
        MissingExtraError: Keras is not installed, or no backend is.
    """
    if not _installed("keras"):
        raise MissingExtraError("Training", "train")
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    home = os.environ.get("KERAS_HOME")
    configured = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    if configured.is_file():
        return _named_in(configured)
    for backend in ("tensorflow", "jax"):
        if _installed(backend):
            return backend
    raise MissingExtraError("Training", "train")


def _named_in(configured: Path) -> str | None:
    """The backend that keras.json names: Keras writes that file where it is imported first, so most users have it."""
    try:
        values = parse_json(configured.read_bytes())
    except (OSError, ValueError):
        return None
    name = values.get("backend") if isinstance(values, dict) else None
    return name if isinstance(name, str) else None


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None

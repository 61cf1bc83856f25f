"""mien reads facial expressions in still images, and compares the networks that do.

    from mien import Recognizer
    result = Recognizer().recognize("photo.jpg")

Labels are what people would call a face, not what someone feels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.inference.recognizer import Recognizer

__all__ = ["Recognizer"]


def __getattr__(name: str) -> Any:
    # Importing mien must cost nothing: what is heavy comes when it is asked for (PEP 562).
    if name == "Recognizer":
        from mien.inference.recognizer import Recognizer

        return Recognizer
    raise AttributeError(f"module 'mien' has no attribute {name!r}")

"""Numbers in words for people."""

from __future__ import annotations


def count_text(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count_text(1, "epoch"), count_text(1200, "epoch")
    ('1 epoch', '1,200 epochs')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

"""Faces whose label nothing but their colour tells: in gray, the classes look alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets.synthetic import draw_faces
from mien.images import png_bytes
from mien.labels import SEVEN

LABELS = ("anger", "happiness", "neutral")
# Red, green and blue of 0.299 R + 0.587 G + 0.114 B = 0: what they are added to has the same gray.
TINTS = np.array([[50.0, -25.47, 0.0], [-50.0, 25.47, 0.0], [0.0, -9.71, 50.0]])


def colour_faces(count: int, size: int = 32, seed: int = 0) -> tuple[NDArray[np.uint8], list[str]]:
    """Drawn faces of any expression, tinted by their label.

    Returns:
        Images, shape (count, size, size, 3), uint8, RGB, and their labels, each as often as the others.
    """
    gray = draw_faces(count, size=size, seed=seed, label_set=SEVEN).images
    numbers = np.random.default_rng(seed).permutation(np.arange(count) % len(LABELS))
    middle = 60 + gray[..., np.newaxis] * (135 / 255)
    images = np.clip(np.rint(middle + TINTS[numbers][:, np.newaxis, np.newaxis]), 0, 255).astype(np.uint8)
    return images, [LABELS[number] for number in numbers]


def write_folder(folder: Path, images: NDArray[np.uint8], labels: list[str]) -> Path:
    """The images as PNG, a folder for each label."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number:04d}.png").write_bytes(png_bytes(image, small=False))
    return folder

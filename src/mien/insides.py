"""What a network makes of a face, as plain arrays: computed where Keras is, drawn where it is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FirstFilters:
    """The filters of the first convolution that looks at more than single pixels.

    Attributes:
        layer: name of its layer.
        kernels: shape (F, h, w), float32, summed over the input channels: these hold the same gray face.
    """

    layer: str
    kernels: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StageMaps:
    """Some of the maps that leave a stage.

    Attributes:
        channels: how many there are in all.
        shown: the channels' numbers, from 0; those whose values differ most between places come first.
        maps: shape (M, h, w), float32.
    """

    channels: int
    shown: tuple[int, ...]
    maps: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PreprocessingStep:
    """A face after one step of the preprocessing.

    Attributes:
        name: of the step's layer; "faces" for the face as it comes.
        image: shape (h, w), float32; where a step gives the channels different values, their mean.
    """

    name: str
    image: NDArray[np.float32]

    @property
    def neighbour_correlation(self) -> float:
        """Correlation of pixels with their neighbours on the right, -1 to 1; NaN for an image of one value."""
        left, right = self.image[:, :-1].ravel(), self.image[:, 1:].ravel()
        if left.std() == 0 or right.std() == 0:
            return float("nan")
        return float(np.corrcoef(left, right)[0, 1])

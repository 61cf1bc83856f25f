"""Images that teach nothing: unreadable, constant, flat, without a face, or tiny."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mien.channels import images_in_channels
from mien.datasets.audit.findings import Finding, Gravity, plural
from mien.datasets.audit.view import View
from mien.datasets.audit.votes import no_face_mask
from mien.datasets.dataset import Dataset

_TINY = 0.5  # share of the data set's side below which an enlarged image shows too little
_LOW_CONTRAST = 4.0  # standard deviation in gray levels
# Certainty of the face detector below which nothing looks like a face; docs/decisions/0005-images-without-a-face.md.
_NO_FACE_SEEN = 0.1


def check_unreadable(view: View) -> Iterator[Finding]:
    """What the reader listed as not to be used."""
    problems = view.dataset.problems
    if problems:
        yield Finding(
            check="unreadable",
            severity=Gravity.CAUTION,
            title=f"{plural(len(problems), 'file or row', 'files or rows')} could not be used",
            text="They are left out. Many of them point to a download that was cut off.",
            count=len(problems),
            names=tuple(f"{problem.name}: {problem.reason}" for problem in problems),
        )


def check_flat(view: View) -> Iterator[Finding]:
    """Constant images, and those with hardly any contrast."""
    spread = _spread(view.dataset)
    for check, positions, what, severity in (
        ("constant", np.flatnonzero(spread == 0), "of one gray level throughout", Gravity.FAULT),
        ("low-contrast", np.flatnonzero((spread > 0) & (spread < _LOW_CONTRAST)), "almost flat", Gravity.CAUTION),
    ):
        if len(positions):
            yield Finding(
                check=check,
                severity=severity,
                title=f"{plural(len(positions), 'image is', 'images are')} {what}",
                text="They show no face, and whatever label they have teaches nothing."
                if check == "constant"
                else f"Their gray levels spread by less than {_LOW_CONTRAST:g}. Look whether there is a face in them.",
                count=len(positions),
                samples=tuple((int(position),) for position in positions),
            )


def check_face_seen(view: View) -> Iterator[Finding]:
    """Images in which a face detector sees nothing like a face."""
    if view.face_certainty is None:
        return
    # Constant images, and those that the taggers call no face, have findings of their own.
    known = (_spread(view.dataset) == 0) | no_face_mask(view.dataset)
    unseen = np.flatnonzero((view.face_certainty < _NO_FACE_SEEN) & ~known)
    if len(unseen):
        ranked = unseen[np.argsort(view.face_certainty[unseen], kind="stable")]
        yield Finding(
            check="no-face-seen",
            severity=Gravity.CAUTION,
            title=f"{plural(len(unseen), 'image shows', 'images show')} no face, as far as a face detector sees",
            text="Look at them, and put what shows no face on the cleaning list by hand. On FER2013 63 of 67 such "
            "images were no face to the taggers either, which is two in five of all that are none.",
            count=len(ranked),
            samples=tuple((int(position),) for position in ranked),
        )


def check_tiny(view: View) -> Iterator[Finding]:
    """Images that were enlarged to more than twice their size."""
    sizes = view.dataset.source_sizes
    if sizes is None:
        return
    height, width = view.dataset.size
    tiny = np.flatnonzero((sizes[:, 0] < _TINY * height) | (sizes[:, 1] < _TINY * width))
    if len(tiny):
        least = sizes[tiny].min(axis=0)
        yield Finding(
            check="tiny",
            severity=Gravity.CAUTION,
            title=f"{plural(len(tiny), 'image was', 'images were')} enlarged to more than twice the size, from as "
            f"little as {least[1]}x{least[0]} pixels",
            text=f"Brought to {width}x{height} pixels they are blurred, and a network may learn the blur of a class "
            "instead of its expression.",
            count=len(tiny),
            samples=tuple((int(position),) for position in tiny),
        )


def constant_images(dataset: Dataset) -> NDArray[np.int64]:
    """Positions of the images of one gray level."""
    return np.flatnonzero(_spread(dataset) == 0)


def _spread(dataset: Dataset) -> NDArray[np.float64]:
    """Shape (N,): the standard deviation of each image's pixels, in gray levels."""
    spread = np.empty(len(dataset))
    for start in range(0, len(dataset), 1024):
        block = images_in_channels(np.asarray(dataset.images[start : start + 1024]), "gray")
        spread[start : start + 1024] = block.reshape(len(block), -1).std(axis=1, dtype=np.float32)
    return spread

"""The networks that can be trained: what is known of them, their diagram, and what they make of a face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.arguments import checked
from mien.channels import Channels, channels_of_input
from mien.errors import MissingExtraError, NetworkError, ReportError
from mien.files import written_whole
from mien.framing import CropRule
from mien.inference.contracts import CONTRACTS
from mien.labels import SEVEN
from mien.study.backbones import BACKBONES, backbone, list_backbones
from mien.study.recipe import PreprocessingSpec, Recipe
from mien.study.record import NETWORK_FILE, RunRecord
from mien.study.store import find_run

SUFFIXES = (".svg", ".png")


@dataclass(frozen=True, eq=False)
class NetworkPicture:
    """A drawing of a network.

    Attributes:
        name: what it shows, in a word.
        figure: the drawing, a figure of matplotlib.
    """

    name: str
    figure: Any

    def save(self, path: Path | str) -> Path:
        """Write it as SVG or PNG, by the path's ending. Returns the path.

        Raises:
            ReportError: it ends in neither, or cannot be written.
        """
        from mien.report.figures import render_png, render_svg

        path = Path(path)
        check_ending(path)
        png = path.suffix.lower() == ".png"
        content = render_png(self.figure) if png else render_svg(self.figure, path.stem).encode("utf-8")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                file.write(content)
        except OSError as error:
            raise ReportError(
                f"{path} cannot be written: {error.strerror or error}. Name another with --output."
            ) from error
        return path


def check_ending(path: Path) -> None:
    """Raise ReportError where a path ends in neither .svg nor .png."""
    if path.suffix.lower() not in SUFFIXES:
        raise ReportError(f"A diagram is a .svg or a .png file. Received: --output {path}.")


def backbone_rows(*, left_out: Callable[[str, str], None] = lambda name, reason: None) -> list[dict[str, Any]]:
    """What is known of each backbone, of mien and of the packages that are installed, a mapping each.

    Args:
        left_out: is told the name of each backbone that cannot be loaded, and why.
    """
    shown = (
        "title",
        "minimum_size",
        "default_size",
        "parameters",
        "depth",
        "norm_layers",
        "norm_decay",
        "norm_epsilon",
        "licence",
        "channels",
    )
    listed = list_backbones()
    for name, reason in listed.refused.items():
        left_out(name, reason)
    return [
        {
            "name": name,
            **{key: getattr(row, key) for key in shown},
            "from": listed.origins.get(name, "mien"),
            "fails_on": dict(row.fails_on),
        }
        for name, row in listed.rows.items()
    ]


def contract_rows() -> list[dict[str, Any]]:
    """What is known of others' expression models, a mapping each: names for `mien.wrap(contract=...)`, with sources."""
    return [contract.to_json() for contract in CONTRACTS.values()]


@checked()
def draw_network(name: str, size: int | None = None) -> NetworkPicture:
    """Draw a backbone by stages and blocks, with the parameters and multiply-adds of each stage.

    The diagram is made from the network's own graph, so the network is built for it, with random weights.

    Args:
        name: of the backbone, as `mien models list` shows it; or "file.py:function".
        size: side of the input, in pixels; None for the backbone's usual one.

    Raises:
        NetworkError: there is no such backbone, or it cannot be built at that size.
        MissingExtraError: Keras or matplotlib is not installed.
    """
    from mien.report.diagrams import DiagramData, draw_diagram
    from mien.training.backend import choose_backend

    _check_matplotlib()
    row = backbone(name)
    choose_backend()
    from mien.training.network import build_backbone
    from mien.training.structure import network_structure

    side = size or row.default_size
    structure = network_structure(build_backbone(row, (side, side, row.channels)))
    return NetworkPicture(name.rpartition(":")[2], draw_diagram(DiagramData(row.title, structure)))


def draw_networks(
    size: int | None = None, *, left_out: Callable[[str, str], None] = lambda name, reason: None
) -> Iterator[NetworkPicture]:
    """Draw every backbone that can be built here, one after another; see `draw_network`.

    Args:
        size: side of the input, in pixels; None for each backbone's usual one.
        left_out: is told the name of each backbone that is left out, and why.
    """
    from mien.training.backend import backend_name, choose_backend

    choose_backend()
    for name, row in BACKBONES.items():
        reason = dict(row.fails_on).get(backend_name())
        if reason is None and size is not None and size < row.minimum_size:
            reason = f"it needs images of at least {row.minimum_size} pixels a side"
        if reason is None:
            yield draw_network(name, size)
        else:
            left_out(name, reason)


@checked()
def show_network(
    source: Path | str,
    photo: Path | None = None,
    *,
    weights: str = "none",
    note: Callable[[str], None] = lambda text: None,
) -> tuple[NetworkPicture, ...]:
    """Draw a network's first filters, the maps of a face after each stage, and what preprocessing does to the face.

    Args:
        source: the folder of a run, a store with one run, or the name of a backbone.
        photo: a photo: its largest face is shown, or all of it where none is found; None for a drawn face.
        weights: of a backbone: "none" (random), "imagenet", or a weight file.
        note: is told what else is worth knowing.

    Returns:
        "filters", "maps" and "preprocessing".

    Raises:
        NetworkError: there is no such network, or its weights were not kept.
        ImageError: the photo cannot be read.
        MissingExtraError: Keras or matplotlib is not installed.
    """
    from mien.report.network_pictures import FiltersData, MapsData, StepsData, draw_filters, draw_maps, draw_steps

    _check_matplotlib()
    title, network = _network(str(source), weights)
    channels = channels_of_input(network.input_shape)
    face = _face(photo, network.input_shape[1], channels, note)
    if channels == "rgb":
        note("The filters look at red, green and blue: shown is their sum, as a gray pixel meets it.")
    from mien.training.looking_inside import first_filters, preprocessing_steps, stage_maps

    steps = tuple(preprocessing_steps(network, face))
    return (
        NetworkPicture("filters", draw_filters(FiltersData(title, first_filters(network)))),
        NetworkPicture("maps", draw_maps(MapsData(title, face, tuple(stage_maps(network, face))))),
        NetworkPicture("preprocessing", draw_steps(StepsData(title, steps))),
    )


def _network(source: str, weights: str) -> tuple[str, Any]:
    """A title, and the network of a run or of a backbone."""
    from mien.training.backend import choose_backend

    choose_backend()
    folder = Path(source)
    if source not in BACKBONES and folder.is_dir():
        from mien.training.export import load_network

        path = _network_file(folder)
        record = RunRecord.read(path.parent)
        row = backbone(record.recipe["backbone"])
        return f"{row.title}, run {record.id}", load_network(path)
    from mien.training.network import build_network

    row = backbone(source)
    # The weight file of face_mobilenet's origin expects the scaling that ImageNet weights of its kind do.
    spec = PreprocessingSpec(rescale="imagenet" if weights.endswith(".npz") else "auto")
    recipe = Recipe(backbone=source, weights=weights, preprocessing=spec).resolved(row.default_size)
    side = row.default_size
    network = build_network(recipe, image_size=(side, side), classes=7, statistics=None)
    return f"{row.title}, {'untrained' if weights == 'none' else Path(weights).name}", network


def _network_file(folder: Path) -> Path:
    """The network of a run's folder, or of the one run of a store."""
    path = find_run(folder) / NETWORK_FILE
    if not path.is_file():
        raise NetworkError(
            f"There is no {NETWORK_FILE} in {folder}. Expected: the folder of a finished run, runs/ID in a store, "
            "whose weights were kept (without --discard-weights)."
        )
    return path


def _face(photo: Path | None, size: int, channels: Channels, note: Callable[[str], None]) -> NDArray[np.uint8]:
    """A face of shape (size, size), or with 3 behind it in colour: of a photo, or drawn, which is gray."""
    if photo is None:
        from mien.datasets.synthetic import draw_faces

        images: NDArray[np.uint8] = draw_faces(1, size=size, seed=4, label_set=SEVEN, hardness=0.0).images
        return np.asarray(images[0])
    from mien.images import read_image
    from mien.inference.crops import crop_face
    from mien.inference.detector import Box, Detector, Face

    image = read_image(photo)
    faces = Detector().detect(image)
    if not faces:
        note(f"No face was found in {photo}; all of it is taken for one.")
        width, height = image.photo_size
        whole = Face(1, Box(0.0, 0.0, float(width), float(height)), (), 1.0)
        return crop_face(image, whole, CropRule(margin=1.0, size=size, channels=channels))
    return crop_face(image, max(faces, key=lambda face: face.box.area), CropRule(size=size, channels=channels))


def _check_matplotlib() -> None:
    """Say what is missing before a network is built for nothing."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Drawing a network", "report")

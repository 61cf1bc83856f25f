"""`mien models draw` and `mien models show`: a network as a diagram, and what it makes of a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import MissingExtraError, NetworkError, ReportError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUFFIXES = (".svg", ".png")


def draw(
    backbone: Annotated[str | None, typer.Argument(help="A name from `mien models list`, or file.py:function.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Draw every backbone, into the folder --output.")] = False,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of the input, in pixels; the backbone's usual size if not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="A file .svg or .png; with --all, a folder. Both, named as the backbone, if not."
        ),
    ] = None,
) -> None:
    """Draw a backbone by stages and blocks, with the parameters and multiply-adds of each stage.

    The diagram is made from the network's own graph, so the network is built for it, with random weights.
    """
    if every == (backbone is not None):
        raise typer.BadParameter("Expected a backbone, or --all.")
    if every:
        _draw_all(output or Path("networks"), size)
    elif output is not None and output.suffix.lower() not in _SUFFIXES:
        raise ReportError(f"A diagram is a .svg or a .png file. Received: --output {output}.")
    elif backbone is not None:
        paths = [Path(backbone.rpartition(":")[2] + suffix) for suffix in _SUFFIXES] if output is None else [output]
        _write(_diagram(backbone, size), paths)


def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_BACKBONE",
            help="The folder of a run (runs/ID in a store), a store with one run, or a name from `mien models list`.",
        ),
    ],
    photo: Annotated[
        Path | None,
        typer.Option(help="A photo: its largest face, or all of it where none is found. Else a drawn face."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help='Of a backbone: "none" (random), "imagenet", or a weight file, as in a study file.')
    ] = "none",
    output: Annotated[Path, typer.Option("--output", help="The folder of the pictures.")] = Path("pictures"),
) -> None:
    """Show a network's first filters, the maps of a face after each stage, and what its preprocessing does to the face.

    Three pictures, as SVG and PNG: filters, maps, preprocessing. Those of an untrained network show how it begins.
    """
    from mien.report.pictures import FiltersData, MapsData, StepsData, draw_filters, draw_maps, draw_steps

    _needs_matplotlib()
    title, network = _network(source, weights)
    face = _face(photo, network.input_shape[1])
    from mien.training.pictures import first_filters, preprocessing_steps, stage_maps

    steps = tuple(preprocessing_steps(network, face))
    drawings = {
        "filters": draw_filters(FiltersData(title, first_filters(network))),
        "maps": draw_maps(MapsData(title, face, tuple(stage_maps(network, face)))),
        "preprocessing": draw_steps(StepsData(title, steps)),
    }
    for name, figure in drawings.items():
        _write(figure, [output / (name + suffix) for suffix in _SUFFIXES])


def _draw_all(folder: Path, size: int | None) -> None:
    from mien.study.backbones import BACKBONES
    from mien.training.backend import backend_name, choose_backend

    choose_backend()
    for name, row in BACKBONES.items():
        reason = dict(row.fails_on).get(backend_name())
        if reason is None and size is not None and size < row.minimum_size:
            reason = f"it needs images of at least {row.minimum_size} pixels a side"
        if reason is not None:
            typer.echo(f"Left out: {name}: {reason}", err=True)
            continue
        _write(_diagram(name, size), [folder / (name + suffix) for suffix in _SUFFIXES])


def _diagram(name: str, size: int | None) -> Any:
    from mien.report.diagrams import DiagramData, draw_diagram
    from mien.study.backbones import backbone
    from mien.training.backend import choose_backend

    _needs_matplotlib()
    row = backbone(name)
    choose_backend()
    from mien.training.network import build_backbone
    from mien.training.structure import network_structure

    side = size or row.default_size
    structure = network_structure(build_backbone(row, (side, side, row.channels)))
    return draw_diagram(DiagramData(row.title, structure))


def _network(source: str, weights: str) -> tuple[str, Any]:
    """A title, and the network of a run or of a backbone."""
    from mien.study.backbones import BACKBONES, backbone
    from mien.training.backend import choose_backend

    choose_backend()
    folder = Path(source)
    if source not in BACKBONES and folder.is_dir():
        from mien.study.record import RunRecord
        from mien.training.export import load_network

        path = _network_file(folder)
        record = RunRecord.read(path.parent)
        row = backbone(record.recipe["backbone"])
        return f"{row.title}, run {record.id}", load_network(path)
    from mien.study.recipe import PreprocessingSpec, Recipe
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
    from mien.study.store import find_run
    from mien.training.execute import NETWORK_FILE

    path = find_run(folder) / NETWORK_FILE
    if not path.is_file():
        raise NetworkError(
            f"There is no {NETWORK_FILE} in {folder}. Expected: the folder of a finished run, runs/ID in a store, "
            "whose weights were kept (without --discard-weights)."
        )
    return path


def _face(photo: Path | None, size: int) -> NDArray[np.uint8]:
    """A face of shape (size, size): of a photo, or drawn."""
    import numpy as np

    if photo is None:
        from mien.datasets.synthetic import draw_faces
        from mien.labels import SEVEN

        images: NDArray[np.uint8] = draw_faces(1, size=size, seed=4, label_set=SEVEN, hardness=0.0).images
        return np.asarray(images[0])
    from mien.framing import CropRule
    from mien.images import read_image
    from mien.inference.crops import crop_face
    from mien.inference.detector import Box, Detector, Face

    image = read_image(photo)
    faces = Detector().detect(image)
    if not faces:
        typer.echo(f"No face was found in {photo}; all of it is taken for one.", err=True)
        width, height = image.photo_size
        whole = Face(1, Box(0.0, 0.0, float(width), float(height)), (), 1.0)
        return crop_face(image, whole, CropRule(margin=1.0, size=size))
    return crop_face(image, max(faces, key=lambda face: face.box.area), CropRule(size=size))


def _needs_matplotlib() -> None:
    """Say what is missing before a network is built for nothing."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise MissingExtraError("Drawing a network", "report")


def _write(figure: Any, paths: Sequence[Path]) -> None:
    from mien.files import written_whole
    from mien.report.figures import render_png, render_svg

    for path in paths:
        content = render_png(figure) if path.suffix.lower() == ".png" else render_svg(figure, path.stem).encode("utf-8")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                file.write(content)
        except OSError as error:
            raise ReportError(
                f"{path} cannot be written: {error.strerror or error}. Name another with --output."
            ) from error
        typer.echo(f"Written: {path}")

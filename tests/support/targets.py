"""What reads a file that anyone may have made: for each kind, a good sample, a way to damage it, and its reader."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as pillow

from mien.bundle import load_bundle
from mien.datasets.description import describe
from mien.datasets.reading import read_dataset
from mien.datasets.synthetic import draw_faces
from mien.images import read_image
from mien.inference.classifier import Classifier
from mien.inference.detector import Box, Face
from mien.inference.results import FaceResult, Outcome, PhotoResult
from mien.labels import Expression
from mien.study.record import RunRecord
from mien.study.reference import read_reference
from mien.study.spec import read_study
from support.fake_records import history_of, plan_of, record_of
from support.mutations import mutated_bytes, mutated_json, mutated_text

STUDY = """
schema = 1
name = "small"
title = "A study"
[data]
path = "drawn:count=60,size=32"
[protocol]
labels = "six"
[recipe]
epochs = 2
backbone = "mien_small"
[recipe.augmentation]
flip = true
[[tables]]
name = "one"
rows.optimizer = ["adam", "sgd"]
columns.seed = [0, 1]
metrics = ["accuracy"]
"""


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: for figures.
        write: writes a damaged sample below a folder and returns what is to be read.
        read: reads it; MienError is right, anything else is not.
    """

    name: str
    write: Callable[[Path, random.Random], Path]
    read: Callable[[Path], object]


def _written(ending: str, good: list[bytes], damage: Callable[[bytes, random.Random], bytes]) -> Callable[..., Path]:
    def write(folder: Path, random_: random.Random) -> Path:
        path = folder / f"sample{ending}"
        path.write_bytes(damage(random_.choice(good), random_))
        return path

    return write


def _texts(ending: str, text: str) -> Callable[..., Path]:
    return _written(ending, [text.encode()], lambda good, r: mutated_text(good.decode(), r).encode("utf-8", "replace"))


def _images() -> list[bytes]:
    rng = np.random.default_rng(0)
    colour = pillow.fromarray(rng.integers(0, 255, (40, 56, 3), dtype=np.uint8))
    found = []
    for form, mode, options in (
        *(("JPEG", "RGB", {}), ("JPEG", "RGB", {"progressive": True}), ("JPEG", "CMYK", {}), ("PNG", "RGBA", {})),
        *(("PNG", "P", {}), ("PNG", "I;16", {}), ("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True})),
        *(("AVIF", "RGB", {}), ("GIF", "P", {}), ("BMP", "RGB", {}), ("PPM", "L", {}), ("TIFF", "F", {})),
        *(("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "1", {"compression": "group4"})),
    ):
        file = io.BytesIO()
        colour.convert("L" if mode == "I;16" else mode).convert(mode).save(file, form, **options)
        found.append(file.getvalue())
    return found


def _read_data(path: Path) -> object:
    return describe(read_dataset(path, cache=None))


def _zip(pixels: list[bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(pixels):
            archive.writestr(f"train/{('happy', 'sad')[number % 2]}/{number}.png", content)
    return file.getvalue()


def _npz() -> bytes:
    faces = draw_faces(12, size=16, seed=1)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        images=faces.images,
        labels=np.array([str(faces.label_set.expressions[label]) for label in faces.labels]),
    )
    return file.getvalue()


def _write_record(record: Path) -> Callable[..., Path]:
    files = {path.name: path.read_bytes() for path in record.iterdir()}

    def write(folder: Path, random_: random.Random) -> Path:
        place = folder / "record"
        place.mkdir(exist_ok=True)
        damaged = random_.choice(("run.json", "run.json", "history.jsonl", "predictions.npz"))
        for name, content in files.items():
            if name == damaged and name == "run.json":
                content = mutated_json(json.loads(content), random_).encode("utf-8", "replace")
            elif name == damaged and name == "history.jsonl":
                lines = content.decode().splitlines()
                at = random_.randrange(len(lines))
                lines[at] = mutated_json(json.loads(lines[at]), random_)
                content = "\n".join(lines).encode("utf-8", "replace")
            elif name == damaged:
                content = mutated_bytes(content, random_)
            (place / name).write_bytes(content)
        return place

    return write


def _write_bundle(source: Path) -> Callable[..., Path]:
    """Damaged bundles whose hashes are right, so that what is read after them is reached too."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    def write(folder: Path, random_: random.Random) -> Path:
        contents = dict(files)
        damaged = random_.choice([*files, "bundle.json", "card.json"])
        if damaged.endswith(".json"):
            contents[damaged] = mutated_json(json.loads(files[damaged]), random_).encode("utf-8", "replace")
        else:
            contents[damaged] = mutated_bytes(files[damaged], random_)
        if damaged != "bundle.json":
            head = json.loads(files["bundle.json"])
            head["files"][damaged] = hashlib.sha256(contents[damaged]).hexdigest()
            contents["bundle.json"] = json.dumps(head).encode()
        path = folder / "sample.mien"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        if random_.randrange(4) == 0:
            path.write_bytes(mutated_bytes(path.read_bytes(), random_))
        return path

    return write


def targets(folder: Path, bundle: Path) -> list[Target]:
    """Every kind; samples that need a place are written below `folder`.

    Args:
        folder: an empty one.
        bundle: a good bundle, a single file.
    """
    images = _images()
    pngs = [image for image in images if image.startswith(b"\x89PNG")]
    record_of(plan_of(STUDY).runs[0], history=history_of(2)).write(folder / "record")
    rows = "\n".join(f"{n % 7},{' '.join(str((n * i) % 256) for i in range(64))},Training" for n in range(12))
    fer = f"emotion,pixels,Usage\n{rows}\n"
    for number in range(4):
        (folder / f"{number}.png").write_bytes(pngs[0])
    manifest = "path,label,role,group,id\n" + "".join(
        f"{folder / str(n)}.png,{('happy', 'sad')[n % 2]},train,p{n},i{n}\n" for n in range(4)
    )
    found = [
        Target("image", _written(".img", images, mutated_bytes), lambda path: read_image(path, max_pixels=4_000_000)),
        Target("bundle", _write_bundle(bundle), lambda path: Classifier(load_bundle(path))),
        Target("record", _write_record(folder / "record"), RunRecord.read),
        Target("table", _texts(".csv", fer), _read_data),
        Target("table.gz", _written(".csv.gz", [gzip.compress(fer.encode())], mutated_bytes), _read_data),
        Target(
            "manifest", _texts(".csv", manifest), lambda path: describe(read_dataset(path, cache=None, outside=True))
        ),
        Target("zip", _written(".zip", [_zip(pngs * 2)], mutated_bytes), _read_data),
        Target("arrays", _written(".npz", [_npz()], mutated_bytes), _read_data),
        Target("study", _texts(".toml", STUDY), read_study),
        Target("reference", _texts(".toml", _reference()), read_reference),
        Target("result", _written(".json", [_result()], _damaged_result), _read_result),
    ]
    try:
        from mien.datasets.parquet import write_parquet

        write_parquet(draw_faces(12, size=16, seed=1), folder / "good.parquet")
    except ImportError:
        return found
    good = (folder / "good.parquet").read_bytes()
    return [*found, Target("parquet", _written(".parquet", [good], mutated_bytes), _read_data)]


def _reference() -> str:
    return (Path(__file__).parents[2] / "studies" / "deck-reference.toml").read_text(encoding="utf-8")


def _result() -> bytes:
    probabilities = ((Expression.HAPPINESS, 0.75), (Expression.SADNESS, 0.25))
    points = tuple((float(n), float(n)) for n in range(5))
    face = FaceResult(Face(1, Box(1.0, 2.0, 30.0, 30.0), points, 0.9), Outcome.OK, probabilities)
    return PhotoResult("a.jpg", Outcome.OK, "", (face,), 100, 80, ("a note",), "tiny@0").to_json().encode()


def _read_result(path: Path) -> object:
    result = PhotoResult.from_json(path.read_bytes().decode("utf-8", "replace"))
    return result.summary(), result.to_rows(), result._repr_html_()


def _damaged_result(good: bytes, random_: random.Random) -> bytes:
    return mutated_json(json.loads(good), random_).encode("utf-8", "replace")

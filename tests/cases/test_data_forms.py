"""What people bring: each row is a form of data and what reading it must give, or must say.

Images are noise of one size; what counts is how labels, roles and groups are understood.
"""

import gzip
import io
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien.datasets.boxes import has_boxes
from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.errors import DataError, MienError
from mien.labels import find_expression
from support.field_samples import parquet_table, pixels, png, write, write_images

SIX_LABELS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]


def numbers(number: int) -> str:
    return " ".join(map(str, pixels(number).ravel()))


def rows(labels: list[object], *, roles: list[str] | None = None) -> list[str]:
    """Lines of a table of pixels."""
    words = [""] * len(labels) if roles is None else [f",{role}" for role in roles]
    return [f"{label},{numbers(n)}{role}" for n, (label, role) in enumerate(zip(labels, words, strict=True))]


def table(head: str, lines: list[str], name: str = "faces.csv") -> Callable[[Path], Path]:
    return lambda root: write(root / name, "\n".join([head, *lines]) + "\n")


def tree(*names: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        write_images(root / "set", list(names))
        return root / "set"

    return make


def tables(files: dict[str, list[str]], head: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        for name, lines in files.items():
            write(root / "set" / name, "\n".join([head, *lines]) + "\n")
        return root / "set"

    return make


def named_images(lines: str, name: str = "labels.csv", folder: str = "", count: int = 4) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        write_images(root / "set" / folder, [f"{n}.png" for n in range(count)])
        return write(root / "set" / name, lines)

    return make


def packed(make: Callable[[Path], Path], ending: str) -> Callable[[Path], Path]:
    """What another maker writes, as an archive."""

    def pack(root: Path) -> Path:
        made = make(root / "inside")
        files = [made] if made.is_file() else sorted(file for file in made.rglob("*") if file.is_file())
        above = made.parent if made.is_file() else made.parent
        path = root / f"faces{ending}"
        if ending == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                for file in files:
                    archive.write(file, file.relative_to(above).as_posix())
        else:
            with tarfile.open(path, "w:gz") as archive:
                for file in files:
                    archive.add(file, file.relative_to(above).as_posix())
        return path

    return pack


def npz(**arrays: Any) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        np.savez(root / "faces.npz", **arrays)
        return root / "faces.npz"

    return make


def parquet(columns: dict[str, object], name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        parquet_table(root / "set" / name, columns)
        return root / "set"

    return make


GRAYS = np.stack([pixels(n) for n in range(4)])
CELLS = [png(pixels(n)) for n in range(4)]
WORDS = ["happy", "sad", "happy", "sad"]
PAIRS = {"happiness": 2, "sadness": 2}
ROLES = ["Training", "Training", "Validation", "Testing"]


def tables_beside_roles(root: Path) -> Path:
    for role, numbered in {"train": (0, 1), "test": (2, 3)}.items():
        write_images(root / "set" / role, [f"{n}.jpg" for n in numbered])
        lines = [f"{n}.jpg,{WORDS[n]}" for n in numbered]
        write(root / "set" / f"{role}_labels.csv", "\n".join(["filename,label", *lines]))
    return root / "set"


def roboflow(root: Path) -> Path:
    """Role folders, each with images and a table of classes, as Roboflow gives out sets of one or more labels."""
    number = 0
    for role, words in (("train", ("happy", "sad")), ("valid", ("happy",)), ("test", ("sad",))):
        lines = ["filename, happy, sad"]
        for word in words:
            write(root / "set" / role / f"face.rf.{number}.png", png(pixels(number)))
            lines.append(f"face.rf.{number}.png, {int(word == 'happy')}, {int(word == 'sad')}")
            number += 1
        write(root / "set" / role / "_classes.csv", "\n".join(lines).encode())
    return root / "set"


def holding(*names: str) -> Callable[[Path], Path]:
    """A folder of images as labelling programs keep them, with such files beside."""

    def make(root: Path) -> Path:
        write_images(root / "set", ["images/1.jpg", "images/2.jpg"])
        for name in names:
            write(root / "set" / name, "nothing that can be read")
        return root / "set"

    return make


@dataclass(frozen=True)
class Case:
    """A form of data.

    Attributes:
        make: writes it; returns its path.
        labels: images of each class.
        roles: images of each role; None where there are none.
        groups: the groups.
        says: what a note must hold.
        keys: of `DataSpec`.
        problems: how many are listed.
    """

    make: Callable[[Path], Path]
    labels: dict[str, int]
    roles: dict[str, int] | None = None
    groups: set[str] = field(default_factory=set)
    says: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    problems: int = 0


FIVE = table("emotion, pixels", rows([0, 1, 2, 3, 4] * 2))
NAMED_FIVE = {"anger": 2, "disgust": 2, "sadness": 2, "happiness": 2, "surprise": 2}
MADE_ROLES = {"train": 2, "validation": 1, "test": 1}

READ = {
    "1 five classes, named": Case(
        FIVE,
        NAMED_FIVE,
        says="0 anger, 1 disgust, 2 sadness",
        keys={"classes": "anger,disgust,sadness,happiness,surprise"},
    ),
    "1 five classes, named by a list": Case(
        FIVE, NAMED_FIVE, keys={"classes": ["anger", "disgust", "sadness", "happiness", "surprise"]}
    ),
    "2 FER2013Train": Case(
        tree("FER2013Train/happy/1.png", "FER2013Train/sad/1.png", "FER2013Valid/happy/2.png", "FER2013Test/sad/3.png"),
        PAIRS,
        MADE_ROLES,
    ),
    "2 train_data": Case(
        tree("train_data/happy/1.png", "train_data/sad/1.png", "test_data/happy/2.png", "test_data/sad/3.png"),
        PAIRS,
        {"train": 2, "test": 2},
    ),
    "2 dev and eval": Case(
        tree("train/happy/1.png", "train/sad/1.png", "dev/happy/2.png", "eval/sad/3.png"), PAIRS, MADE_ROLES
    ),
    "2 Train_images, training_set": Case(
        tree("Train_images/happy/1.png", "training_set/sad/1.png", "Test_images/happy/2.png", "Test_images/sad/3.png"),
        PAIRS,
        {"train": 2, "test": 2},
    ),
    "2 folders that are no roles": Case(
        tree("first/happy/1.png", "first/sad/1.png", "second/happy/2.png", "second/sad/3.png"),
        PAIRS,
        says="name no role: first (2 images), second (2 images)",
    ),
    "3 Usage with Validation and Testing": Case(
        table("emotion,pixels,Usage", rows([0, 3, 0, 3], roles=ROLES)), {"anger": 2, "happiness": 2}, MADE_ROLES
    ),
    "4 a folder a clip": Case(
        tree(*(f"Train/{'Fear' if n < 3 else 'Happy'}/{n:09d}/{i}.jpg" for n in (1, 2, 3, 4) for i in (1, 2))),
        {"fear": 4, "happiness": 4},
        {"train": 8},
        {"000000001", "000000002", "000000003", "000000004"},
        "4 folders below the expressions, such as '000000001', taken as groups",
    ),
    "4 said otherwise": Case(
        tree("Fear/0137/1.jpg", "Fear/0138/1.jpg", "Happy/0139/1.jpg"),
        {"fear": 2, "happiness": 1},
        keys={"groups": "none"},
    ),
    "4 a folder a person, above": Case(
        tree("S01/happy/1.png", "S01/sad/1.png", "S02/happy/2.png", "S02/sad/3.png"),
        PAIRS,
        groups={"S01", "S02"},
        says="above the expressions, such as 'S01', taken as groups",
    ),
    "9 folders of numbers": Case(
        tree("train/0/1.png", "train/1/1.png", "test/0/2.png", "test/1/3.png"),
        {"happiness": 2, "sadness": 2},
        {"train": 2, "test": 2},
        keys={"classes": "happiness,sadness"},
    ),
    "9 Parquet of digits": Case(
        parquet({"image": CELLS, "label": [0, 1, 0, 1]}, "data.parquet"), PAIRS, keys={"classes": "0=happy,1=sad"}
    ),
    "9 RAF-DB from 0": Case(
        tree("train/0/a.png", "train/3/b.png", "test/6/c.png", "test/0/d.png"),
        {"surprise": 2, "happiness": 1, "neutral": 1},
        {"train": 2, "test": 2},
        keys={"classes": "raf-db"},
    ),
    "9 counted from 1": Case(
        tree("1/a.png", "2/b.png", "1/c.png", "2/d.png"), PAIRS, keys={"classes": "happiness,sadness"}
    ),
    "9 another language": Case(
        tree("Freude/1.png", "Freude/2.png", "Wut/1.png", "悲しみ/1.png"),
        {"happiness": 2, "anger": 1, "sadness": 1},
        keys={"classes": {"wut": "anger", "freude": "happiness", "悲しみ": "sadness"}},
    ),
    "9 a class left out": Case(
        tree("happy/1.png", "sad/1.png", "bored/1.png", "bored/2.png"),
        {"happiness": 1, "sadness": 1},
        says="left out, as classes says: bored (2)",
        keys={"classes": "bored=-"},
    ),
    "10 three expressions": Case(
        tree("happy/1.png", "sad/1.png", "neutral/1.png"), {"happiness": 1, "sadness": 1, "neutral": 1}
    ),
    "10 a thinned FER2013": Case(
        table("emotion,pixels,Usage", rows([0, 3, 4, 0, 3, 4], roles=["Training"] * 3 + ["PublicTest"] * 3)),
        {"anger": 2, "happiness": 2, "sadness": 2},
        {"train": 3, "validation": 3},
    ),
    "11 merged": Case(
        tree("happy/1.png", "surprise/1.png", "sad/1.png", "angry/1.png", "neutral/1.png"),
        {"neutral": 1, "negative": 2, "positive": 2},
        keys={"classes": "positive=happy+surprise,negative=sad+angry"},
    ),
    "14 words in place of numbers": Case(table("emotion,pixels", rows(WORDS)), PAIRS),
    "14 whole floats": Case(
        table("emotion,pixels,Usage", rows(["3.0", "6.0", "3.0", "6.0"], roles=["Training"] * 4)),
        {"happiness": 2, "neutral": 2},
        {"train": 4},
    ),
    "14 quotes": Case(table("emotion,pixels", [f'"{word}","{numbers(n)}"' for n, word in enumerate(WORDS)]), PAIRS),
    "14 lists in cells": Case(
        table("emotion,pixels", [f'{word},"[{numbers(n).replace(" ", ", ")}]"' for n, word in enumerate(WORDS)]), PAIRS
    ),
    "14 one table a role": Case(
        tables({f"{role}.csv": rows(WORDS) for role in ("train", "val", "test")}, "emotion,pixels"),
        {"happiness": 6, "sadness": 6},
        {"train": 4, "validation": 4, "test": 4},
    ),
    "14 a table inside .zip": Case(packed(table("emotion,pixels", rows(WORDS)), ".zip"), PAIRS),
    "14 a table inside .tar.gz": Case(packed(table("emotion,pixels", rows(WORDS)), ".tar.gz"), PAIRS),
    "14 a bad row": Case(
        table("emotion,pixels", [*rows(WORDS), f"hapy,{numbers(9)}", f"happy,{numbers(8)}"]),
        {"happiness": 3, "sadness": 2},
        problems=1,
    ),
    "14 a column of paths": Case(
        named_images(
            "emotion,path,Usage\nhappy,0.png,Training\nsad,1.png,Training\nhappy,2.png,Test\nsad,3.png,Test\n"
        ),
        PAIRS,
        {"train": 2, "test": 2},
    ),
    "14 a column a pixel": Case(
        table(
            ",".join(["label", *(f"pixel{n}" for n in range(64))]),
            [f"{word},{numbers(n).replace(' ', ',')}" for n, word in enumerate(WORDS)],
        ),
        PAIRS,
    ),
    "15 image,emotion": Case(named_images("image,emotion\n0.png,happy\n1.png,sad\n2.png,happy\n3.png,sad\n"), PAIRS),
    "15 file_name,label in images": Case(
        named_images("file_name,label\n0.png,happy\n1.png,sad\n2.png,happy\n3.png,sad\n", folder="images"),
        PAIRS,
        says="images/…",
    ),
    "15 lines of path and label": Case(
        named_images("0.png happy\n1.png sad\n2.png happy\n3.png sad\n", name="list.txt"), PAIRS
    ),
    "15 no head": Case(named_images("0.png,happy\n1.png,sad\n2.png,happy\n3.png,sad\n"), PAIRS),
    "15 names without endings": Case(named_images("image;label\n0;happy\n1;sad\n2;happy\n3;sad\n"), PAIRS),
    "16 Parquet at a depth": Case(
        parquet({"img_bytes": CELLS, "emotion": WORDS}, "default/train/0000.parquet"), PAIRS, {"train": 4}
    ),
    "17 X_train": Case(
        npz(X_train=GRAYS[:2], y_train=WORDS[:2], X_test=GRAYS[2:], y_test=WORDS[2:]), PAIRS, {"train": 2, "test": 2}
    ),
    "17 floats from 0 to 1": Case(
        npz(X_train=GRAYS / 255, y_train=WORDS), PAIRS, {"train": 4}, says="float64 from 0 to 1, multiplied by 255"
    ),
    "17 of 16 bits, 8 of them used": Case(
        npz(images=GRAYS.astype(np.uint16), labels=WORDS), PAIRS, says="uint16 from 0 to 255"
    ),
    "17 of 16 bits, 12 of them used": Case(
        npz(images=(GRAYS.astype(np.uint16) << 4) + 15, labels=WORDS), PAIRS, says="taken as 12 bits, scaled to 8"
    ),
    "17 floats from 0 to 255": Case(
        npz(images=GRAYS.astype(np.float32), labels=WORDS), PAIRS, says="float32 from 0 to 255"
    ),
    "17 equal channels": Case(
        npz(images=GRAYS[..., None].repeat(3, 3), labels=WORDS), PAIRS, says="three equal channels, one of them taken"
    ),
    "17 channels first, one-hot": Case(
        npz(images=GRAYS[:, None], labels=np.eye(2)[[0, 1, 0, 1]]), PAIRS, keys={"classes": "happy,sad"}
    ),
    "17 rows of pixels": Case(npz(data=GRAYS.reshape(4, -1), target=WORDS), PAIRS, says="taken as images of 8x8"),
    "18 SFEW": Case(
        tree(
            "Train_Aligned_Faces/Happy/Airheads_000519240_00000005.png",
            "Train_Aligned_Faces/Sad/Hangover_000519240_00000006.png",
            "Val_Aligned_Faces_new/Happy/Unborn_003519240_00000001.png",
        ),
        {"happiness": 2, "sadness": 1},
        {"train": 2, "validation": 1},
        {"Airheads", "Hangover", "Unborn"},
    ),
    "19 a zip of RAF-DB": Case(
        packed(tree("DATASET/train/1/train_00001_aligned.jpg", "DATASET/test/4/test_0001_aligned.jpg"), ".zip"),
        {"surprise": 1, "happiness": 1},
        {"train": 1, "test": 1},
    ),
    "19 a zip of KDEF": Case(
        packed(tree("AF01/AF01ANS.JPG", "AM02/AM02HAS.JPG"), ".zip"),
        {"anger": 1, "happiness": 1},
        groups={"F01", "M02"},
    ),
    "20 CK+ as a table": Case(
        table("emotion,pixels,Usage", rows([*range(8)], roles=["Training"] * 6 + ["PublicTest", "PrivateTest"])),
        {name: 1 for name in [*SIX_LABELS, "neutral", "contempt"]},
        {"train": 6, "validation": 1, "test": 1},
    ),
    "Roboflow: a column for each class, in folders of roles": Case(
        roboflow, PAIRS, {"train": 2, "validation": 1, "test": 1}
    ),
    "tables of pixels in folders of roles": Case(
        tables({"train/a.csv": rows(["happy", "sad"]), "test/a.csv": rows(["happy", "sad"])}, "emotion,pixels"),
        PAIRS,
        {"train": 2, "test": 2},
    ),
    "Spanish": Case(
        tree(
            "Entrenamiento/Alegría/1.png", "entrenamiento/tristeza/1.png", "Prueba/Feliz/1.png", "Prueba/triste/1.png"
        ),
        PAIRS,
        {"train": 2, "test": 2},
        says="Alegría read as happiness",
    ),
    "Portuguese": Case(
        tree(
            "Conjunto de validação/Felicidade/1.png",
            "treino/Tristeza/1.png",
            "treino/feliz/1.png",
            "teste/triste/1.png",
        ),
        PAIRS,
        {"train": 2, "validation": 1, "test": 1},
    ),
    "German": Case(
        tree(
            "Trainingsdaten/glücklich/1.png",
            "Trainingsdaten/Freude/2.png",
            "Testdaten/traurig/1.png",
            "Test/Trauer/1.png",
        ),
        PAIRS,
        {"train": 2, "test": 2},
    ),
    "a list of classes beside numbers": Case(
        lambda root: [
            tree("train/0/1.png", "train/1/1.png", "test/0/1.png", "test/1/1.png")(root),
            write(root / "set" / "classes.txt", b"happy\nsad\n"),
        ][0],
        PAIRS,
        {"train": 2, "test": 2},
        says="numbers are named by classes.txt",
    ),
    "a list of numbers and classes, in a .zip": Case(
        packed(
            lambda root: [
                tree("3/1.png", "4/1.png", "3/2.png", "4/2.png")(root),
                write(root / "set" / "labels.txt", b"4: sad\n3: happy\n"),
            ][0],
            ".zip",
        ),
        PAIRS,
    ),
    "labels in the names of the files": Case(
        tree("train/happy_001.jpg", "train/sad_001.jpg", "test/002-Happy.JPG", "test/img.sad.3.png", "README.md"),
        PAIRS,
        {"train": 2, "test": 2},
        says="labels taken from the files' names, such as 'test/002-Happy.JPG'",
        problems=1,
    ),
    "a column for each class": Case(
        named_images("filename, happy, sad\n0.png,1,0\n1.png,0,1\n2.png,1.0,0.0\n3.png,0,1\n"), PAIRS
    ),
    "paths of another machine, Windows": Case(
        named_images(
            "".join(["path,label\n", *(f"C:\\Users\\ann\\fer\\images\\{n}.png,{w}\n" for n, w in enumerate(WORDS))]),
            folder="images",
        ),
        PAIRS,
        says="without its first folders",
    ),
    "paths of another machine, from the root": Case(
        named_images(
            "".join(["path,label\n", *(f"/content/drive/fer/{n}.png,{w}\n" for n, w in enumerate(WORDS))]),
            folder="images",
        ),
        PAIRS,
        says="images/… without its first folders",
    ),
    "a table of labels beside each role": Case(
        tables_beside_roles, PAIRS, {"train": 2, "test": 2}, says="images are not where the table says, but at ROLE/…"
    ),
    "emotion_id, as floats": Case(
        table("emotion_id,pixels", rows(["0.0", "1.0", "0.0", "1.0"])), PAIRS, keys={"classes": "happy,sad"}
    ),
    "four channels": Case(
        lambda root: [
            write(root / "set" / name, png(np.dstack([pixels(n)] * 3 + [np.full((8, 8), 255, np.uint8)])))
            for n, name in enumerate(("HAPPY/1.PNG", "HAPPY/2.PNG", "SAD/1.PNG", "SAD/2.PNG"))
        ][0].parents[1],
        PAIRS,
    ),
    "WebP in capitals": Case(
        lambda root: [
            write(root / "set" / name, cv2.imencode(".webp", pixels(n))[1].tobytes())
            for n, name in enumerate(("HAPPY/1.WEBP", "HAPPY/2.WEBP", "SAD/1.WEBP", "SAD/2.WEBP"))
        ][0].parents[1],
        PAIRS,
    ),
    "EmoNet-Face": Case(
        parquet(
            {
                "image": CELLS,
                "annotations": [
                    [{"Anger": 6.0, "Elation": 1.0}, {"Anger": 5.0, "Elation": 2.0}],
                    [{"Anger": 0.0, "Elation": 4.0}, {"Anger": 1.0, "Elation": 5.0}],
                    [{"Anger": 2.0, "Elation": 2.0}, {"Anger": 0.0, "Elation": 0.0}],
                    [{"Anger": 1.0, "Elation": 0.0}, {"Anger": 1.0, "Elation": 0.0}],
                ],
            },
            "data/train-00000-of-00001.parquet",
        ),
        {"anger": 2, "happiness": 1},
        {"train": 3},
        says="mien's map of EmoNet-Face",
        problems=1,
    ),
}


def read(path: Path, **keys: Any) -> Dataset:
    return read_dataset(path, cache=None, **keys)


@pytest.mark.parametrize("name", READ)
def test_a_form_is_read_as_it_is_meant(tmp_path, name):
    case = READ[name]
    dataset = read(case.make(tmp_path), **case.keys)
    names = [dataset.label_set.expressions[label].value for label in dataset.labels]
    assert Counter(names) == case.labels
    assert {role: n for role, n in Counter(dataset.roles.tolist()).items() if role} == (case.roles or {})
    groups = set() if dataset.groups is None else set(dataset.groups.tolist())
    assert groups == case.groups
    assert case.says in " | ".join(dataset.notes)
    assert len(dataset.problems) == case.problems
    assert [expression.value for expression in dataset.label_set.expressions] == sorted(
        case.labels, key=[e.value for e in dataset.label_set.expressions].index
    )


REFUSED = {
    "1 five classes without names": (FIVE, "fer2013 .* or alphabetical .*3: happiness \\(2 images: row 4, row 9\\)"),
    "9 numbers that could mean two orders": (
        tree("0/1.png", "4/2.png", "4/3.png", "4/5.png", "4/6.png", "6/7.png"),
        "4: sadness or neutral \\(4 images: 4/2.png, 4/3.png, 4/5.png\\).*--classes fer2013 or --classes alphabetical",
    ),
    "9 numbers beyond any order": (tree("0/1.png", "11/2.png"), "nothing says which expressions they stand for"),
    "9 an unknown word": (tree("happy/1.png", "bored/1.png"), "--classes 'bored=anger'"),
    "3 a role in other words": (
        table("emotion,pixels,Usage", rows([0, 3, 0, 3], roles=["Erste", "Erste", "Zweite", "Zweite"])),
        "Unknown role 'Erste' \\(2 images\\), 'Zweite' \\(2 images\\)",
    ),
    "15 no column of labels": (
        named_images("image,mood\n0.png,happy\n"),
        "a column of paths .* and a column of labels .* Received: image, mood.$",
    ),
    "18 YOLO": (tree("images/train/1.jpg", "labels/train/1.txt", "data.yaml"), "YOLO's form"),
    "17 standardised": (npz(images=GRAYS - 128.0, labels=WORDS), "they were standardised"),
    "COCO": (
        holding("annotations/instances.json"),
        "holds annotations/instances.json: mien reads no JSON.*path and label",
    ),
    "Pascal VOC": (
        holding("annotations/1.xml", "annotations/2.xml"),
        "a file for each image .*annotations/1.xml.*Pascal VOC.*cut out",
    ),
    "Pascal VOC as it is given out": (
        tree("JPEGImages/1.jpg", "JPEGImages/2.jpg", "Annotations/1.xml", "Annotations/2.xml"),
        "a file for each image .*Annotations/1.xml.*Pascal VOC.*cut out",
    ),
    "15 columns of links": (
        lambda root: write(root / "t.csv", b"URL,AU1,emotion_category\nhttp://x/1.jpg,0,happy\n"),
        "two columns: one of paths .* and one of labels",
    ),
    "YOLO, a folder a role": (tree("train/images/1.jpg", "train/labels/1.txt", "data.yaml"), "YOLO's form"),
    "metadata.jsonl": (holding("metadata.jsonl"), "mien reads no JSON.*a .csv with the columns"),
    "a spreadsheet beside the images": (holding("labels.xlsx"), "labels.xlsx: mien reads no spreadsheet.*Save it as"),
    "TFRecord of a folder": (holding("fer-train.tfrecord-00000-of-00001"), "TFRecord.*numpy.savez"),
    **{
        f"a file {name}": (lambda root, name=name: write(root / name, b"x" * 99), f"^[^\n]*{name}: .*{way}")
        for name, way in {
            "faces.tfrecord": "numpy.savez",
            "faces.mat": "scipy.io.loadmat",
            "faces.xlsx": "Save it as a .csv",
            "faces.jsonl": "as a .csv",
            "faces.rar": "Unpack it",
            "faces.7z": "Unpack it",
            "faces.arff": "Save it as a .csv",
            "faces.pt": "numpy.savez",
            "faces.mp4": "Save its frames",
        }.items()
    },
    "a pickle": (lambda root: write(root / "faces.pkl", b"x"), "pickled.*numpy.savez"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_known_is_refused_with_the_way_out(tmp_path, name):
    make, says = REFUSED[name]
    with pytest.raises(DataError, match=f"(?s){says}"):
        read(make(tmp_path))


@pytest.mark.parametrize(
    "classes", ["", "positiv,=", "angre=hapiness", "0=hapyness", "a=,a=", "fer2014", "anger,0=fear"]
)
def test_classes_that_say_nothing_are_refused_in_words(tmp_path, classes):
    with pytest.raises(DataError, match="classes"):
        read(FIVE(tmp_path), classes=classes)


def test_a_clip_never_lies_on_two_sides_of_a_split(tmp_path):
    names = [f"{label}/{n:09d}/{i}.jpg" for label in ("Fear", "Happy") for n in range(10) for i in range(3)]
    names = [name.replace("Happy/00000000", "Happy/00000010") for name in names]
    dataset = read(tree(*names)(tmp_path))
    split = apply_protocol(dataset, ProtocolSpec())
    group_of = dict(zip(dataset.ids.tolist(), dataset.groups.tolist(), strict=True))
    sides = [{group_of[name] for name in part.ids.tolist()} for part in (split.train, split.validation, split.test)]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides)) == 20


def test_the_counts_of_fer2013_tell_its_order(tmp_path):
    from mien.datasets.dataset import Role
    from mien.datasets.known import order_by_counts

    counts = [3995, 436, 4097, 7215, 4830, 3171, 4965]
    labels = [number for number, count in enumerate(counts) for _ in range(count)]
    assert order_by_counts(labels, [Role.NONE] * len(labels)) == "fer2013"
    alphabetical = [(0, 1, 2, 3, 5, 6, 4)[label] for label in labels]
    assert order_by_counts(alphabetical, [Role.NONE] * len(labels)) == "alphabetical"
    assert order_by_counts(labels[:9000], [Role.NONE] * 9000) is None


def test_a_second_look_walks_through_a_large_folder_once(tmp_path, monkeypatch):
    path = tree(
        *(f"{role}/{word}/{n}.png" for role in ("train", "test") for word in ("happy", "sad") for n in range(9))
    )(tmp_path)
    cache = tmp_path / "cache"
    first = read_dataset(path, cache=cache)
    asked: Counter[str] = Counter()
    listed: Counter[str] = Counter()
    for place, counter in {"mien.files.os.stat": asked, "mien.datasets.folders.os.scandir": listed}.items():
        real = getattr(os, place.rpartition(".")[2])
        monkeypatch.setattr(
            place, lambda file, *a, real=real, to=counter, **k: (to.update([str(file)]), real(file, *a, **k))[1]
        )
    assert read_dataset(path, cache=cache).fingerprint == first.fingerprint
    assert listed[str(path / "train/happy")] == 1
    assert asked[str(path / "train/happy/8.png")] == 1


def test_a_table_of_another_set_has_no_licence_of_fer2013(tmp_path):
    dataset = read(READ["14 words in place of numbers"].make(tmp_path))
    assert "FER2013" not in dataset.licence


def test_compressed_and_other_encodings_are_read(tmp_path):
    text = "\n".join(["emotion,pixels", *rows(WORDS)])
    write(tmp_path / "a.csv.gz", gzip.compress(text.encode()))
    write(tmp_path / "b.csv", text.encode("utf-16"))
    assert read(tmp_path / "a.csv.gz").fingerprint == read(tmp_path / "b.csv").fingerprint


def test_no_error_is_a_traceback_of_another_library(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("notes/readme.txt", "nothing")
    for name, content in {"a.zip": data.getvalue(), "b.tar.gz": b"no archive", "c.tar": b""}.items():
        with pytest.raises(MienError):
            read(write(tmp_path / name, content))


@pytest.mark.parametrize(
    "columns",
    [
        *("xmin,ymin,xmax,ymax", "x_min,y_min,x_max,y_max", "X1,Y1,X2,Y2", "bbox,,,", "Bounding Box,,,", "faces,box,,"),
        *(
            "x,y,w,h",
            "left,top,right,bottom",
            "face_x,face_y,face_width,face_height",
            "bbox_x1,bbox_y1,bbox_x2,bbox_y2",
        ),
        *("face_box_top,face_box_left,face_box_right,face_box_bottom", "x_center,y_center,w,h", "cx,cy,w,h"),
        *("upper_left_x,upper_left_y,lower_right_x,lower_right_y", "x_bbox,y_bbox,w_bbox,h_bbox"),
    ],
)
def test_a_table_of_boxes_is_refused_unless_faces_are_found(tmp_path, portrait, columns):
    """Roboflow's _annotations.csv and its like: each photo would be read whole, background and neighbours with it."""
    for name in ("a.jpg", "b.jpg"):
        write(tmp_path / "set" / name, portrait.read_bytes())
    table = f"filename,width,height,class,{columns}\na.jpg,512,512,happy,1,2,30,40\nb.jpg,512,512,sad,1,2,30,40\n"
    write(tmp_path / "set" / "_annotations.csv", table.encode())
    with pytest.raises(DataError, match=r"_annotations\.csv has boxes: .*--crop-faces"):
        read_dataset(tmp_path / "set", cache=None)
    assert len(read_dataset(tmp_path / "set", faces="find", cache=None)) == 2
    write(tmp_path / "set" / "_annotations.csv", (table + "a.jpg,512,512,sad,90,2,30,40\n").encode())
    for keys in ({}, {"faces": "find"}, {"cache": None}):
        with pytest.raises(DataError, match="has boxes.*[Cc]ut the boxes out"):
            read_dataset(tmp_path / "set", **keys)


@pytest.mark.parametrize("names", [["width", "height"], ["x", "y"], ["face", "crop_width"], ["left", "right"], ["top"]])
def test_columns_that_hold_no_box_are_taken_for_none(names):
    assert not has_boxes(["image", "label", *names])


def test_boxes_in_parquet_are_warned_of(tmp_path):
    made = parquet({"image": CELLS, "label": WORDS, "bbox": [[1, 2, 3, 4]] * 4}, "train.parquet")(tmp_path)
    assert any(note.startswith("warning: the columns image, label, bbox hold boxes") for note in read(made).notes)


@pytest.mark.parametrize(
    ("files", "lines", "expected"),
    [
        ("train/0.png test/1.png valid/2.png", None, ["train", "test", "validation"]),
        # Paths of another machine still tell it; so do the names of all files.
        ("0.png 1.png 2.png", "C:\\d\\train\\0.png C:\\d\\test\\1.png C:\\d\\x\\2.png", ["train", "test", ""]),
        ("train_0.png test_1.png test_2.png", None, ["train", "test", "test"]),
        ("test/0.png test/1.png test/2.png", None, ["", "", ""]),
        ("train_0.png b_1.png test_2.png", None, ["", "", ""]),
    ],
)
def test_paths_in_a_table_tell_roles_where_no_column_does(tmp_path, files, lines, expected):
    write_images(tmp_path, files.split())
    pairs = list(zip((lines or files).split(), ["happy", "sad", "sad"], strict=True))
    write(tmp_path / "faces.csv", "\n".join(["path,label", *(f"{path},{label}" for path, label in pairs)]).encode())
    dataset = read(tmp_path / "faces.csv")
    assert dataset.roles.tolist() == expected
    assert any("roles taken from the paths" in note for note in dataset.notes) == any(expected)
    said = "\n".join(["path,label,role", *(f"{path},{label},train" for path, label in pairs)])
    write(tmp_path / "faces.csv", said.encode())
    assert set(read(tmp_path / "faces.csv").roles.tolist()) == {"train"}


@pytest.mark.parametrize("folders", [("train", "test"), ("training", "testing"), ("Train_images", "Test_images")])
@pytest.mark.parametrize("tables", [("train.csv", "test.csv"), ("training.csv", "testing.csv")])
def test_images_that_are_called_alike_in_two_roles_are_told_apart(tmp_path, folders, tables):
    for folder, table_name, start in zip(folders, tables, (0, 2), strict=True):
        for n in (0, 1):
            write(tmp_path / folder / f"{n}.png", png(pixels(start + n)))
        lines = ["image,label", *(f"{n}.png,{WORDS[start + n]}" for n in (0, 1))]
        write(tmp_path / table_name, "\n".join(lines).encode())
    dataset = read(tmp_path)
    found = zip(dataset.ids.tolist(), dataset.roles.tolist(), dataset.images, strict=True)
    assert {(name, role): int(np.flatnonzero((image == GRAYS).all((1, 2)))[0]) for name, role, image in found} == {
        (f"{folders[0]}/0.png", "train"): 0,
        (f"{folders[0]}/1.png", "train"): 1,
        (f"{folders[1]}/0.png", "test"): 2,
        (f"{folders[1]}/1.png", "test"): 3,
    }


def test_the_sample_of_a_submission_is_no_part_of_the_data(tmp_path):
    write_images(tmp_path, [f"{n}.png" for n in range(4)])
    write(tmp_path / "train.csv", b"image,label\n0.png,happy\n1.png,sad\n")
    write(tmp_path / "sample_submission.csv", b"image,label\n2.png,neutral\n3.png,neutral\n")
    dataset = read(tmp_path)
    assert dataset.ids.tolist() == ["0.png", "1.png"]
    assert any("left out: sample_submission.csv" in note for note in dataset.notes)


@pytest.mark.parametrize("head", ["id,image,annotator,label", "nr,image,annotator,label"])
def test_images_that_several_people_label_differently_are_refused_with_the_way_out(tmp_path, head):
    write_images(tmp_path, ["0.png", "1.png"])
    lines = [head, "0,0.png,a,happy", "1,0.png,b,neutral", "2,1.png,a,sad", "3,1.png,b,sad"]
    with pytest.raises(
        DataError, match=r"different labels for 1 of 2 images, first '0.png' \(happy, neutral\).*votes:anger"
    ):
        read(write(tmp_path / "faces.csv", "\n".join(lines).encode()))


def test_rows_that_repeat_others_and_the_few_images_of_several_labels_are_left_out_and_counted(tmp_path):
    write_images(tmp_path, [f"{n}.png" for n in range(200)])
    lines = ["image,label", *(f"{n}.png,{'happy' if n % 2 else 'sad'}" for n in range(200))]
    write(tmp_path / "faces.csv", "\n".join([*lines, "5.png,happy", "7.png,happy", "4.png,happy"]).encode())
    dataset = read(tmp_path / "faces.csv")
    assert len(dataset) == 199
    assert "4.png" not in dataset.ids.tolist()
    assert "2 rows that repeat another left out" in dataset.notes
    assert [(problem.name, problem.reason) for problem in dataset.problems] == [
        ("4.png", "It has the labels sad, happy.")
    ]


def test_a_column_id_that_tells_persons_is_no_name_of_images(tmp_path):
    write_images(tmp_path, [f"{n}.png" for n in range(4)])
    lines = ["id,image,label", *(f"{n // 2},{n}.png,{WORDS[n]}" for n in range(4))]
    dataset = read(write(tmp_path / "faces.csv", "\n".join(lines).encode()))
    assert dataset.ids.tolist() == ["0.png", "1.png", "2.png", "3.png"]
    assert "images are called by their paths: their own names repeat" in dataset.notes


def test_columns_that_nothing_is_read_from_are_named(tmp_path):
    write_images(tmp_path, ["0.png", "1.png"])
    text = "Unnamed: 0,image,label,fold,is_train,votes:anger\n0,0.png,happy,1,0,2\n1,1.png,sad,2,1,3\n"
    assert "columns that are not used: fold, is_train" in read(write(tmp_path / "faces.csv", text.encode())).notes
    pixel_text = "\n".join(["emotion,pixels,fold", *(f"{WORDS[n]},{numbers(n)},{n}" for n in range(4))])
    assert "columns that are not used: fold" in read(write(tmp_path / "pixels.csv", pixel_text.encode())).notes


@pytest.mark.parametrize(
    ("yes", "no", "first"),
    [("1", "0", ""), ("True", "False", ""), ("1.0", "0.0", ""), ("1", "", ""), ("1", "0", "9.png,0,0,1\n")],
)
def test_a_column_for_each_class_is_read_in_what_programs_write(tmp_path, yes, no, first):
    write_images(tmp_path, [*(f"{n}.png" for n in range(4)), "9.png"])
    lines = [f"{n}.png,{yes if n % 2 == 0 else no},{no if n % 2 == 0 else yes},0\n" for n in range(4)]
    dataset = read(write(tmp_path / "faces.csv", ("image,happy,sad,unknown\n" + first + "".join(lines)).encode()))
    assert [dataset.label_set.expressions[label].value for label in dataset.labels] == [
        find_expression(w) for w in WORDS
    ]
    assert len(dataset.problems) == bool(first)


def test_images_of_several_classes_or_none_can_be_left_out_by_what_the_message_says(tmp_path):
    write_images(tmp_path, [f"{n}.png" for n in range(5)])
    text = "image,happy,sad\n0.png,1,0\n1.png,0,1\n2.png,1,1\n3.png,1,1\n4.png,0,1\n"
    path = write(tmp_path / "faces.csv", text.encode())
    with pytest.raises(MienError, match="--classes .*'happy and sad=-' to leave it out"):
        read(path)
    assert len(read(path, classes="happy and sad=-")) == 3


def test_a_table_of_counts_says_how_votes_are_called(tmp_path):
    write_images(tmp_path, ["0.png", "1.png"])
    with pytest.raises(DataError, match="Where happy, sad are votes, call them votes:happy"):
        read(write(tmp_path / "faces.csv", b"image,happy,sad\n0.png,7,3\n1.png,2,8\n"))


def test_rows_without_a_label_get_no_advice_that_is_refused(tmp_path):
    write_images(tmp_path, [f"{n}.png" for n in range(4)])
    with pytest.raises(MienError, match="2 images of .* have no label, first 1.png") as caught:
        read(write(tmp_path / "faces.csv", b"image,label\n0.png,happy\n1.png,\n2.png,sad\n3.png,\n"))
    assert "--classes" not in str(caught.value)


@pytest.mark.parametrize("text", ["image;emotion\n{}", "sep=;\nimage;emotion\n{}", '"sep=;"\r\nimage;emotion\n{}'])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-8", "utf-16"])
def test_tables_as_excel_writes_them_are_read(tmp_path, text, encoding):
    write_images(tmp_path, [f"Zoé {n}.png" for n in range(4)])
    lines = "".join(f"Zoé {n}.png;{WORDS[n]}\n" for n in range(4))
    assert len(read(write(tmp_path / "faces.csv", text.format(lines).encode(encoding)))) == 4


def test_arrays_that_were_divided_and_cut_to_whole_numbers_are_warned_of(tmp_path):
    np.savez(tmp_path / "faces.npz", images=(GRAYS // 255 + (GRAYS > 200)).clip(0, 1).astype(np.uint8), labels=WORDS)
    dataset = read(tmp_path / "faces.npz")
    assert any(note.startswith("warning: images: 0 and 1 alone") for note in dataset.notes)
    assert set(np.unique(dataset.images).tolist()) == {0, 255}
    for images in (GRAYS, np.zeros_like(GRAYS), np.ones_like(GRAYS)):
        np.savez(tmp_path / "faces.npz", images=images, labels=WORDS)
        assert not any("0 and 1 alone" in note for note in read(tmp_path / "faces.npz").notes)


def test_images_on_another_drive_make_no_fault(tmp_path, monkeypatch):
    write_images(tmp_path, ["0.png", "1.png"])
    path = write(tmp_path / "faces.csv", b"path,label\n0.png,happy\n1.png,sad\n")
    monkeypatch.setattr("mien.datasets.manifest.os.path.relpath", other_drive)
    assert len(read_dataset(path, cache=tmp_path / "cache")) == 2


def other_drive(path, _):
    raise ValueError(f"path is on mount 'D:', start on mount 'C:' ({path})")

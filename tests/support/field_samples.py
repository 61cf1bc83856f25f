"""Small made-up copies of data sets in the forms that the field keeps them in; every image is noise of one size."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

SIZE = 8


def pixels(number: int) -> np.ndarray:
    """Shape (8, 8), uint8: another image for each number."""
    return np.random.default_rng(number).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def write_images(root: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        write(root / name, png(pixels(number)))


def npy(value: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(value))
    return file.getvalue()


@dataclass(frozen=True)
class Made:
    """A data set that was written, and what reading it must give.

    Attributes:
        path: what is given to `read_dataset`.
        samples: for each id its expression, role and group.
        image_file: a file that holds one image, and the id of its sample; None where images lie in one file together.
    """

    path: Path
    samples: dict[str, tuple[str, str, str]]
    image_file: tuple[Path, str] | None = None
    notes: list[str] = field(default_factory=list)


def raf_db(root: Path) -> Made:
    lines = {"train_00001": 1, "train_00002": 4, "train_00003": 7, "test_0001": 6, "test_0002": 3}
    write(root / "EmoLabel/list_patition_label.txt", "".join(f"{name}.jpg {code}\n" for name, code in lines.items()))
    write_images(root / "Image/aligned", [f"{name}_aligned.jpg" for name in lines])
    expected = ["surprise", "happiness", "neutral", "anger", "disgust"]
    samples = {f"{name}.jpg": (label, name.partition("_")[0], "") for name, label in zip(lines, expected, strict=True)}
    return Made(root, samples, (root / "Image/aligned/train_00001_aligned.jpg", "train_00001.jpg"))


def raf_db_numbered(root: Path) -> Made:
    names = {
        "train/1/train_00001_aligned.jpg": "surprise",
        "train/5/train_00002_aligned.jpg": "sadness",
        "test/2/test_0001_aligned.jpg": "fear",
        "test/6/test_0002_aligned.jpg": "anger",
    }
    write_images(root / "DATASET", list(names))
    samples = {name: (label, name.partition("/")[0], "") for name, label in names.items()}
    first = next(iter(names))
    return Made(root, samples, (root / "DATASET" / first, first))


def affectnet(root: Path) -> Made:
    annotated = {
        "train_set/0": ("0", "neutral"),  # text, as in some copies
        "train_set/5": (7, "contempt"),
        "train_set/12": (np.int64(6), "anger"),
        "train_set/13": ("9", None),
        "val_set/3": ("1", "happiness"),
        "val_set/4": ("2", "sadness"),
    }
    for name, (code, _) in annotated.items():
        part, _, stem = name.partition("/")
        write(root / part / "annotations" / f"{stem}_exp.npy", npy(code))
        write(root / part / "annotations" / f"{stem}_val.npy", npy("0.5"))
    names = [name.replace("/", "/images/") + ".jpg" for name in annotated]
    write_images(root, names)
    samples = {
        image: (label, "train" if image.startswith("train") else "test", "")
        for image, (_, label) in zip(names, annotated.values(), strict=True)
        if label
    }
    return Made(root, samples, (root / names[0], names[0]), ["1 image left out, annotated with no expression"])


def ck_plus(root: Path) -> Made:
    lengths = {"S005/001": 6, "S010/002": 3, "S010/004": 5, "S011/001": 4}
    frames = {
        sequence: [
            f"cohn-kanade-images/{sequence}/{sequence.replace('/', '_')}_{n:08d}.png" for n in range(1, count + 1)
        ]
        for sequence, count in lengths.items()
    }
    write_images(root, [name for names in frames.values() for name in names])
    for sequence, code in {"S005/001": 3, "S010/002": 7, "S010/004": 1}.items():
        last = Path(frames[sequence][-1]).stem
        write(root / "Emotion" / sequence / f"{last}_emotion.txt", f"   {code:.7e}\n")
    (root / "Emotion/S011/001").mkdir(parents=True)
    samples = {}
    for sequence, label, peak in (("S005/001", "disgust", 3), ("S010/002", "surprise", 2), ("S010/004", "anger", 3)):
        person = sequence.partition("/")[0]
        samples[frames[sequence][0]] = ("neutral", "", person)
        samples |= {name: (label, "", person) for name in frames[sequence][-peak:]}
    last = frames["S005/001"][-1]
    return Made(root, samples, (root / last, last), ["1 of 4 sequences left out"])


def jaffe(root: Path) -> Made:
    names = {
        "KA.AN1.39.tiff": "anger",
        "KA.DI2.43.tiff": "disgust",
        "KL.FE1.174.tiff": "fear",
        "KL.HA1.158.tiff": "happiness",
        "YM.NE3.51.tiff": "neutral",
        "YM.SA1.55.tiff": "sadness",
        "YM.SU2.59.tiff": "surprise",
    }
    write_images(root, list(names))
    samples = {name: (label, "", name[:2]) for name, label in names.items()}
    return Made(root, samples, (root / "KA.AN1.39.tiff", "KA.AN1.39.tiff"))


def expw(root: Path) -> Made:
    photos = ["angry_actor_1.jpg", "happy people 2.jpg"]
    for number, name in enumerate(photos):
        photo = np.random.default_rng(number).integers(0, 256, (40, 60), dtype=np.uint8)
        write(root / "image/origin" / name, png(photo))
    lines = [
        f"{photos[0]} 0 2 3 11 10 57.5 0",
        f"{photos[1]} 0 10 20 28 18 90.1 3",
        f"{photos[1]} 1 -4 50 66 4 40.0 6",  # over the border
        f"{photos[1]} 0 10 20 28 18 90.1 3",
    ]
    write(root / "label/label.lst", "\n".join(lines) + "\n")
    samples = {
        f"{photos[0]} face 0": ("anger", "", photos[0]),
        f"{photos[1]} face 0": ("happiness", "", photos[1]),
        f"{photos[1]} face 1": ("neutral", "", photos[1]),
    }
    image_file = (root / "image/origin" / photos[0], f"{photos[0]} face 0")
    return Made(root, samples, image_file, ["1 line of label/label.lst left out"])


def parquet_table(file: Path, columns: dict[str, object], names: Sequence[str] | None = None) -> Path:
    """A table as the hub keeps it; `names` are those of the classes that label counts."""
    import json

    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(columns)
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(names)}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, file)
    return file


def parquet(root: Path) -> Made:
    names, samples, number = ["angry", "happy", "sad"], {}, 0
    for role, labels in {"train": [0, 1, 2], "test": [2, 0]}.items():
        cells = []
        for label in labels:
            cells.append({"bytes": png(pixels(number)), "path": f"{number}.png"})
            samples[f"{number}.png"] = (["anger", "happiness", "sadness"][label], role, "")
            number += 1
        parquet_table(root / f"data/{role}-00000-of-00001.parquet", {"image": cells, "label": labels}, names)
    return Made(root, samples)


def arrays(root: Path) -> Made:
    root.mkdir(parents=True, exist_ok=True)
    path = root / "faces.npz"
    np.savez(
        path,
        images=np.stack([pixels(number) for number in range(4)])[..., None],
        labels=np.array([1, 0, 1, 0]),
        classes=np.array(["happy", "sad"]),
        roles=np.array(["train", "train", "test", ""]),
        groups=np.array(["kim", "kim", "lee", ""]),
        ids=np.array(["a", "b", "c", "d"]),
    )
    samples = {
        "a": ("sadness", "train", "kim"),
        "b": ("happiness", "train", "kim"),
        "c": ("sadness", "test", "lee"),
        "d": ("happiness", "", ""),
    }
    return Made(path, samples)


def arrays_folder(root: Path) -> Made:
    samples = {}
    for role, numbers in {"train": [0, 1], "test": [2, 3]}.items():
        write(root / f"x_{role}.npy", npy(np.stack([pixels(number) for number in numbers])))
        write(root / f"y_{role}.npy", npy(["happy", "sad"]))
        samples |= {f"x_{role}[0]": ("happiness", role, ""), f"x_{role}[1]": ("sadness", role, "")}
    return Made(root, samples)


def affectnet_tables(root: Path) -> Made:
    """The release of 2017: the face is a box in each image."""
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = {"training": [("1/a.jpg", 1), ("1/b.jpg", 6), ("2/c.jpg", 10)], "validation": [("3/d.jpg", 0)]}
    samples = {}
    for name, images in rows.items():
        lines = [f"{image},0,0,{SIZE},{SIZE},1.5;2,{code},-0.1,0.2" for image, code in images]
        write(root / f"Manually_Annotated_file_lists/{name}.csv", "\n".join([head, *lines]) + "\n")
    for number, (image, code) in enumerate(pair for images in rows.values() for pair in images):
        padded = np.zeros((SIZE + 4, SIZE + 6), dtype=np.uint8)
        padded[:SIZE, :SIZE] = pixels(number)
        write(root / "Manually_Annotated_Images" / image, png(padded))
        if code < 8:
            label = ("neutral", "happiness", "", "", "", "", "anger")[code]
            samples[image] = (label, "test" if image[0] == "3" else "train", "")
    file = root / "Manually_Annotated_Images/1/a.jpg"
    return Made(root, samples, (file, "1/a.jpg"), ["1 image left out, annotated with no expression (no face 1)"])


def kdef(root: Path) -> Made:
    names = {"AF01/AF01ANS.JPG": "anger", "AF01/AF01AFHL.JPG": "fear", "BM10/BM10SUFR.JPG": "surprise"}
    write_images(root, list(names))
    samples = {name: (label, "", name[1:4]) for name, label in names.items()}
    return Made(root, samples, (root / "AF01/AF01ANS.JPG", "AF01/AF01ANS.JPG"))


def ferg(root: Path) -> Made:
    names = {"aia/aia_anger/aia_anger_1.png": "anger", "ray/ray_joy/ray_joy_22.png": "happiness"}
    names |= {"ray/ray_surprise/ray_surprise_3.png": "surprise"}
    write_images(root, list(names))
    samples = {name: (label, "", name[:3].upper()) for name, label in names.items()}
    first = next(iter(names))
    return Made(root, samples, (root / first, first))


def hdf5(root: Path) -> Made:
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "faces.h5", "w") as file:
        for number, part in enumerate(("Training", "PrivateTest")):
            file[f"{part}_pixel"] = np.stack([pixels(2 * number), pixels(2 * number + 1)]).astype(np.float32)
            file[f"{part}_label"] = np.array([b"happy", b"sad"])
    samples = {}
    for part, role in (("Training", "train"), ("PrivateTest", "test")):
        samples |= {f"{part}_pixel[0]": ("happiness", role, ""), f"{part}_pixel[1]": ("sadness", role, "")}
    return Made(root / "faces.h5", samples, notes=["Training_pixel: float32 from 0 to 255"])


# For each form the reader that must take it, and what writes a made-up copy of it.
FORMS = {
    "raf-db": ("raf-db", raf_db),
    "raf-db, numbered": ("raf-db", raf_db_numbered),
    "affectnet": ("affectnet", affectnet),
    "ck-plus": ("ck-plus", ck_plus),
    "affectnet, tables": ("affectnet", affectnet_tables),
    "jaffe": ("jaffe", jaffe),
    "kdef": ("kdef", kdef),
    "ferg": ("ferg", ferg),
    "expw": ("expw", expw),
    "parquet": ("parquet", parquet),
    "numpy": ("numpy", arrays),
    "numpy, folder": ("numpy", arrays_folder),
    "numpy, hdf5": ("numpy", hdf5),
}

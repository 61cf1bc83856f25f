"""FER+'s votes joined to image files, by their names or by their pixels."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.datasets.ferplus import SAME_PIXELS
from mien.datasets.reading import read_dataset
from mien.errors import DataError
from mien.images import png_bytes
from mien.labels import EIGHT

VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
USAGES = ["Training"] * 4 + ["PublicTest", "PrivateTest"] * 2
EMOTIONS = [3, 4, 3, 4, 3, 4, 3, 4]  # happiness and sadness
NAMES = {3: "happy", 4: "sad"}


def smooth(seed: int) -> np.ndarray:
    """An image that JPEG changes little, as it does a face."""
    small = np.random.default_rng(seed).integers(40, 215, (6, 6), dtype=np.uint8)
    return cv2.resize(small, (48, 48), interpolation=cv2.INTER_CUBIC)


IMAGES = [smooth(seed) for seed in range(8)]


def row(number: int) -> str:
    """Votes by which each row can be told: its number for surprise; the last row is called no face by all."""
    return "0,0,0,0,0,0,0,0,0,10" if number == 7 else f"1,{2 * number},{number},0,0,0,0,0,0,0"


@pytest.fixture
def votes(tmp_path) -> Path:
    names = [f"fer{number:07d}.png" if number != 7 else "" for number in range(8)]
    rows = [f"{usage},{name},{row(n)}" for n, (usage, name) in enumerate(zip(USAGES, names, strict=True))]
    path = tmp_path / "votes" / "fer2013new.csv"
    path.parent.mkdir()
    path.write_text("\n".join([VOTES_HEADER, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def table(votes) -> Path:
    lines = ["emotion,pixels,Usage"]
    for emotion, image, usage in zip(EMOTIONS, IMAGES, USAGES, strict=True):
        lines.append(f"{emotion},{' '.join(map(str, image.ravel()))},{usage}")
    path = votes.parent / "fer2013.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def named(folder: Path, encode=png_bytes, images=IMAGES) -> Path:
    """The images as users of Kaggle have them: folders by expression, and FER2013's roles before other numbers."""
    for number, image in enumerate(images):
        path = folder / NAMES[EMOTIONS[number]] / f"{USAGES[number]}_{900 - number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image))
    return folder


def surprise(dataset) -> dict[str, float]:
    column = dataset.votes[:, EIGHT.expressions.index("surprise")]
    return dict(zip(dataset.ids.tolist(), column.tolist(), strict=True))


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_of_the_script_is_joined_by_name_and_labelled_by_the_votes(tmp_path, votes, packed):
    folder = tmp_path / "export"
    for number in range(7):
        path = folder / FOLDERS[USAGES[number]] / f"fer{number:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(IMAGES[number]))
    (folder / "FER2013Train" / "label.csv").write_text("fer0000000.png,4,0\n", encoding="utf-8")
    if packed:
        with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
            for file in folder.rglob("*.*"):
                archive.write(file, file.relative_to(folder).as_posix())
        folder = tmp_path / "export.zip"
    dataset = read_dataset(folder, votes=votes, cache=None)
    assert [dataset.count(role) for role in (Role.TRAIN, Role.VALIDATION, Role.TEST)] == [4, 2, 1]
    assert surprise(dataset) == {f"{FOLDERS[USAGES[n]]}/fer{n:07d}.png": n for n in range(7)}
    assert dataset.label_set == EIGHT
    # Row 0 has one vote, for neutral; the others have the most for happiness.
    answers = {name: EIGHT.expressions[label] for name, label in zip(dataset.ids, dataset.labels, strict=True)}
    assert answers["FER2013Train/fer0000000.png"] == "neutral"
    assert set(answers.values()) == {"neutral", "happiness"}
    [problem] = dataset.problems
    assert (problem.name, problem.reason) == ("FER2013Train/label.csv", "No row of the votes names it.")


@pytest.mark.parametrize("encode", [png_bytes, jpeg])
def test_images_of_other_names_are_joined_by_their_pixels(tmp_path, votes, table, encode):
    dataset = read_dataset(named(tmp_path / "faces", encode), votes=votes, cache=None)
    for number in range(8):
        assert surprise(dataset)[f"{NAMES[EMOTIONS[number]]}/{USAGES[number]}_{900 - number}.jpg"] == number % 7
    assert [EIGHT.expressions[label] for label in dataset.labels] == ["happiness"] * 4 + ["sadness"] * 4
    [note] = dataset.notes
    assert note.startswith(f"votes joined by pixels: {8 if encode is png_bytes else 0} images equal a row")
    assert dataset.other_votes.sum() == 10


def test_another_size_is_made_after_the_join(tmp_path, votes, table):
    folder = named(tmp_path / "faces", jpeg)
    large, usual = (read_dataset(folder, votes=votes, size=size, cache=None) for size in (64, None))
    assert large.size == (64, 64)
    np.testing.assert_array_equal(large.votes, usual.votes)


def test_copies_of_one_picture_get_the_row_of_their_role_and_each_row_once(tmp_path, votes, table):
    """The same pixels in training (rows 0 and 2, happiness) and test (row 5, sadness): votes 0, 2 and 5."""
    images = list(IMAGES)
    images[2] = images[5] = images[0]
    text = table.read_text(encoding="utf-8").splitlines()
    pixels = text[1].split(",")[1]
    for number in (2, 5):
        emotion, _, usage = text[number + 1].split(",")
        text[number + 1] = f"{emotion},{pixels},{usage}"
    table.write_text("\n".join(text) + "\n", encoding="utf-8")
    dataset = read_dataset(named(tmp_path / "faces", jpeg, images), votes=votes, cache=None)
    found = surprise(dataset)
    assert found["sad/PrivateTest_895.jpg"] == 5
    assert {found["happy/Training_900.jpg"], found["happy/Training_898.jpg"]} == {0, 2}
    assert "3 images have several rows with equal pixels" in dataset.notes[1]


def test_an_image_that_no_row_is_about_has_no_votes_and_is_counted(tmp_path, votes, table):
    folder = named(tmp_path / "faces")
    (folder / "happy" / "Training_1.jpg").write_bytes(png_bytes(smooth(99)))
    dataset = read_dataset(folder, votes=votes, cache=None)
    [position] = np.flatnonzero(dataset.ids == "happy/Training_1.jpg")
    assert not dataset.votes[position].any()
    assert "1 image has no votes" in dataset.notes[-1]


def test_a_difference_beyond_the_threshold_is_another_picture(tmp_path, votes, table):
    images = [image.astype(int) + 3 for image in IMAGES]
    assert SAME_PIXELS < 3
    folder = named(tmp_path / "faces", images=[np.clip(image, 0, 255).astype(np.uint8) for image in images])
    with pytest.raises(DataError, match="0 of 8"):
        read_dataset(folder, votes=votes, cache=None)


def test_what_cannot_be_joined_is_one_sentence(tmp_path, votes):
    folder = named(tmp_path / "faces")
    with pytest.raises(DataError, match=r"Put fer2013\.csv beside"):
        read_dataset(folder, votes=votes, cache=None)
    small = ["emotion,pixels,Usage", *(f"{e},1 2 3 4,{u}" for e, u in zip(EMOTIONS, USAGES, strict=True))]
    (votes.parent / "fer2013.csv").write_text("\n".join(small), encoding="utf-8")
    with pytest.raises(DataError, match="not resized"):
        read_dataset(folder, votes=votes, cache=None)


def test_votes_for_other_roles_are_refused(tmp_path, votes):
    folder = tmp_path / "faces"
    for number in range(7):
        role = "test" if USAGES[number] == "Training" else "train"
        path = folder / role / NAMES[EMOTIONS[number]] / f"fer{number:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(IMAGES[number]))
    with pytest.raises(DataError, match="7 of 7"):
        read_dataset(folder, votes=votes, cache=None)


def test_a_table_that_comes_to_lie_beside_the_votes_is_noticed_by_the_cache(tmp_path, votes, table):
    folder, cache = named(tmp_path / "faces"), tmp_path / "cache"
    first = read_dataset(folder, votes=votes, cache=cache)
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[2], lines[4] = lines[4], lines[2]
    table.write_text("\n".join(lines), encoding="utf-8")
    second = read_dataset(folder, votes=votes, cache=cache)
    assert surprise(first) != surprise(second)


SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "facial-recognition-dataset.zip").exists(), reason="needs FER2013")
def test_the_jpeg_copy_of_fer2013_is_joined(tmp_path):
    """Every fifteenth picture: reading all of them takes most of a minute."""
    with (
        zipfile.ZipFile(SHARED / "facial-recognition-dataset.zip") as whole,
        zipfile.ZipFile(tmp_path / "faces.zip", "w") as few,
    ):
        pictures = [name for name in whole.namelist() if name.endswith(".jpg")][::15]
        for name in pictures:
            few.writestr(name, whole.read(name))
    dataset = read_dataset(tmp_path / "faces.zip", votes=SHARED / "fer2013new.csv", cache=None)
    assert len(pictures) > 2000
    assert len(dataset) > 0.98 * len(pictures)  # the rest are no faces, by most of the votes
    assert not any("no votes" in note for note in dataset.notes)


def test_votes_that_are_given_as_data_are_told_from_data(votes):
    with pytest.raises(DataError, match="FER\\+'s votes and no images. Give FER2013 as the data"):
        read_dataset(votes)

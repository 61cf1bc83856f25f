"""FER2013's table in the forms people have, and the votes of FER+."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from mien.datasets.classes import parse_classes
from mien.datasets.dataset import Role
from mien.datasets.fer2013 import read_csv
from mien.datasets.samples import ReadOptions
from mien.errors import DataError
from mien.labels import EIGHT, SEVEN

RNG = np.random.default_rng(11)
USAGES = ["Training", "Training", "PublicTest", "PrivateTest"]
IMAGES = RNG.integers(0, 256, (4, 6, 6), dtype=np.uint8)
EMOTIONS = [0, 3, 6, 1]
VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def pixels(image):
    return " ".join(map(str, image.ravel()))


def names(dataset):
    return [dataset.label_set.expressions[label].value for label in dataset.labels]


def table(header="emotion,pixels,Usage", line="{emotion},{pixels},{usage}", end="\n"):
    rows = [
        line.format(emotion=emotion, pixels=pixels(image), usage=usage)
        for emotion, image, usage in zip(EMOTIONS, IMAGES, USAGES, strict=True)
    ]
    return end.join([header, *rows]) + end


def read(path, **options):
    return read_csv(path, ReadOptions(**options))


@pytest.mark.parametrize(
    ("name", "text", "roles"),
    [
        ("fer2013.csv", table(), ["train", "train", "validation", "test"]),
        ("fer2013.csv", "\ufeff" + table(end="\r\n"), ["train", "train", "validation", "test"]),
        (
            "icml_face_data.csv",
            table("emotion, Usage, pixels", "{emotion},{usage},{pixels}"),
            ["train", "train", "validation", "test"],
        ),
        ("train.csv", table("emotion,pixels", '{emotion},"{pixels}"'), [""] * 4),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_form_gives_the_same_images(tmp_path, name, text, roles, compressed):
    path = tmp_path / (name + ".gz" * compressed)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if compressed else data)
    dataset = read(path, classes=None if any(roles) else parse_classes("fer2013"))
    np.testing.assert_array_equal(dataset.images, IMAGES)
    assert names(dataset) == [SEVEN.expressions[number].value for number in EMOTIONS]
    assert dataset.roles.tolist() == roles
    assert dataset.name == name.removesuffix(".csv")
    assert ("FER2013" in dataset.licence) == any(roles)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0,1 2 3,Training", "3 pixels do not make a square"),
        ("0,1 2 3 256,Training", "pixel value of 256"),
        ("0,1 2 3 99999999999999999999999,Training", "pixel value of"),
        ("0,1 -2 3 4,Training", "not whole numbers"),
        ("0,1 2.5 3 4,Training", "not whole numbers"),
        ("0,,Training", "not whole numbers"),
        ("9,1 2 3 4,Training", "label is '9'"),
        ("hapy,1 2 3 4,Training", "label is 'hapy'"),
        ("0,1 2 3 4,Reserve", "role is 'Reserve'"),
        ("0", "none for"),
    ],
)
def test_a_bad_row_is_listed_with_its_number(tmp_path, row, reason):
    path = tmp_path / "fer2013.csv"
    path.write_text(table() + row + "\n", encoding="utf-8")
    dataset = read(path)
    assert len(dataset) == 4
    [problem] = dataset.problems
    assert problem.name == "row 5"
    assert reason in problem.reason


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pixels\n1 2 3 4\n", "no column 'emotion'"),
        ("name,age\nx,3\n", "no table of pixels"),
        (VOTES_HEADER + "\n", "votes of FER"),
        ("", "no table of pixels"),
        ("emotion,pixels\n", "None of the 0 rows"),
        ("emotion,pixels\n9,1 2 3\n", r"None of the 1 rows .* First: row 1: Its 3 pixels"),
        ("emotion,pixels\n9,1 2 3 4\n", "nothing says which expressions"),
        ("emotion,pixels,Usage\n3,1 2 3 4,Training\n", "one expression only"),
    ],
)
def test_a_table_that_is_no_data_set_is_refused(tmp_path, text, sentence):
    path = tmp_path / "test.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        read(path)


def test_a_cut_off_gz_is_refused(tmp_path):
    path = tmp_path / "fer2013.csv.gz"
    path.write_bytes(gzip.compress(table().encode())[:-40])
    with pytest.raises(DataError, match=r"not a complete \.gz"):
        read(path)


def test_rows_of_another_size_are_resized_or_refused(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(table() + "0,1 2 3 4,Training\n", encoding="utf-8")
    assert "1 of 5 images resized from 2x2 to 6x6 pixels" in read(path).notes
    with pytest.raises(DataError, match="row 5"):
        read(path, on_mismatch="refuse")


def write_votes(path, usages=USAGES, vote="4"):
    rows = [f"{usage},fer{n}.png,{vote},0,0,1,3,2,0,{n},1,2" for n, usage in enumerate(usages)]
    path.write_text("\n".join([VOTES_HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def test_votes_are_joined_by_row_and_survive_a_bad_row(tmp_path):
    path = tmp_path / "fer2013.csv"
    lines = table().splitlines()
    lines[2] = "0,broken,Training"
    path.write_text("\n".join(lines), encoding="utf-8")
    dataset = read(path, votes=write_votes(tmp_path / "fer2013new.csv"))
    assert dataset.label_set == EIGHT
    assert dataset.labels.tolist() == [0, 6, 1]
    #      anger disgust fear happiness sadness surprise neutral contempt
    assert dataset.votes.tolist() == [[3, 2, 0, 0, 1, 0, 4, contempt] for contempt in (0, 2, 3)]
    assert dataset.other_votes.tolist() == [[1, 2]] * 3


@pytest.mark.parametrize(
    ("usages", "vote", "sentence"),
    [
        (USAGES[:3], "4", "has 3 rows"),
        (USAGES[::-1], "4", "in row 1 .* says 'PrivateTest'"),
        (USAGES, "many", "Row 1 .* not a number"),
        (USAGES, "-1", "not a number of people"),
    ],
)
def test_votes_that_do_not_go_with_the_images_are_refused(tmp_path, usages, vote, sentence):
    path = tmp_path / "fer2013.csv"
    path.write_text(table(), encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        read(path, votes=write_votes(tmp_path / "votes.csv", usages, vote))


def test_votes_need_the_table_of_votes(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(table(), encoding="utf-8")
    with pytest.raises(DataError, match="is not FER"):
        read(path, votes=path)
    with pytest.raises(DataError, match="no file"):
        read(path, votes=tmp_path / "absent.csv")


SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "fer2013.csv.gz").exists(), reason="needs FER2013")
def test_fer2013_has_its_counts():
    dataset = read(SHARED / "fer2013.csv.gz", votes=SHARED / "fer2013new.csv", on_mismatch="refuse")
    assert len(dataset) == 35_887
    assert [dataset.count(role) for role in (Role.TRAIN, Role.VALIDATION, Role.TEST)] == [28_709, 3_589, 3_589]
    assert np.bincount(dataset.labels).tolist() == [4953, 547, 5121, 8989, 6077, 4002, 6198]
    assert not dataset.problems

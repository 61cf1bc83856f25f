"""What a description counts, and how the command shows it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli.data import app
from mien.datasets import reading
from mien.datasets.dataset import Dataset, Problem, Role
from mien.datasets.description import describe
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError
from mien.labels import Expression, LabelSet

TWO = LabelSet.of([Expression.HAPPINESS, Expression.NEUTRAL])
HEADER = "emotion,pixels,Usage\n"


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "default_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("COLUMNS", "200")


def make_dataset(pictures, labels, roles, **others):
    """One image of 2x2 pixels per number in `pictures`; equal numbers are exact copies."""
    images = np.stack([np.full((2, 2), picture, dtype=np.uint8) for picture in pictures])
    return Dataset(
        name="tiny",
        images=images,
        labels=np.array(labels, dtype=np.int64),
        label_set=TWO,
        roles=np.array([role.value for role in roles], dtype="U10"),
        ids=np.array([f"{index}.png" for index in range(len(images))]),
        source="somewhere",
        licence="Free.",
        **others,
    )


def run(*arguments):
    return CliRunner().invoke(app, ["describe", *map(str, arguments)])


def test_images_are_counted_by_role_and_expression():
    dataset = make_dataset([1, 2, 3, 4], [0, 0, 1, 1], [Role.TRAIN, Role.TRAIN, Role.TRAIN, Role.TEST])
    assert describe(dataset).counts == {
        "train": {"happiness": 2, "neutral": 1},
        "test": {"happiness": 0, "neutral": 1},
    }


def test_samples_without_a_role_are_counted_as_such():
    dataset = make_dataset([1, 2], [0, 1], [Role.NONE, Role.NONE])
    assert describe(dataset).counts == {"no role": {"happiness": 1, "neutral": 1}}


def test_copies_are_told_apart_by_where_they_lie():
    train, validation, test = Role.TRAIN, Role.VALIDATION, Role.TEST
    copies = describe(
        make_dataset(
            pictures=[1, 1, 2, 2, 3, 3, 3, 4, 5],
            labels=[0, 0, 0, 1, 1, 1, 1, 0, 1],
            roles=[train, train, train, test, train, validation, test, train, test],
        )
    ).copies
    assert (copies.groups, copies.images, copies.conflicting) == (3, 7, 1)
    assert copies.within == {"train": 2, "validation": 0, "test": 0}
    assert copies.across == {
        ("validation", "train"): 1,
        ("test", "train"): 2,
        ("test", "validation"): 1,
    }


def test_a_description_is_plain_json():
    dataset = make_dataset(
        [1, 1], [0, 1], [Role.TRAIN, Role.TEST], notes=("a note",), problems=(Problem("x.png", "It is empty."),)
    )
    values = describe(dataset).to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["copies"]["across"] == [{"images_of": "test", "copied_in": "train", "count": 1}]
    assert values["problems"] == [{"name": "x.png", "reason": "It is empty."}]


def test_the_command_describes_drawn_faces():
    result = run("drawn:count=40,size=20")
    assert result.exit_code == 0
    assert "40 gray images of 20x20 pixels" in result.output
    assert "no two images are equal" in result.output
    assert "no restriction" in result.output
    assert describe(draw_faces(40, size=20)).fingerprint in result.output


def test_the_command_joins_votes(tmp_path):
    table, votes = tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv"
    table.write_text(HEADER + "3,1 2 3 4,Training\n4,5 6 7 8,PrivateTest\n", encoding="utf-8")
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes.write_text(
        f"Usage,Image name,{names}\nTraining,a.png,0,9,1,0,0,0,0,0,0,0\nPrivateTest,b.png,2,0,0,8,0,0,0,0,0,0\n",
        encoding="utf-8",
    )
    assert "with the votes of several taggers" in run(table, "--votes", votes).output
    assert json.loads(run(table, "--votes", votes, "--json").output)["votes"] is True
    assert json.loads(run(table, "--json").output)["votes"] is False


def test_names_in_brackets_are_shown_as_they_are(tmp_path):
    folder = tmp_path / "faces [bold]"
    for name in ("happy", "sad"):
        (folder / name).mkdir(parents=True)
        (folder / name / "[red].png").write_bytes(b"")
        (folder / name / "1.pgm").write_bytes(b"P5 2 2 255 abcd" if name == "happy" else b"P5 2 2 255 efgh")
    result = run(folder)
    assert result.exit_code == 0, result.exception
    assert "faces [bold]" in result.output
    assert "happy/[red].png" in result.output


def test_json_lists_every_problem_and_the_table_the_first_ten(tmp_path):
    rows = ["3,1 2 3 4,Training", "4,5 6 7 8,Training", *["3,1 2 3,Training"] * 12]
    table = tmp_path / "faces.csv"
    table.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    assert "12 could not be used, 10 of them shown" in run(table).output
    assert len(json.loads(run(table, "--json").output)["problems"]) == 12


def test_errors_reach_the_caller_as_mien_errors(tmp_path):
    assert isinstance(run(tmp_path / "absent").exception, DataError)
    assert isinstance(run(tmp_path, "--reader", "folder").exception, DataError)

import json

import pytest
from rich.console import Console

from mien.errors import DataError
from mien.inference.detector import Box, Face
from mien.inference.results import CSV_COLUMNS, FaceResult, Outcome, PhotoResult, describe, printable, results_table
from mien.labels import SEVEN, Expression

POINTS = ((10.0, 10.0), (20.0, 10.0), (15.0, 15.0), (11.0, 20.0), (19.0, 20.0))
PROBABILITIES = tuple(zip(SEVEN.expressions, (0.05, 0.0, 0.05, 0.7, 0.1, 0.05, 0.05), strict=True))


def face(number=1, outcome=Outcome.OK, probabilities=PROBABILITIES):
    return FaceResult(Face(number, Box(5.0, 5.0, 20.0, 30.0), POINTS, 0.9), outcome, probabilities)


def photo(*faces, outcome=Outcome.OK, reason="", name="a.jpg"):
    return PhotoResult(name, outcome, reason, faces, 64, 48, ("16 bits scaled to 8",), "tiny@123")


SHARES = {"disgust": 0.01, "anger": 0.44, "happiness": 0.06, "fear": 0.42, "sadness": 0.07}
MIXED = face(1, Outcome.MIXED, tuple((Expression(name), share) for name, share in SHARES.items()))
RESULT = photo(face(), face(2, Outcome.UNSURE), face(3, Outcome.TOO_SMALL, ()))
NO_FACE = photo(outcome=Outcome.NO_FACE, reason="No face was found.", name="b.jpg")


@pytest.mark.parametrize("result", [RESULT, NO_FACE, photo(MIXED, outcome=Outcome.MIXED, reason="Two.")])
def test_json_gives_the_result_back(result):
    assert PhotoResult.from_json(result.to_json()) == result
    assert "\n" not in result.to_json()


def test_json_has_plain_values_under_plain_names():
    value = json.loads(RESULT.to_json())
    assert value["faces"][0]["label"] == "happiness"
    assert value["faces"][0]["probabilities"]["happiness"] == 0.7
    assert value["faces"][0]["landmarks"]["left_eye"] == [20.0, 10.0]
    assert value["faces"][0]["box"] == {"x": 5.0, "y": 5.0, "width": 20.0, "height": 30.0}
    assert value["faces"][1]["label"] is None
    assert json.loads(NO_FACE.to_json())["faces"] == []


def test_only_an_ok_face_has_a_label():
    sure, unsure, small = RESULT.faces
    assert (sure.label, sure.probability) == (Expression.HAPPINESS, 0.7)
    assert (unsure.label, unsure.most_probable) == (None, Expression.HAPPINESS)
    assert (small.label, small.most_probable, small.probability) == (None, None, None)


def test_faces_are_described_in_a_few_words():
    assert [describe(result) for result in RESULT.faces] == ["happiness 70%", "unsure (happiness 70%)", "too small"]


def test_a_mixed_face_has_two_labels_with_their_shares_and_no_other():
    assert describe(MIXED) == "mixed (anger 44%, fear 42%)"
    assert MIXED.mixture == ((Expression.ANGER, 0.44), (Expression.FEAR, 0.42))
    assert MIXED.to_dict()["mixture"] == {"anger": 0.44, "fear": 0.42}
    assert (MIXED.label, MIXED.most_probable, MIXED.probability) == (None, Expression.ANGER, 0.44)
    assert [result.mixture for result in RESULT.faces] == [(), (), ()]
    assert RESULT.to_dict()["faces"][0]["mixture"] == {}
    (row,) = photo(MIXED, outcome=Outcome.MIXED, reason="Two.").to_rows()
    assert (row["outcome"], row["face_outcome"], row["label"]) == ("mixed", "mixed", "")


def test_rows_have_one_face_each_and_photos_without_faces_are_not_lost():
    rows = RESULT.to_rows() + NO_FACE.to_rows()
    assert all(tuple(row) == CSV_COLUMNS for row in rows)
    assert [row["label"] for row in rows] == ["happiness", "", "", ""]
    assert [row["face_outcome"] for row in rows] == ["ok", "unsure", "too_small", ""]
    assert rows[0]["happiness"] == 0.7
    assert rows[0]["contempt"] == ""
    assert rows[3]["outcome"] == "no_face"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a result"),
        ("{}", "not a result"),
        ('{"schema": 99}', "pip install --upgrade mien"),
        ('{"schema": "one"}', "not a result"),
    ],
)
def test_other_json_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        PhotoResult.from_json(text)


def test_a_notebook_shows_a_table_and_no_markup_of_the_file_name():
    page = photo(face(), name="<script>.jpg")._repr_html_()
    assert "<table>" in page
    assert "happiness 70%" in page
    assert "<script>" not in page
    assert "</b>: no_face. No face was found.</p>" in NO_FACE._repr_html_()


def test_the_terminal_table_names_photos_faces_and_reasons():
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(results_table([RESULT, NO_FACE, photo(face(), name="[bold]x.jpg")]))
    text = captured.get()
    for words in (
        "a.jpg",
        "happiness 70%",
        "unsure (happiness 70%)",
        "too small",
        "No face was found; 16",
        "[bold]x.jpg",
    ):
        assert words in text
    assert "16 bits scaled to 8" in text


def test_summaries_are_one_line():
    assert RESULT.summary() == "a.jpg: happiness 70%; unsure (happiness 70%); too small"
    assert NO_FACE.summary() == "b.jpg: no_face. No face was found."


def test_a_file_name_that_is_not_text_can_be_printed():
    broken = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert printable(broken) == "caf\\udce9.jpg"
    result = photo(face(), name=broken)
    assert PhotoResult.from_json(result.to_json()) == result
    result.summary().encode("utf-8")
    result._repr_html_().encode("utf-8")

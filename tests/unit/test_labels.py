"""Label sets, spellings, and answers carried from one label set to another."""

import numpy as np
import pytest

from mien.errors import DataError, UnknownLabelError
from mien.labels import EIGHT, SEVEN, SIX, Expression, LabelSet, find_expression, labels_text, parse_expression, project


def test_seven_has_the_order_of_fer2013():
    assert [e.value for e in SEVEN.expressions] == [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "sadness",
        "surprise",
        "neutral",
    ]
    assert set(SEVEN.expressions) - set(SIX.expressions) == {Expression.DISGUST}
    assert set(EIGHT.expressions) - set(SEVEN.expressions) == {Expression.CONTEMPT}


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("Suprise", Expression.SURPRISE),
        ("surpise", Expression.SURPRISE),
        ("HAPPY", Expression.HAPPINESS),
        ("03_happy", Expression.HAPPINESS),
        ("Anger", Expression.ANGER),
        (" sad ", Expression.SADNESS),
        ("selfies", None),
        ("", None),
        ("7", None),
    ],
)
def test_spellings(text, expression):
    assert find_expression(text) is expression


def test_an_unknown_spelling_is_an_error_that_helps():
    with pytest.raises(UnknownLabelError, match=r"'surprisse' in train\. Did you mean 'surprise'"):
        parse_expression("surprisse", where="train")
    with pytest.raises(UnknownLabelError, match="Known: anger"):
        parse_expression("xyz")


def test_label_sets_are_known_by_their_expressions():
    assert LabelSet.of(reversed(SIX.expressions)) is SIX
    custom = LabelSet.of([Expression.SADNESS, Expression.ANGER, Expression.SADNESS])
    assert custom == LabelSet("custom", (Expression.ANGER, Expression.SADNESS))
    assert LabelSet.named("eight") is EIGHT
    with pytest.raises(DataError, match="Did you mean 'seven'"):
        LabelSet.named("sevem")


def test_project_drops_and_renormalises():
    seven = np.array([[0.2, 0.5, 0.3, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0]])
    six = project(seven, SEVEN, SIX)
    np.testing.assert_allclose(six[0], [0.4, 0.6, 0, 0, 0, 0])
    np.testing.assert_allclose(six[1], 1 / 6)
    with pytest.raises(DataError, match="cannot answer for disgust"):
        project(six, SIX, SEVEN)
    with pytest.raises(DataError, match="shape"):
        project(six, SEVEN, SIX)


def test_what_callers_say_of_labels_is_read_as_one_text():
    groups = LabelSet.parse("neutral,good=happiness+surprise,bad=anger+fear")
    assert labels_text(groups.expressions) == labels_text(groups) == groups.text
    assert labels_text(np.array(["happy", "sad"])) == "happy,sad"
    assert labels_text(()) == ""


@pytest.mark.parametrize("wrong", [3, [3, "happy"], {"good": 3}, {"good": ["happy", 3]}, {3: "happy"}, [["happy"]]])
def test_what_is_no_text_of_labels_is_refused(wrong):
    with pytest.raises(DataError, match="Labels are a text"):
        labels_text(wrong)

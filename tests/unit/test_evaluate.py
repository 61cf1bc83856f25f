import json

import numpy as np
import pytest

from mien.api.evaluating import _not_measured
from mien.bundle import UnsureRule
from mien.errors import DataError
from mien.evaluation.evaluate import evaluate_predictions, pack_predictions
from mien.labels import SEVEN, SIX, LabelSet
from mien.randomness import generator


def packed(copies, label_set=SIX, source=SEVEN):
    rng = generator(0, "evaluate")
    count = len(copies)
    labels = np.arange(count) % len(label_set)
    return pack_predictions(
        rng.dirichlet(np.ones(len(source)), size=count),
        source,
        label_set,
        labels=labels,
        targets=np.eye(len(label_set))[labels],
        ids=np.arange(count).astype(str),
        copies=np.asarray(copies),
    )


def test_a_model_of_seven_answers_for_six_by_renormalising():
    predictions = packed([False] * 12)
    assert predictions.outputs.shape == (12, 6)
    np.testing.assert_allclose(predictions.outputs.sum(axis=1), 1, rtol=1e-6)


def test_a_model_of_six_cannot_answer_for_seven():
    with pytest.raises(DataError, match="cannot answer for disgust"):
        packed([False] * 7, label_set=SEVEN, source=SIX)


def test_copies_are_told_apart():
    evaluation = evaluate_predictions(packed([True] * 5 + [False] * 7), SIX)
    assert evaluation.copies == 5
    assert evaluation.scores.count == 12
    assert evaluation.leak_free.count == 7


@pytest.mark.parametrize("copies", [[True] * 6, [False] * 6])
def test_without_a_difference_there_is_one_set_of_scores(copies):
    assert evaluate_predictions(packed(copies), SIX).leak_free is None


def test_the_models_own_rule_is_measured():
    rule = UnsureRule(threshold=0.4, risk=0.1, coverage=0.9, measured_on="validation")
    predictions = packed([False] * 60)
    answers = evaluate_predictions(predictions, SIX, rule).answers
    assert answers.value == 0.4
    assert answers.coverage.value == pytest.approx((predictions.probabilities.max(axis=1) >= 0.4).mean())


def test_an_evaluation_is_plain_json():
    rule = UnsureRule(threshold=0.4, risk=0.1, coverage=0.9, measured_on="validation")
    values = evaluate_predictions(packed([True] * 5 + [False] * 7), SIX, rule).to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_numbers_of_images_that_differ_are_refused():
    with pytest.raises(DataError, match=r"Received: \[1, 2\]"):
        pack_predictions(
            np.full((2, 7), 1 / 7),
            SEVEN,
            SEVEN,
            labels=np.zeros(2, np.int64),
            targets=np.eye(7)[[0, 0]],
            ids=np.array(["only one"]),
            copies=np.zeros(2, bool),
        )


def test_what_a_models_groups_hold_is_measured_as_theirs():
    groups = LabelSet.parse("neutral,positive=happiness+surprise,negative=anger+fear+sadness")
    assert _not_measured(SIX, SIX, groups) == []
    assert _not_measured(SEVEN, SEVEN, groups) == ["not measured, since the model does not know it: disgust"]

import json
from dataclasses import replace

import numpy as np
import pytest

from mien.errors import DataError
from mien.evaluation.metrics import METRICS, Scores, leak_free, score
from mien.labels import SIX, Expression, LabelSet
from mien.predictions import Predictions
from mien.randomness import generator

THREE = LabelSet.of([Expression.ANGER, Expression.FEAR, Expression.HAPPINESS])


def predictions(outputs, labels, targets=None, copies=None):
    labels = np.asarray(labels, dtype=np.int64)
    outputs = np.asarray(outputs, dtype=np.float32)
    return Predictions(
        outputs=outputs,
        targets=np.eye(outputs.shape[1], dtype=np.float32)[labels] if targets is None else np.float32(targets),
        labels=labels,
        ids=np.array([f"image {index}" for index in range(len(labels))]),
        copies=np.zeros(len(labels), bool) if copies is None else np.asarray(copies),
    )


# Right: 0 0 0 0 1 1 (no happiness); given: 0 0 1 2 1 1.
SMALL = predictions(
    [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1]],
    [0, 0, 0, 0, 1, 1],
)


def test_small_case_by_hand():
    scores = score(SMALL, THREE)
    assert scores.confusion == ((2, 1, 1), (0, 2, 0), (0, 0, 0))
    assert scores.accuracy.value == pytest.approx(4 / 6)
    assert scores.balanced_accuracy.value == pytest.approx((0.5 + 1.0) / 2)
    assert scores.macro_f1.value == pytest.approx((4 / 6 + 4 / 5) / 2)
    assert scores.top2.value == pytest.approx(5 / 6)
    assert scores.majority is Expression.ANGER
    assert scores.majority_share.value == pytest.approx(4 / 6)
    assert scores.log_loss.value == pytest.approx(-np.log([0.7, 0.6, 0.3, 0.1, 0.5, 0.8]).mean(), abs=1e-6)
    assert scores.brier.value == pytest.approx((0.14 + 0.26 + 0.74 + 1.34 + 0.38 + 0.06) / 6, abs=1e-6)
    # Bins of 1/15: 0.7 (one right, one wrong), 0.6, 0.4 (wrong), 0.5 and 0.8.
    assert scores.calibration_error.value == pytest.approx((0.4 + 0.4 + 0.4 + 0.5 + 0.2) / 6, abs=1e-6)


def test_a_class_without_images_has_no_recall_and_does_not_count_in_means():
    happiness = score(SMALL, THREE).classes[2]
    assert happiness.support == 0
    assert happiness.recall is None
    assert happiness.f1 is None
    assert happiness.precision is not None
    assert happiness.precision.value == 0.0
    assert happiness.predicted.value == pytest.approx(1 / 6)


def test_a_class_that_is_never_given_has_no_precision_and_an_f1_of_zero():
    fear = score(predictions([[0.9, 0.1, 0.0]] * 3, [0, 0, 1]), THREE).classes[1]
    assert fear.precision is None
    assert fear.recall is not None
    assert fear.recall.value == 0.0
    assert fear.f1 is not None
    assert fear.f1.value == 0.0


def test_silent_outputs_count_as_the_first_label_and_are_reported():
    scores = score(predictions([[-1.0, 0.0, -2.0], [0.0, 0.0, 0.0], [0.1, 0.5, 0.4]], [0, 1, 1]), THREE)
    assert scores.undecided == 2
    assert scores.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 0))


def test_votes_are_the_target_of_log_loss_and_set_its_floor():
    votes = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    scores = score(predictions(votes, [0, 0], targets=votes), THREE)
    assert scores.log_loss.value == pytest.approx(np.log(2) / 2)
    assert scores.log_loss_floor == pytest.approx(scores.log_loss.value)
    assert scores.brier.value == 0.0


def test_a_confident_error_costs_no_more_than_the_least_probability():
    scores = score(predictions([[0.0, 1.0, 0.0]], [0]), THREE)
    assert scores.log_loss.value == pytest.approx(-np.log(1e-7))


def test_scores_survive_json():
    scores = score(SMALL, THREE)
    text = json.dumps(scores.to_json(), allow_nan=False)
    assert Scores.from_json(json.loads(text)) == scores


def test_the_bins_of_reliability_are_those_of_the_calibration_error():
    rng = generator(0, "bins")
    many = predictions(rng.dirichlet(np.ones(3), size=300), rng.integers(0, 3, size=300))
    for given in (SMALL, many, many.take(rng.permutation(300))):
        scores = score(given, THREE)
        gaps = [e.count / scores.count * abs(e.accuracy.value - e.confidence) for e in scores.reliability if e.accuracy]
        assert sum(gaps) == pytest.approx(scores.calibration_error.value)
        assert sum(entry.count for entry in scores.reliability) == scores.count
        right = sum(entry.count * entry.accuracy.value for entry in scores.reliability if entry.accuracy)
        assert right / scores.count == pytest.approx(scores.accuracy.value)


def test_leak_free_leaves_out_copies():
    kept = leak_free(replace(SMALL, copies=np.array([True, False, True, False, False, True])))
    assert kept.ids.tolist() == ["image 1", "image 3", "image 4"]
    assert not kept.copies.any()
    assert score(kept, THREE).count == 3


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_an_estimate_of_scores_with_a_text(name):
    metric = METRICS[name]
    scores = score(SMALL, THREE)
    estimate = metric.of(scores)
    assert metric.name == name
    assert estimate.count == scores.count
    assert metric.text(estimate).endswith("n=6")
    assert ("%" in metric.text(estimate)) == metric.format.endswith("%")


@pytest.mark.parametrize(
    ("given", "label_set", "says"),
    [
        (predictions(np.empty((0, 3)), []), THREE, "no images"),
        (SMALL, SIX, r"outputs of shape \(6, 6\)"),
        (predictions([[np.nan, 0.5, 0.5]], [0]), THREE, "finite outputs"),
        (replace(SMALL, labels=np.array([0, 0, 0, 0, 1, 3])), THREE, r"labels in 0\.\.2"),
    ],
)
def test_what_cannot_be_scored_is_refused(given, label_set, says):
    with pytest.raises(DataError, match=says):
        score(given, label_set)

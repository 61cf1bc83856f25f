"""Metrics against scikit-learn, intervals against scipy."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom, binomtest
from sklearn import metrics as reference

from mien.evaluation.calibration import choose_unsure_threshold, fit_temperature
from mien.evaluation.intervals import wilson
from mien.evaluation.metrics import score
from mien.labels import SEVEN
from mien.predictions import Predictions
from mien.randomness import generator


@pytest.fixture(scope="module")
def case():
    rng = generator(3, "reference")
    labels = rng.choice(7, size=900, p=[0.2, 0.02, 0.15, 0.3, 0.13, 0.1, 0.1])
    logits = rng.normal(size=(900, 7)) + 1.5 * np.eye(7)[labels]
    predictions = Predictions(
        outputs=softmax(logits, axis=1).astype(np.float32),
        targets=np.eye(7, dtype=np.float32)[labels],
        labels=labels,
        ids=np.arange(900).astype(str),
        copies=np.zeros(900, bool),
    )
    return predictions, predictions.probabilities.argmax(axis=1), score(predictions, SEVEN)


def test_figures_of_the_whole(case):
    predictions, given, scores = case
    labels, probabilities = predictions.labels, predictions.probabilities
    assert scores.accuracy.value == pytest.approx(reference.accuracy_score(labels, given))
    assert scores.balanced_accuracy.value == pytest.approx(reference.balanced_accuracy_score(labels, given))
    assert scores.macro_f1.value == pytest.approx(reference.f1_score(labels, given, average="macro"))
    assert scores.log_loss.value == pytest.approx(reference.log_loss(labels, probabilities))
    assert scores.top2.value == pytest.approx(reference.top_k_accuracy_score(labels, probabilities, k=2))
    np.testing.assert_array_equal(scores.confusion, reference.confusion_matrix(labels, given))


def test_figures_of_each_class(case):
    predictions, given, scores = case
    expected = reference.precision_recall_fscore_support(predictions.labels, given)
    for entry, precision, recall, f1, support in zip(scores.classes, *expected, strict=True):
        assert entry.precision.value == pytest.approx(precision)
        assert entry.recall.value == pytest.approx(recall)
        assert entry.f1.value == pytest.approx(f1)
        assert entry.support == support


@pytest.mark.parametrize(("successes", "count"), [(0, 9), (1, 9), (9, 9), (4421, 7067), (55, 56), (0, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson(successes, count, level):
    expected = binomtest(successes, count).proportion_ci(confidence_level=level, method="wilson")
    estimate = wilson(successes, count, level)
    assert (estimate.low, estimate.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_bootstrap_of_accuracy_like_figures_agrees_with_wilson(case):
    _, _, scores = case
    # With macro F1 and balanced accuracy there is no formula; log loss and Brier score have the normal one.
    predictions = case[0]
    losses = -np.log(predictions.probabilities[np.arange(900), predictions.labels])
    half = 1.96 * losses.std() / 30
    assert scores.log_loss.high - scores.log_loss.low == pytest.approx(2 * half, rel=0.1)
    assert scores.log_loss.low == pytest.approx(losses.mean() - half, abs=half * 0.15)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_undoes_a_known_scale(scale):
    rng = generator(5, "temperature")
    logits = 2 * rng.normal(size=(20_000, 6))
    labels = np.array([rng.choice(6, p=row) for row in softmax(logits, axis=1)])
    assert fit_temperature(logits * scale, np.eye(6)[labels]) == pytest.approx(scale, rel=0.05)


def test_unsure_threshold_passes_the_exact_binomial_test(case):
    predictions, given, _ = case
    threshold = choose_unsure_threshold(predictions.probabilities, predictions.labels, risk=0.3)
    answered = predictions.probabilities.max(axis=1) >= threshold.value
    wrong = int((answered & (given != predictions.labels)).sum())
    assert 0.3 < threshold.coverage.value < 1
    assert threshold.risk.value == pytest.approx(wrong / answered.sum())
    # 900 top probabilities are searched in at most ten steps.
    assert binom.cdf(wrong, answered.sum(), 0.3) <= 0.05 / 10

"""Metrics against scikit-learn, intervals against scipy."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom, binomtest
from sklearn import metrics as reference

from mien.evaluation.calibration import choose_unsure_threshold, fit_temperature
from mien.evaluation.intervals import mover_mean, wilson, wilson_f1
from mien.evaluation.metrics import _of_few_images, score
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


def drawn_tables(supports, recalls, times):
    """Confusion tables of `times` sets of images, and what their figures are tables of: shares of answers by label."""
    size = len(supports)
    shares = np.stack([np.full(size, (1 - recall) / (size - 1)) for recall in recalls])
    np.fill_diagonal(shares, recalls)
    rng = generator(0, "coverage", str(supports))
    return np.stack(
        [rng.multinomial(n, row, size=times) for n, row in zip(supports, shares, strict=True)], axis=1
    ), shares


@pytest.mark.parametrize(
    ("supports", "recalls", "least"),
    [
        ((200, 150, 300, 180, 120, 3), (0.6, 0.5, 0.8, 0.5, 0.6, 0.5), 0.94),
        ((200, 150, 300, 180, 120, 10), (0.6, 0.5, 0.8, 0.5, 0.6, 0.02), 0.94),
        ((1000, 800, 1500, 900, 700, 12), (0.7, 0.5, 0.85, 0.5, 0.75, 0.3), 0.94),
        ((20, 20, 20, 20, 20, 20), (0.6, 0.5, 0.8, 0.5, 0.6, 0.3), 0.92),
        ((8, 5, 12, 7, 6, 4), (0.6, 0.5, 0.8, 0.5, 0.6, 0.3), 0.89),
    ],
)
def test_intervals_of_means_over_classes_cover_with_few_images(supports, recalls, least):
    """Of 600 sets of images, how often the interval holds what further images would give; a bootstrap: down to 0.81."""
    tables, shares = drawn_tables(supports, recalls, 600)
    expected = shares * np.array(supports)[:, None]
    macro_f1 = np.mean(2 * expected.diagonal() / (expected.sum(axis=0) + expected.sum(axis=1)))
    truth = {"balanced_accuracy": np.mean(recalls), "macro_f1": macro_f1}
    covered = dict.fromkeys(truth, 0)
    for table in tables:
        for name, estimate in _of_few_images(table).items():
            covered[name] += estimate.low <= truth[name] <= estimate.high
    assert all(times / 600 >= least for times in covered.values()), covered


@pytest.mark.parametrize("support", [4, 12, 29])
@pytest.mark.parametrize("recall", [0.02, 0.5, 0.9])
def test_the_interval_of_a_rare_classs_f1_covers(support, recall):
    tables, shares = drawn_tables((support, 150, 300), (recall, 0.6, 0.8), 1000)
    expected = shares * np.array([[support], [150], [300]])
    truth = 2 * expected[0, 0] / (expected[0].sum() + expected[:, 0].sum())
    found = [wilson_f1(int(t[0, 0]), int(t[0].sum()), int(t[:, 0].sum())) for t in tables]
    assert np.mean([one.low <= truth <= one.high for one in found]) > 0.91


def test_the_interval_of_a_mean_of_two_shares_is_near_the_normal_one():
    found = mover_mean([wilson(600, 1000), wilson(800, 1000)], 2000)
    half = 1.96 * (0.6 * 0.4 / 1000 + 0.8 * 0.2 / 1000) ** 0.5 / 2
    assert (found.low, found.value, found.high) == pytest.approx((0.7 - half, 0.7, 0.7 + half), abs=1e-3)

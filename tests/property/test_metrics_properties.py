import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluation.metrics import METRICS, score
from mien.labels import Expression, LabelSet
from mien.predictions import Predictions
from mien.randomness import generator


def random_predictions(seed: int, count: int, classes: int, soft: bool = False) -> Predictions:
    rng = generator(seed, "predictions")
    targets = rng.dirichlet(np.ones(classes), size=count)
    labels = targets.argmax(axis=1)
    return Predictions(
        outputs=(rng.normal(size=(count, classes)) + 0.5 * np.eye(classes)[labels]).astype(np.float32),
        targets=(targets if soft else np.eye(classes)[labels]).astype(np.float32),
        labels=labels,
        ids=np.arange(count).astype(str),
        copies=np.zeros(count, bool),
    )


def label_set(classes: int) -> LabelSet:
    return LabelSet.of(list(Expression)[:classes])


cases = given(seed=st.integers(0, 10_000), count=st.integers(1, 60), classes=st.integers(2, 8), soft=st.booleans())
few = settings(max_examples=25, deadline=None)


@few
@cases
def test_values_lie_in_their_intervals_and_in_their_ranges(seed, count, classes, soft):
    scores = score(random_predictions(seed, count, classes, soft), label_set(classes))
    per_class = [e for c in scores.classes for e in (c.predicted, c.precision, c.recall, c.f1) if e is not None]
    for estimate in [*(metric.of(scores) for metric in METRICS.values()), scores.majority_share, *per_class]:
        assert 0 <= estimate.low <= estimate.value <= estimate.high
    for estimate in [scores.accuracy, scores.balanced_accuracy, scores.macro_f1, scores.top2, *per_class]:
        assert estimate.high <= 1 + 1e-12
    assert scores.brier.high <= 2 + 1e-6
    assert scores.calibration_error.high <= 1
    assert scores.log_loss.value >= scores.log_loss_floor - 1e-6
    assert scores.top2.value >= scores.accuracy.value
    assert sum(map(sum, scores.confusion)) == scores.count == sum(c.support for c in scores.classes)
    assert sum(c.predicted.value for c in scores.classes) == pytest.approx(1)


@few
@cases
def test_the_order_of_the_images_does_not_count(seed, count, classes, soft):
    predictions = random_predictions(seed, count, classes, soft)
    order = generator(seed, "order").permutation(count)
    shuffled = Predictions(
        outputs=predictions.outputs[order],
        targets=predictions.targets[order],
        labels=predictions.labels[order],
        ids=predictions.ids[order],
        copies=predictions.copies[order],
    )
    one, other = (score(entry, label_set(classes)) for entry in (predictions, shuffled))
    assert one.confusion == other.confusion
    for metric in METRICS.values():
        first, second = metric.of(one), metric.of(other)
        assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high))


@few
@given(seed=st.integers(0, 10_000), count=st.integers(1, 60), classes=st.integers(2, 8))
def test_perfect_answers_have_perfect_scores(seed, count, classes):
    predictions = random_predictions(seed, count, classes)
    perfect = Predictions(
        outputs=predictions.targets,
        targets=predictions.targets,
        labels=predictions.labels,
        ids=predictions.ids,
        copies=predictions.copies,
    )
    scores = score(perfect, label_set(classes))
    for metric in METRICS.values():
        assert metric.of(scores).value == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-6)


@few
@given(seed=st.integers(0, 10_000), count=st.integers(1, 60))
def test_of_two_classes_the_second_guess_is_always_among_the_two(seed, count):
    assert score(random_predictions(seed, count, 2), label_set(2)).top2.value == 1.0

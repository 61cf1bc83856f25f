import json

import numpy as np
import pytest

from mien.errors import DataError
from mien.evaluation.calibration import (
    Threshold,
    at_threshold,
    bin_of,
    choose_unsure_threshold,
    fit_temperature,
    reliability,
)
from mien.randomness import generator


def two_classes(confidence, right):
    """Probabilities of two classes, the first given with `confidence`, and labels that say whether that is right."""
    top = np.asarray(confidence, dtype=np.float64)
    return np.stack([top, 1 - top], axis=1), np.where(right, 0, 1)


def test_temperature_of_logits_without_an_error_meets_the_cold_end():
    assert fit_temperature(np.eye(3), np.eye(3)) == pytest.approx(0.05)


def test_temperature_of_logits_that_are_always_wrong_meets_the_hot_end():
    assert fit_temperature(np.eye(3), 1 - np.eye(3)) == pytest.approx(20.0)


def test_temperature_makes_no_difference_to_equal_logits():
    assert fit_temperature(np.full((4, 3), 2.5), np.eye(3)[[0, 1, 2, 0]]) == 1.0


def test_temperature_ignores_a_constant_added_to_a_row():
    rng = generator(0, "logits")
    logits, targets = rng.normal(size=(200, 4)), rng.dirichlet(np.ones(4), size=200)
    shifted = logits + 1000 * rng.normal(size=(200, 1))
    assert fit_temperature(shifted, targets) == pytest.approx(fit_temperature(logits, targets))


def test_reliability_by_hand():
    probabilities, labels = two_classes([0.95, 0.95, 0.95, 0.95, 0.65], [True, True, True, False, True])
    diagram = reliability(probabilities, labels, bins=10)
    filled = {entry.high: entry for entry in diagram if entry.count}
    assert set(filled) == {0.7, 1.0}
    assert filled[1.0].accuracy.value == 0.75
    assert filled[1.0].confidence == pytest.approx(0.95)
    assert [entry.accuracy for entry in diagram if not entry.count] == [None] * 8


def test_upper_edges_of_bins_are_inside():
    assert bin_of(np.array([0.0, 0.5, 0.50001, 1.0]), bins=2).tolist() == [0, 0, 1, 1]


def test_at_threshold_counts_what_is_given_and_what_of_it_is_wrong():
    probabilities, labels = two_classes([0.9, 0.8, 0.7, 0.6], [True, False, True, False])
    threshold = at_threshold(probabilities, labels, 0.7)
    assert threshold.coverage.value == 0.75
    assert threshold.risk.value == pytest.approx(1 / 3)
    assert at_threshold(probabilities, labels, 0.95).risk is None


def test_bins_and_thresholds_of_persons_images_speak_of_other_persons():
    """Ten persons with twenty images each, read rightly or wrongly as a whole: ten witnesses, not two hundred."""
    persons, order = np.repeat(np.arange(10), 20), generator(0, "order").permutation(200)
    probabilities, labels = two_classes(np.full(200, 0.9), persons < 7)
    probabilities[persons >= 8] = 0.5
    alone, grouped, turned = (
        (reliability(p, y, clusters=c), at_threshold(p, y, 0.7, clusters=c))
        for p, y, c in (
            (probabilities, labels, None),
            (probabilities, labels, persons),
            (probabilities[order], labels[order], persons[order]),
        )
    )
    assert turned == grouped
    for one, other in (
        (alone[0][-2].accuracy, grouped[0][-2].accuracy),
        (alone[1].coverage, grouped[1].coverage),
        (alone[1].risk, grouped[1].risk),
    ):
        assert other.value == one.value
        assert other.high - other.low > 2 * (one.high - one.low)


def test_a_threshold_survives_json():
    probabilities, labels = two_classes([0.9, 0.8], [True, False])
    for value in (0.5, 0.99):
        threshold = at_threshold(probabilities, labels, value)
        assert Threshold.from_json(json.loads(json.dumps(threshold.to_json()))) == threshold


def test_unsure_threshold_is_zero_when_a_label_may_always_be_given():
    probabilities, labels = two_classes(np.linspace(0.6, 1.0, 300), np.full(300, True))
    threshold = choose_unsure_threshold(probabilities, labels, risk=0.1)
    assert threshold.value == 0.0
    assert threshold.coverage.value == 1.0


def test_unsure_threshold_is_none_when_no_threshold_keeps_the_promise():
    probabilities, labels = two_classes(np.linspace(0.6, 1.0, 300), np.arange(300) % 2 == 0)
    assert choose_unsure_threshold(probabilities, labels, risk=0.1) is None
    assert choose_unsure_threshold(*two_classes([0.9], [True]), risk=0.1) is None


def test_unsure_threshold_keeps_its_promise_on_further_images():
    """Of 60 thresholds chosen on 500 images each, at most a few (5 % of 60 expected at worst) break the promise."""
    broken = 0
    for seed in range(60):
        rng = generator(seed, "confidence")
        top = rng.uniform(0.5, 1.0, size=500)
        threshold = choose_unsure_threshold(*two_classes(top, rng.uniform(size=500) < top), risk=0.15)
        # Calibrated by construction: the true risk of a threshold t is the mean of 1 - p over [t, 1].
        broken += threshold is not None and (1 - threshold.value) / 2 > 0.15
    assert broken <= 6


def test_unsure_threshold_keeps_its_promise_for_other_persons():
    """Of 60 thresholds chosen on 40 persons with 30 images each, of whom each is read well or badly as a whole."""
    broken = {"with groups": 0, "without": 0}
    for seed in range(60):
        rng = generator(seed, "persons")
        persons = np.repeat(np.arange(40), 30)
        top = rng.uniform(0.5, 1.0, size=len(persons))
        # A person is a hard one with a probability of 1 - the confidence that is usual: the risk from t on is again
        # the mean of 1 - p over [t, 1], and the errors of a person come together.
        luck = rng.uniform(size=40)[persons]
        probabilities, labels = two_classes(top, luck < top)
        for how, clusters in (("with groups", persons), ("without", None)):
            threshold = choose_unsure_threshold(probabilities, labels, risk=0.2, clusters=clusters)
            broken[how] += threshold is not None and (1 - threshold.value) / 2 > 0.2
    assert broken["with groups"] <= 6
    assert broken["without"] >= 12


def test_groups_that_say_nothing_leave_the_unsure_threshold_as_it_is():
    rng = generator(0, "confidence")
    top = rng.uniform(0.5, 1.0, size=500)
    probabilities, labels = two_classes(top, rng.uniform(size=500) < top)
    alone = choose_unsure_threshold(probabilities, labels, risk=0.2)
    assert alone is not None
    for clusters in (np.arange(500), np.zeros(500, dtype=np.int64)):
        assert choose_unsure_threshold(probabilities, labels, risk=0.2, clusters=clusters) == alone
    pairs = choose_unsure_threshold(probabilities, labels, risk=0.2, clusters=np.arange(500) // 2)
    assert pairs is not None
    assert pairs.value >= alone.value - 0.02


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.2])
def test_an_impossible_risk_is_refused(risk):
    with pytest.raises(DataError, match="between 0 and 1"):
        choose_unsure_threshold(*two_classes([0.9], [True]), risk=risk)


@pytest.mark.parametrize("wrong", [np.empty((0, 2)), np.array([[np.nan, 1.0]]), np.array([0.5, 0.5])])
def test_what_are_no_probabilities_is_refused(wrong):
    labels = np.zeros(len(wrong), dtype=np.int64)
    with pytest.raises(DataError, match="Expected probabilities"):
        reliability(wrong, labels)
    with pytest.raises(DataError, match="Expected logits"):
        fit_temperature(wrong, wrong)

"""Paired comparisons against independent implementations, on random tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix

from mien.evaluation.comparison import (
    compare,
    compare_means,
    holm,
    mcnemar,
    mean_estimate,
    paired_difference,
    t_quantile,
)
from mien.evaluation.metrics import METRICS, image_values, score
from mien.labels import SIX
from support.fake_records import answers


@pytest.mark.parametrize("seed", range(40))
def test_mcnemar_is_the_binomial_test_of_the_discordant_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(6, size=int(rng.integers(20, 7_000)))
    first, second = (
        np.where(rng.random(len(labels)) < rng.uniform(0.3, 0.7), labels, rng.integers(6, size=len(labels)))
        for _ in range(2)
    )
    table = confusion_matrix(first == labels, second == labels, labels=[True, False])
    only_first, only_second = int(table[0, 1]), int(table[1, 0])
    test = mcnemar(only_first, only_second)
    exact = stats.binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert test.exact == pytest.approx(exact, rel=1e-9)
    mid = exact - stats.binom.pmf(only_first, only_first + only_second, 0.5)
    if only_first != only_second:
        assert test.mid == pytest.approx(mid, rel=1e-9)
    found = compare((first == labels)[None], (second == labels)[None])
    assert found.p == test.mid
    assert found.discordant == only_first + only_second
    assert found.difference.value == pytest.approx(accuracy_score(labels, first) - accuracy_score(labels, second))


def test_mcnemar_meets_published_figures() -> None:
    # Fagerland, Lydersen & Laake (2013), airway hyper-responsiveness before and after transplantation (1 and 7).
    test = mcnemar(1, 7)
    assert test.exact == pytest.approx(0.0703, abs=5e-5)
    assert test.mid == pytest.approx(0.0391, abs=5e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_pair_agrees_with_a_paired_bootstrap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.random(800) < 0.6
    second = np.where(rng.random(800) < 0.7, first, rng.random(800) < 0.5)
    ours = compare(first[None], second[None]).difference
    theirs = stats.bootstrap(
        (first.astype(float), second.astype(float)),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours.value == pytest.approx(first.mean() - second.mean())
    # The other is made of draws: an end differs by a few images.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=4 / 800)


def test_the_interval_of_a_pair_covers() -> None:
    """Bonett and Price's interval of 40 to 1,000 images and few to many discordant ones, in 4,000 draws each."""
    rng = np.random.default_rng(0)
    for count, more, less in itertools.product((40, 200, 1_000), (0.01, 0.1, 0.3), (0.0, 0.05, 0.2)):
        drawn = rng.multinomial(count, [more, less, 1 - more - less], size=4_000)
        kinds, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
        found = [paired_difference(int(a), int(b), count) for a, b in kinds]
        covered = sum(int(n) for n, e in zip(times, found, strict=True) if e.low <= more - less <= e.high) / 4_000
        assert covered > 0.935, (count, more, less, covered)


@pytest.mark.parametrize("metric", METRICS)
def test_what_images_say_of_a_figure_has_the_spread_of_a_bootstrap(metric: str) -> None:
    predictions = answers((300, 90, 250, 400, 120, 200), skill=1.3)
    values, scores = image_values(predictions, metric), score(predictions, SIX)
    estimate = METRICS[metric].of(scores)
    assert values.mean() == pytest.approx(estimate.value)
    half = 1.96 * values.std() / len(values) ** 0.5
    # The draws behind the calibration error are mirrored and cut, and it is not linear near 0.
    assert half == pytest.approx(
        (estimate.high - estimate.low) / 2, rel=0.35 if metric == "calibration_error" else 0.08
    )


@pytest.mark.parametrize("seed", range(10))
def test_holm_is_closed_testing_with_bonferroni(seed: int) -> None:
    p = np.random.default_rng(seed).random(6) ** 3
    members = [s for size in range(1, 7) for s in itertools.combinations(range(6), size)]
    expected = [
        max(min(1.0, len(subset) * min(p[list(subset)])) for subset in members if index in subset) for index in range(6)
    ]
    assert holm(p.tolist()) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(10))
def test_the_mean_over_seeds_has_the_interval_of_a_t_test(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.6, 0.02, size=int(seed) + 2)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = mean_estimate(values.tolist())
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), expected.low, expected.high))
    assert found.count == len(values)


def test_t_quantiles_are_those_of_the_printed_tables() -> None:
    assert [round(t_quantile(0.975, freedom), 3) for freedom in (1, 2, 8, 30)] == [12.706, 4.303, 2.306, 2.042]


def simulated(rng: np.random.Generator, seeds: int, images: int, spread: float) -> np.ndarray:
    """Answers of a network whose skill differs by seed, on images of different difficulty; shape (seeds, images)."""
    skill = rng.normal(0.0, spread, size=(seeds, 1))
    return rng.random((seeds, images)) < 1 / (1 + np.exp(-(skill + rng.normal(0.2, 1.0, size=(1, images)))))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("spreads", [(0.0, 0.0), (0.1, 0.1), (0.3, 0.3), (1.0, 1.0), (0.0, 1.0), (0.1, 0.5)])
def test_equal_networks_are_called_different_in_at_most_five_of_a_hundred_cases(seeds: int, spreads) -> None:
    """The true size, where the seed matters not at all, a little, as much as the images, far more, and to one alone."""
    rng = np.random.default_rng(seeds)
    trials, images = 1_500, 80
    difficulty = rng.normal(0.2, 1.0, size=(trials, 1, images))
    sides = []
    for spread in spreads:
        skill = rng.normal(0.0, spread, size=(trials, seeds, 1))
        sides.append(rng.random((trials, seeds, images)) < 1 / (1 + np.exp(-(skill + difficulty))))
    size = np.mean([compare(first, second).p < 0.05 for first, second in zip(*sides, strict=True)])
    # Three standard errors of 1,500 trials are 1.7 points; with Satterthwaite's degrees of freedom it is up to 0.14.
    assert size < 0.067


@pytest.mark.parametrize("seed", range(6))
def test_where_images_tell_everything_the_test_over_seeds_is_welchs(seed: int) -> None:
    """The variance over images is nought where all images say the same of a seed."""
    rng = np.random.default_rng(seed)
    first, second = (rng.normal(0.0, spread, size=(seed + 2, 1)).repeat(40, axis=1) for spread in (0.1, 0.4))
    found, expected = compare_means(first, second), stats.ttest_ind(first[:, 0], second[:, 0], equal_var=False)
    # Alike images add the difference's own variance of nought; so does their mean.
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((interval.low, interval.high))


def test_three_seeds_are_enough_to_tell_fourteen_points_among_a_hundred_pairs() -> None:
    """Fires where a correction for many pairs leaves a lead undecided that a single seed each would have shown."""
    rng = np.random.default_rng(0)
    first, second = (rng.random((3, 7_000)) < share + rng.normal(0.0, 0.003, size=(3, 1)) for share in (0.59, 0.45))
    assert 120 * compare(first, second).p < 0.05


def test_with_several_seeds_images_alone_would_raise_many_false_alarms() -> None:
    rng = np.random.default_rng(0)
    pairs = [(simulated(rng, 3, 4_000, 0.3), simulated(rng, 3, 4_000, 0.3)) for _ in range(60)]
    of_images = sum(compare(first[:1], second[:1]).p < 0.05 for first, second in pairs)
    of_both = sum(compare(first, second).p < 0.05 for first, second in pairs)
    assert of_images > 20
    assert of_both <= 8

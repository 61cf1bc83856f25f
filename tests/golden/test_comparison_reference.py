"""Paired comparisons against independent implementations, on random tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix

from mien.evaluation.comparison import compare, holm, mcnemar, mean_estimate, paired_bootstrap, t_quantile


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
def test_the_paired_bootstrap_agrees_with_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.random(800) < 0.6
    second = np.where(rng.random(800) < 0.7, first, rng.random(800) < 0.5)
    ours = paired_bootstrap(first, second)
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
    # Both are made of draws: an end differs by a few images.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=4 / 800)


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


def test_with_several_seeds_equal_networks_are_seldom_called_different() -> None:
    rng = np.random.default_rng(0)
    false_alarms = sum(compare(simulated(rng, 3, 400, 0.15), simulated(rng, 3, 400, 0.15)).p < 0.05 for _ in range(300))
    # A test at 5 % raises 15 of 300, give or take 8; a cautious one fewer.
    assert false_alarms <= 23


def test_with_several_seeds_images_alone_would_raise_many_false_alarms() -> None:
    rng = np.random.default_rng(0)
    pairs = [(simulated(rng, 3, 4_000, 0.3), simulated(rng, 3, 4_000, 0.3)) for _ in range(60)]
    of_images = sum(compare(first[:1], second[:1]).p < 0.05 for first, second in pairs)
    of_both = sum(compare(first, second).p < 0.05 for first, second in pairs)
    assert of_images > 20
    assert of_both <= 8

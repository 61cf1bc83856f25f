import numpy as np
import pytest
from scipy.stats import spearmanr

from mien.errors import DataError
from mien.evaluation.intervals import (
    Draws,
    Estimate,
    _added_to_correlation,
    _wilson,
    mean_of,
    percentile_estimate,
    rank_correlation,
    share_of,
    wilson,
)
from mien.randomness import generator


def test_an_estimate_reads_as_value_interval_and_count():
    estimate = Estimate(0.625, 0.6137, 0.6362, count=7067)
    assert str(estimate) == "62.5% [61.4%, 63.6%], n=7067"
    assert f"{estimate:.2f}" == "0.62 [0.61, 0.64], n=7067"
    assert f"{estimate}" == str(estimate)


def test_an_estimate_survives_json():
    estimate = wilson(3, 7)
    assert Estimate.from_json(estimate.to_json()) == estimate


@pytest.mark.parametrize("count", [1, 2, 30, 7067])
def test_wilson_is_sound_where_nothing_or_everything_succeeds(count):
    none, all_ = wilson(0, count), wilson(count, count)
    assert none.value == none.low == 0.0
    assert 0.0 < none.high < 1.0
    assert all_.value == all_.high == 1.0
    assert all_.low == pytest.approx(1.0 - none.high)


@pytest.mark.parametrize(("successes", "count"), [(0, 0), (3, 2), (-1, 5)])
def test_a_share_that_is_not_defined_is_refused(successes, count):
    with pytest.raises(DataError, match=f"Received: {successes} of {count}"):
        wilson(successes, count)


def test_sums_over_draws_scatter_as_sums_of_draws_do():
    values = generator(1, "values").normal(size=(400, 1))
    sums = Draws(400, "draws", resamples=2000).sums(values)
    assert sums.mean() == pytest.approx(values.sum(), abs=3 * values.std() * 20 / 2000**0.5)
    assert sums.std() == pytest.approx(values.std() * 400**0.5, rel=0.06)


def test_sums_over_draws_count_every_image_once_a_draw():
    sums = Draws(37, "draws", resamples=11).sums(np.ones((37, 2)))
    np.testing.assert_array_equal(sums, np.full((11, 2), 37.0))


@pytest.mark.parametrize("kept", [0, 10**6])
def test_draws_are_the_same_in_pieces_and_when_asked_for_again(monkeypatch, kept):
    values, kinds = generator(1, "values").normal(size=(9, 2)), np.array([0, 0, 1, 1, 1, 3, 3, 3, 3])
    whole = Draws(9, "draws", resamples=7).counts_and_sums(kinds, 4, values)
    monkeypatch.setattr("mien.evaluation.intervals._DRAWN_AT_ONCE", 20)
    monkeypatch.setattr("mien.evaluation.intervals._KEPT", kept)
    draws = Draws(9, "draws", resamples=7)
    for _ in range(2):
        for one, other in zip(draws.counts_and_sums(kinds, 4, values), whole, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(whole[0].sum(axis=1), np.full(7, 9.0))
    assert not whole[0][:, 2].any()


def test_percentiles_leave_out_what_is_not_defined_and_hold_the_value():
    resampled = np.array([np.nan, *np.linspace(0.2, 0.4, 201)])
    estimate = percentile_estimate(0.3, resampled, count=5)
    assert (estimate.low, estimate.high) == (pytest.approx(0.205), pytest.approx(0.395))
    assert percentile_estimate(0.9, resampled, count=5).high == 0.9


def test_rank_correlation_covers_that_of_the_population_and_is_scipys():
    random, spearman = np.random.default_rng(8), 6 / np.pi * np.arcsin(0.7 / 2)
    inside = 0
    for _ in range(400):
        first, second = random.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 100).T
        found = rank_correlation(first, second)
        assert found.value == pytest.approx(spearmanr(first, second).statistic)
        assert found.count == 100
        inside += found.low <= spearman <= found.high
    assert 0.92 < inside / 400 < 0.98


def test_rank_correlation_at_its_ends_with_ties_and_without_an_order():
    values = np.array([3.0, 1.0, 2.0, 2.0, 5.0])
    assert rank_correlation(values, values**3) == Estimate(1.0, 1.0, 1.0, 5)
    assert rank_correlation(values, -values) == Estimate(-1.0, -1.0, -1.0, 5)
    tied = np.array([1.0, 1.0, 2.0, 3.0, 2.0])
    assert rank_correlation(values, tied).value == pytest.approx(spearmanr(values, tied).statistic)
    assert rank_correlation(values, np.ones(5)) is None
    assert rank_correlation(values[:3], tied[:3]) is None


def persons_of_a_test(random, persons=30, images=12, shared=0.8):
    """Two values an image, of which what is shared by the images of a person is the larger part; their correlation."""
    covariance = [[1, 0.6], [0.6, 1]]
    own = random.multivariate_normal([0, 0], covariance, (persons, images))
    common = random.multivariate_normal([0, 0], covariance, (persons, 1))
    values = (shared**0.5 * common + (1 - shared) ** 0.5 * own).reshape(-1, 2)
    return values[:, 0], values[:, 1], np.repeat(np.arange(persons), images)


def test_rank_correlation_of_persons_images_covers_that_of_other_persons():
    random, spearman = np.random.default_rng(3), 6 / np.pi * np.arcsin(0.6 / 2)
    alone = grouped = 0
    for _ in range(200):
        first, second, persons = persons_of_a_test(random)
        one, other = rank_correlation(first, second), rank_correlation(first, second, persons)
        assert other.value == pytest.approx(one.value)
        alone += one.low <= spearman <= one.high
        grouped += other.low <= spearman <= other.high
    assert alone / 200 < 0.7
    assert 0.9 < grouped / 200 < 0.99


def test_groups_that_say_nothing_and_another_order_leave_a_rank_correlation_as_it_is():
    random = np.random.default_rng(3)
    first, second, persons = persons_of_a_test(random, persons=6, images=5)
    first = first.round(1)  # with equal ones
    alone = rank_correlation(first, second)
    for same in (np.arange(30), np.zeros(30, dtype=np.int64)):
        assert rank_correlation(first, second, same) == alone
    order = random.permutation(30)
    grouped = rank_correlation(first, second, persons)
    assert rank_correlation(first[order], second[order], persons[order] * 7 + 2) == grouped
    assert rank_correlation(first, first, persons) == Estimate(1.0, 1.0, 1.0, 30)


def test_what_an_image_adds_to_a_rank_correlation_is_what_leaving_it_out_takes():
    random = np.random.default_rng(5)
    first, second = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 300).T
    first = first.round(0)  # many equal ones
    value = rank_correlation(first, second).value
    without = [rank_correlation(np.delete(first, k), np.delete(second, k)).value for k in range(300)]
    np.testing.assert_allclose(
        _added_to_correlation(first, second, value), 299 * (value - np.array(without)), atol=0.05
    )


@pytest.mark.parametrize("most", [1.0, np.inf])
def test_a_mean_over_persons_images_speaks_of_other_persons(most):
    persons = np.repeat(np.arange(10), 20)
    values = np.repeat([0.2, 1.0], 100)
    alone, grouped = mean_of(values, None, "test", most=most), mean_of(values, persons, "test", most=most)
    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    assert grouped.high <= most
    order = np.random.default_rng(0).permutation(200)
    assert mean_of(values[order], persons[order], "test", most=most) == grouped
    assert mean_of(values, np.arange(200), "test", most=most) == alone


def test_a_part_of_the_images_that_is_of_one_person_tells_as_much_as_one_image():
    clusters = np.repeat(np.arange(10), 6)
    among = clusters == 3
    for right in (0, 3, 6):
        successes = (np.arange(60) % 6) < right
        found = share_of(successes, clusters, among=among)
        one = _wilson(right / 6, 1.0, 6, 0.95)
        assert (found.value, found.count) == (right / 6, 6)
        assert (found.low, found.high) == pytest.approx((one.low, one.high))
        # Without groups, and where a part is of several, as ever.
        assert share_of(successes, None, among=among) == wilson(right, 6)
        assert share_of(successes, clusters, among=clusters < 4) == share_of(successes[:24], clusters[:24])

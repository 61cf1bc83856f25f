"""Paired comparisons: what holds for any two results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mien.errors import DataError
from mien.evaluation.comparison import compare, groups, holm, mcnemar, mean_estimate

few = settings(max_examples=80, deadline=None)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 30))
pairs = shapes.flatmap(lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape)))


@few
@given(pairs)
def test_the_order_of_two_results_turns_the_difference_and_nothing_else(pair) -> None:
    there, back = compare(*pair), compare(*pair[::-1])
    assert back.p == pytest.approx(there.p)
    assert back.difference.value == pytest.approx(-there.difference.value)
    assert there.difference.low <= there.difference.value <= there.difference.high
    assert 0.0 <= there.p <= 1.0


@few
@given(arrays.arrays(bool, shapes))
def test_a_result_does_not_differ_from_itself(right) -> None:
    found = compare(right, right)
    assert (found.difference.value, found.p) == (0.0, 1.0)


@few
@given(st.integers(0, 300), st.integers(0, 300))
def test_the_mid_p_lies_below_the_exact_p(first, second) -> None:
    test = mcnemar(first, second)
    assert 0.0 <= test.mid <= test.exact <= 1.0


@few
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_and_keeps_their_order(p) -> None:
    adjusted = holm(p)
    assert all(given <= after <= 1.0 for given, after in zip(p, adjusted, strict=True))
    order = sorted(range(len(p)), key=p.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


@few
@given(st.integers(0, 9).flatmap(lambda size: arrays.arrays(bool, (size, size))))
def test_two_share_a_group_exactly_when_they_do_not_differ(matrix) -> None:
    different = np.triu(matrix, 1) | np.triu(matrix, 1).T
    found = groups(different)
    for first in range(len(different)):
        for second in range(len(different)):
            together = any(first in group and second in group for group in found)
            assert together == (not different[first, second])
    assert not any(set(a) < set(b) for a in found for b in found)


def test_an_interval_that_excludes_nought_goes_with_a_small_p() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(2_000) < 0.6
    second = np.where(rng.random(2_000) < 0.08, False, first)
    found = compare(first[None], second[None])
    assert found.difference.low > 0
    assert found.p < 0.001


@pytest.mark.parametrize(
    ("first", "second"),
    [(np.ones((1, 3), bool), np.ones((1, 4), bool)), (np.ones((1, 0), bool), np.ones((1, 0), bool))],
)
def test_results_on_different_images_are_refused(first, second) -> None:
    with pytest.raises(DataError, match="one shape"):
        compare(first, second)


def test_an_interval_needs_two_values() -> None:
    with pytest.raises(DataError, match="at least two"):
        mean_estimate([0.5])
    with pytest.raises(DataError, match="0 or more"):
        mcnemar(-1, 2)

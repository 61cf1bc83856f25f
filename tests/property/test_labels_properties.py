"""Laws of labels: maps are total, label sets do not depend on order, projected probabilities sum to 1."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mien.labels import EIGHT, SPELLINGS, Expression, LabelSet, find_expression, parse_expression, project

expressions = st.sets(st.sampled_from(list(Expression)), min_size=1)


@given(st.sampled_from(list(Expression)), st.sampled_from([str.upper, str.title, lambda text: f" 01_{text}-"]))
@settings(deadline=None)
def test_every_expression_is_found_under_its_own_name(expression, spell):
    assert parse_expression(spell(expression.value)) is expression


@given(st.sampled_from(sorted(SPELLINGS)))
@settings(deadline=None)
def test_every_spelling_in_the_table_can_be_reached(spelling):
    assert find_expression(spelling) is SPELLINGS[spelling]


@given(st.text())
@settings(deadline=None)
def test_any_text_has_an_answer(text):
    assert find_expression(text) is None or find_expression(text) in Expression


@given(expressions)
@settings(deadline=None)
def test_a_label_set_numbers_its_expressions_in_canonical_order(chosen):
    label_set = LabelSet.of(chosen)
    assert set(label_set.expressions) == chosen
    assert [label_set.index(expression) for expression in label_set.expressions] == list(range(len(chosen)))
    assert list(label_set.expressions) == [expression for expression in Expression if expression in chosen]


@given(expressions, npst.arrays(np.float64, (5, 8), elements=st.floats(0, 1, allow_subnormal=False)))
@settings(deadline=None)
def test_projected_probabilities_sum_to_one_and_keep_their_ratios(chosen, probabilities):
    target = LabelSet.of(chosen)
    projected = project(probabilities, EIGHT, target)
    np.testing.assert_allclose(projected.sum(axis=1), 1)
    columns = probabilities[:, [EIGHT.index(expression) for expression in target.expressions]]
    mass = columns.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(projected * mass, columns, atol=1e-12)

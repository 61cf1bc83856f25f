import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.inference.detector import Box, Face
from mien.inference.recognizer import Recognizer
from mien.inference.results import CSV_COLUMNS, FaceResult, Outcome, PhotoResult
from mien.labels import EIGHT, SEVEN, SIX

numbers = st.floats(-1e6, 1e6)
points = st.tuples(numbers, numbers)


@st.composite
def face_results(draw):
    labels = draw(st.sampled_from([SIX, SEVEN, EIGHT])).expressions
    weights = draw(st.lists(st.floats(1e-6, 1), min_size=len(labels), max_size=len(labels)))
    outcome = draw(st.sampled_from([Outcome.OK, Outcome.UNSURE, Outcome.TOO_SMALL]))
    probabilities = (
        () if outcome is Outcome.TOO_SMALL else zip(labels, (w / sum(weights) for w in weights), strict=True)
    )
    landmarks = draw(st.one_of(st.just(()), st.tuples(*[points] * 5)))
    face = Face(draw(st.integers(1, 99)), Box(*(draw(numbers) for _ in range(4))), landmarks, draw(st.floats(0, 1)))
    return FaceResult(face, outcome, tuple(probabilities))


photo_results = st.builds(
    PhotoResult,
    photo=st.text(),
    outcome=st.sampled_from(Outcome),
    reason=st.text(),
    faces=st.lists(face_results(), max_size=3).map(tuple),
    width=st.integers(0, 10**6),
    height=st.integers(0, 10**6),
    notes=st.lists(st.text(), max_size=2).map(tuple),
    model=st.text(),
)


@settings(max_examples=60, deadline=None)
@given(photo_results)
def test_every_result_survives_json(result):
    assert PhotoResult.from_json(result.to_json()) == result
    assert PhotoResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False))) == result


@settings(max_examples=30, deadline=None)
@given(photo_results)
def test_every_result_has_a_row_per_face_and_at_least_one(result):
    rows = result.to_rows()
    assert len(rows) == max(1, len(result.faces))
    assert all(tuple(row) == CSV_COLUMNS for row in rows)
    result._repr_html_()
    result.summary()


@pytest.fixture(scope="module")
def recognizer(bundle):
    return Recognizer(bundle, threads=1)


# Three or four columns look like the channels of one image in colour, and are refused.
WIDTHS = st.integers(1, 70).filter(lambda width: width not in (3, 4))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(1, 70), WIDTHS, st.integers(0, 2**32 - 1))
def test_probabilities_of_any_crops_sum_to_one(recognizer: Recognizer, count, height, width, seed):
    crops = np.random.default_rng(seed).integers(0, 256, (count, height, width), dtype=np.uint8)
    results = recognizer.recognize_crops(crops)
    assert len(results) == count
    for result in results:
        assert math.isclose(sum(value for _, value in result.probabilities), 1, abs_tol=1e-9)

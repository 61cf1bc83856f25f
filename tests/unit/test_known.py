"""Known sets: recognised whole, damaged and mixed up, by their counts alone."""

import numpy as np
import pytest

from mien.datasets.dataset import Dataset, Role
from mien.datasets.known import KNOWN_SETS, count_roles, match_known
from mien.datasets.synthetic import draw_faces
from mien.labels import LabelSet


def dataset_of(counts):
    label_set = LabelSet.of(expression for numbers in counts.values() for expression in numbers)
    labels, roles = [], []
    for role, numbers in counts.items():
        for expression, number in numbers.items():
            labels += [label_set.index(expression)] * number
            roles += [role.value] * number
    return Dataset(
        name="counted",
        images=np.zeros((len(labels), 1, 1), dtype=np.uint8),
        labels=np.array(labels),
        label_set=label_set,
        roles=np.array(roles, dtype="U10"),
        ids=np.arange(len(labels)).astype(str),
        source="here",
        licence="none",
    )


@pytest.mark.parametrize("known", KNOWN_SETS, ids=lambda known: known.name)
def test_every_known_set_is_recognised_by_its_counts(known):
    match = match_known(dataset_of(known.counts))
    assert (match.known.name, match.differences, match.exchanged) == (known.name, (), None)


def named(name):
    return next(known for known in KNOWN_SETS if known.name == name)


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("FER2013", 35_887),
        ("FER2013, without disgust", 35_340),
        ("FER2013's training images", 28_709),
        ("RAF-DB, aligned, single label", 15_339),
    ],
)
def test_totals_are_the_published_ones(name, total):
    assert named(name).total == total


def test_exchanged_roles_are_named():
    counts = dict(named("FER2013").counts)
    counts[Role.TEST], counts[Role.VALIDATION] = counts[Role.VALIDATION], counts[Role.TEST]
    match = match_known(dataset_of(counts))
    assert (match.known.name, match.exchanged) == ("FER2013", "validation and test")


def test_exchanged_classes_are_named():
    swapped = {}
    for role, numbers in named("FER2013").counts.items():
        swapped[role] = dict(numbers)
        one, other = "anger", "fear"
        swapped[role][one], swapped[role][other] = numbers[other], numbers[one]
    match = match_known(dataset_of({role: {e: swapped[role][e] for e in numbers} for role, numbers in swapped.items()}))
    assert match.exchanged == "anger and fear"


def test_missing_images_are_counted():
    full = dataset_of(named("FER2013, without disgust").counts)
    match = match_known(full.take(np.arange(100, len(full))))
    assert match.known.name == "FER2013, without disgust"
    [difference] = match.differences
    assert (difference.known - difference.found, difference.role) == (100, Role.TRAIN)


def test_other_sets_are_not_taken_for_a_known_one():
    drawn = draw_faces(70, size=16)
    assert match_known(drawn) is None
    assert sum(sum(numbers.values()) for numbers in count_roles(drawn).values()) == 70

"""Laws of splits: nothing that belongs together is separated, fractions nest, the hash is the assignment's."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, apply_protocol, copies_in_training
from mien.datasets.synthetic import draw_faces
from mien.errors import ProtocolError
from mien.labels import Expression, LabelSet

LABELS = LabelSet.of([Expression.ANGER, Expression.HAPPINESS, Expression.NEUTRAL])


@st.composite
def datasets(draw, *, copies=True):
    count = draw(st.integers(30, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    faces = rng.integers(0, count, count) if copies else np.arange(count)
    images = np.stack([np.full((2, 2), face, dtype=np.uint8) for face in faces])
    persons = rng.integers(0, count, count)
    groups = np.where(rng.random(count) < 0.3, persons.astype(str), "") if draw(st.booleans()) else None
    return Dataset(
        name="made up",
        images=images,
        labels=np.where(np.arange(count) < 3, np.arange(count), rng.integers(0, 3, count)),
        label_set=LABELS,
        roles=np.full(count, "", dtype="U10"),
        ids=np.array([f"s{n}" for n in range(count)]),
        source="here",
        licence="none",
        groups=groups,
    )


def split_or_skip(dataset, spec):
    try:
        return apply_protocol(dataset, spec)
    except ProtocolError:
        assume(False)


def roles_of(split):
    return {
        name: role
        for role, samples in (("train", split.train), ("validation", split.validation), ("test", split.test))
        for name in samples.ids.tolist()
    }


seeds = st.integers(0, 1000)


@given(datasets(), seeds)
@settings(max_examples=40, deadline=None)
def test_no_split_separates_copies_or_groups(dataset, seed):
    roles = roles_of(split_or_skip(dataset, ProtocolSpec(seed=seed, validation_fraction=0.3)))
    assert len(roles) == len(dataset)
    for column in (dataset.sample_hashes, dataset.groups):
        if column is None:
            continue
        for value in set(column.tolist()) - {""}:
            assert len({roles[name] for name in dataset.ids[column == value].tolist()}) == 1


@given(datasets(), seeds, st.floats(0.3, 1), st.floats(0.3, 1))
@settings(max_examples=40, deadline=None)
def test_a_smaller_fraction_is_part_of_a_larger_one(dataset, seed, one, other):
    small, large = (
        split_or_skip(dataset, ProtocolSpec(seed=seed, validation_fraction=0.3, train_fraction=fraction))
        for fraction in sorted((one, other))
    )
    assert set(small.train.ids.tolist()) <= set(large.train.ids.tolist())
    assert small.validation.ids.tolist() == large.validation.ids.tolist()
    assert small.test.ids.tolist() == large.test.ids.tolist()


@given(datasets(), seeds, seeds)
@settings(max_examples=40, deadline=None)
def test_the_hash_changes_exactly_when_the_assignment_does(dataset, one, other):
    first, second = (split_or_skip(dataset, ProtocolSpec(seed=seed, validation_fraction=0.3)) for seed in (one, other))

    def assignment(split):
        samples = (split.train, split.validation, split.test.open(by="t", reason="t", log=lambda opening: None))
        return [(role.hashes.tolist(), role.labels.tolist()) for role in samples]

    assert (first.hash == second.hash) == (assignment(first) == assignment(second))


@given(datasets(copies=False), seeds, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_data_set_does_not_decide_the_roles(dataset, seed, random):
    order = list(range(len(dataset)))
    random.shuffle(order)
    spec = ProtocolSpec(seed=seed, validation_fraction=0.3)
    assert roles_of(split_or_skip(dataset, spec)) == roles_of(split_or_skip(dataset.take(np.array(order)), spec))


@given(datasets(copies=False), seeds, st.floats(0.2, 0.5))
@settings(max_examples=30, deadline=None)
def test_every_expression_gives_its_share(dataset, seed, fraction):
    assume(dataset.groups is None)
    split = split_or_skip(dataset, ProtocolSpec(seed=seed, test_fraction=fraction, validation_fraction=0.3))
    test = split.test.open(by="t", reason="t", log=lambda opening: None)
    for number in range(3):
        wanted = fraction * (dataset.labels == number).sum()
        assert abs((test.labels == number).sum() - wanted) <= 0.5 + 1e-9


FACES = draw_faces(90, label_set=LABELS)


@given(seeds, st.booleans())
@settings(max_examples=15, deadline=None)
def test_near_copies_stay_on_one_side_where_the_protocol_says_so(tmp_path_factory, seed, given_roles):
    """Half of the faces are copies of the others: brighter, shifted or mirrored. Roles are made, or given at random."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(90)
    sources, copies = order[:45], order[45:]
    images, labels = np.array(FACES.images), np.array(FACES.labels)
    for source, copy in zip(sources.tolist(), copies.tolist(), strict=True):
        image = images[source]
        images[copy] = [np.clip(image * 0.8 + 30, 0, 255), np.roll(image, 1, axis=0), image[:, ::-1]][copy % 3]
        labels[copy] = labels[source]
    roles = rng.choice(["train", "validation", "test"], 90) if given_roles else np.full(90, "")
    dataset = replace(FACES, images=images, labels=labels, roles=roles.astype("U10"))
    with patch("mien.datasets.near_copies.default_cache", lambda: tmp_path_factory.getbasetemp()):
        split = split_or_skip(dataset, ProtocolSpec(copies="near", seed=seed, validation_fraction=0.3))
        assert split.hash != apply_protocol(dataset, ProtocolSpec(seed=seed, validation_fraction=0.3)).hash
    place = roles_of(split)
    pairs = [(dataset.ids[source], dataset.ids[copy]) for source, copy in zip(sources, copies, strict=True)]
    torn = {name for pair in pairs if len({place[name] for name in pair}) > 1 for name in pair}
    if not given_roles:
        assert not torn
    in_test = split.test.ids[copies_in_training(split)].tolist()
    assert set(in_test) == {name for name in torn if place[name] == "test"}

"""The protocol: roles, targets, the sealed test, and every refusal."""

from dataclasses import replace

import numpy as np
import pytest

from mien.datasets import protocol
from mien.datasets.dataset import Dataset
from mien.datasets.near_copies import picture_names
from mien.datasets.protocol import ProtocolSpec, apply_protocol, split_heads, taught_together
from mien.errors import ProtocolError
from mien.labels import EIGHT, SEVEN, SIX, Expression, LabelSet

ROLES = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2


def make_dataset(*, per_class=10, label_set=SEVEN, roles=ROLES, images=None, **columns):
    count = per_class * len(label_set)
    if images is None:
        images = np.arange(count * 4, dtype=np.uint32).view(np.uint8).reshape(count, 4, 4)
    labels = np.tile(np.arange(len(label_set)), per_class)
    return Dataset(
        name="made up",
        images=images,
        labels=labels,
        label_set=label_set,
        roles=np.repeat(np.array(roles, dtype="U10"), count // len(roles)),
        ids=np.array([f"sample {n}" for n in range(count)]),
        source="here",
        licence="none",
        **columns,
    )


def opened(split):
    return split.test.open(by="run", reason="evaluation", log=lambda opening: None)


def sizes(split):
    return len(split.train), len(split.validation), len(split.test)


@pytest.mark.parametrize(
    ("spec", "roles", "expected"),
    [
        (ProtocolSpec(), ROLES, (42, 14, 14)),
        (ProtocolSpec(roles="official"), ROLES, (42, 14, 14)),
        (ProtocolSpec(roles="deck", validation_fraction=1 / 6), ROLES, (35, 7, 28)),
        (ProtocolSpec(roles="split"), ROLES, (49, 7, 14)),
        (ProtocolSpec(train_fraction=0.5), ROLES, (21, 14, 14)),
        (ProtocolSpec(), [""], (49, 7, 14)),
        (ProtocolSpec(), ["train"], (49, 7, 14)),
        (ProtocolSpec(), ["train"] * 8 + ["test"] * 2, (49, 7, 14)),
        (ProtocolSpec(), ["train"] * 8 + ["validation"] * 2, (42, 14, 14)),
        (ProtocolSpec(labels="six"), ROLES, (36, 12, 12)),
    ],
)
def test_roles_have_their_sizes(spec, roles, expected):
    split = apply_protocol(make_dataset(roles=roles), spec)
    train, validation, test = sizes(split)
    assert validation == expected[1]
    assert test == expected[2]
    assert train == expected[0]


def test_made_roles_are_stratified():
    split = apply_protocol(make_dataset(per_class=20, roles=[""]), ProtocolSpec())
    assert set(split.counts["validation"].values()) == {2}
    assert set(split.counts["train"].values()) == {14}
    assert np.bincount(opened(split).labels).tolist() == [4] * 7


def test_official_samples_keep_their_place_and_are_not_copied():
    dataset = make_dataset()
    split = apply_protocol(dataset, ProtocolSpec())
    assert split.train.ids.tolist() == dataset.ids[:42].tolist()
    assert np.shares_memory(split.train.images, dataset.images)
    np.testing.assert_array_equal(split.test.images, dataset.images[56:])


def test_expressions_outside_the_label_set_are_left_out_with_a_note():
    split = apply_protocol(make_dataset(), ProtocolSpec(labels="six"))
    assert split.label_set == SIX
    assert split.notes[0] == "10 samples left out: their expression is disgust"
    assert split.counts["train"] == {expression.value: 6 for expression in SIX.expressions}
    assert [SIX.expressions[label] for label in split.train.labels[:3]] == ["anger", "fear", "happiness"]


def test_copies_across_given_roles_are_kept_and_counted():
    dataset = make_dataset()
    images = dataset.images.copy()
    images[56], images[57], images[42] = images[0], images[43], images[1]
    split = apply_protocol(make_dataset(images=images), ProtocolSpec())
    assert split.notes == (
        "1 of 14 validation images has an exact copy in training",
        "1 of 14 test images has an exact copy in training",
        "1 of 14 test images has an exact copy in validation",
    )
    assert np.flatnonzero(protocol.copies_in_training(split)).tolist() == [0, 1]


@pytest.mark.parametrize("roles", ["auto", "split"])
def test_an_expression_that_the_validation_role_lacks_is_named(roles):
    """Two faces show fear; a tenth of two is none."""
    given = make_dataset(per_class=20, roles=[""])
    labels, fear = given.labels.copy(), SEVEN.index(Expression.FEAR)
    labels[np.flatnonzero(labels == fear)[2:]] = SEVEN.index(Expression.HAPPINESS)
    few = replace(given, labels=labels)
    notes = apply_protocol(few, ProtocolSpec(roles=roles)).notes
    assert any(note.startswith("validation has no image of fear: ") for note in notes)
    assert not any("no image of" in note for note in apply_protocol(given, ProtocolSpec(roles=roles)).notes)


def test_the_test_role_is_sealed():
    split = apply_protocol(make_dataset(), ProtocolSpec())
    log = []
    samples = split.test.open(by="run 1", reason="evaluation at the end", log=log.append)
    assert samples.labels.tolist() == (np.arange(14) % 7).tolist()
    [opening] = log
    assert (opening.by, opening.reason, opening.count, opening.split) == (
        "run 1",
        "evaluation at the end",
        14,
        split.hash,
    )
    assert opening.when.endswith("+00:00")
    public = {name for name in dir(split.test) if not name.startswith("_")}
    assert public == {"images", "picked", "ids", "hashes", "pictures", "open"}
    assert repr(split.test) == "SealedTest(14 samples)"
    assert "test" not in split.counts


def test_a_log_that_fails_keeps_the_test_sealed():
    def broken(opening):
        raise OSError("disk full")

    split = apply_protocol(make_dataset(), ProtocolSpec())
    with pytest.raises(OSError, match="disk full"):
        split.test.open(by="run", reason="evaluation", log=broken)
    with pytest.raises(ProtocolError, match="name of a run and a reason"):
        split.test.open(by=" ", reason="evaluation", log=lambda opening: None)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"labels": "seventh"}, "Did you mean 'seven'"),
        ({"roles": "oficial"}, "Did you mean 'official'"),
        ({"targets": "vote"}, "Did you mean 'votes'"),
        ({"validation_fraction": 0}, "validation_fraction must lie between 0 and 1"),
        ({"test_fraction": 1.0}, "test_fraction must lie between 0 and 1"),
        ({"train_fraction": 1.5}, "train_fraction must be above 0"),
        ({"train_fraction": float("nan")}, "train_fraction must be above 0"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_an_impossible_protocol_cannot_be_made(values, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        ProtocolSpec(**values)


@pytest.mark.parametrize(
    ("spec", "roles", "sentence"),
    [
        (ProtocolSpec(roles="official"), ["train"] * 8 + ["test"] * 2, "has no validation. Use roles = 'auto'"),
        (ProtocolSpec(roles="deck"), ["train"], "has no validation and no test. Use roles = 'split'"),
        (ProtocolSpec(), ["test"], "no training images, only test. Use roles = 'split'"),
        (ProtocolSpec(labels="eight"), ROLES, "asks for contempt"),
        (ProtocolSpec(targets="votes"), ROLES, "needs the votes"),
        (ProtocolSpec(train_fraction=0.01), ROLES, "no sample of anger, .*Raise train_fraction"),
        (ProtocolSpec(validation_fraction=0.001), ["train"], "validation role would be empty"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused_with_a_way_out(spec, roles, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        apply_protocol(make_dataset(roles=roles), spec)


def test_an_expression_without_training_images_names_the_set_without_it():
    dataset = make_dataset(label_set=EIGHT)
    training = dataset.roles == "train"
    dataset.labels[training & (dataset.labels == EIGHT.index(Expression.CONTEMPT))] = 0
    with pytest.raises(ProtocolError, match="no sample of contempt. Use labels = 'seven', or add images"):
        apply_protocol(dataset, ProtocolSpec())
    custom = make_dataset(label_set=LabelSet.of([Expression.ANGER, Expression.FEAR]))
    custom.labels[custom.roles == "train"] = 0
    with pytest.raises(ProtocolError, match="no sample of fear. Choose a label set without it"):
        apply_protocol(custom, ProtocolSpec())


def voted(rows, role):
    """One sample per row of votes: anger, disgust, fear, happiness, sadness, surprise, neutral, contempt; unknown, NF.

    Seven samples with a clear majority stand before them in every role.
    """
    clear = np.concatenate([np.eye(7, 10) * 10] * 3)
    votes = np.concatenate([clear, np.array(rows, dtype=float)])
    roles = ["train"] * 7 + ["validation"] * 7 + ["test"] * 7 + [role] * len(rows)
    count = len(votes)
    return Dataset(
        name="voted",
        images=np.arange(count, dtype=np.uint8)[:, None, None] + np.zeros((1, 2, 2), dtype=np.uint8),
        labels=np.zeros(count, dtype=np.int64),
        label_set=EIGHT,
        roles=np.array(roles, dtype="U10"),
        ids=np.arange(count).astype(str),
        source="here",
        licence="none",
        votes=votes[:, :8],
        other_votes=votes[:, 8:],
    )


CLEAR = [0, 0, 0, 6, 0, 0, 4, 0, 0, 0]
TIED = [0, 0, 0, 5, 0, 0, 5, 0, 0, 0]
CONTEMPT = [0, 0, 0, 3, 0, 0, 0, 7, 0, 0]
ONLY_CONTEMPT = [0, 0, 0, 0, 0, 0, 0, 10, 0, 0]
UNKNOWN = [0, 0, 0, 4, 0, 0, 0, 0, 6, 0]
TIED_WITH_UNKNOWN = [0, 0, 0, 5, 0, 0, 0, 0, 5, 0]
SCATTERED = [0, 0, 0, 4, 0, 0, 0, 0, 3, 3]
CASES = [CLEAR, TIED, CONTEMPT, ONLY_CONTEMPT, UNKNOWN, TIED_WITH_UNKNOWN, SCATTERED]


def kept(split_role):
    return [int(name) - 21 for name in split_role.ids if int(name) >= 21]


@pytest.mark.parametrize(
    ("targets", "role", "expected"),
    [
        ("votes", "train", [0, 1, 2, 5, 6]),
        ("votes", "validation", [0, 6]),
        ("votes", "test", [0, 6]),
        ("majority", "train", [0, 6]),
        ("majority", "test", [0, 6]),
        # SCATTERED has its four votes of ten for one expression.
        ("multi_target", "train", [0, 1, 2, 5, 6]),
        ("multi_target", "test", [0, 6]),
        ("labels", "train", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_votes_decide_who_takes_part(targets, role, expected):
    dataset = voted(CASES, role)
    if targets == "labels":
        dataset.labels[:] = np.arange(len(dataset)) % 7
    split = apply_protocol(dataset, ProtocolSpec(labels="seven", targets=targets))
    assert kept(getattr(split, role)) == expected


@pytest.mark.parametrize("role", ["train", "validation", "test"])
def test_the_roles_of_the_heads_are_the_same_and_each_has_its_own_images(role):
    dataset = voted(CASES, role)
    dataset.labels[:] = np.arange(len(dataset)) % 7
    spec = ProtocolSpec(labels="seven", targets="votes")
    first, second = split_heads(dataset, spec, ("votes", "labels"))
    assert first.hash == apply_protocol(dataset, spec).hash
    alone = apply_protocol(dataset, ProtocolSpec(labels="seven"))
    assert second.hash == alone.hash
    assert second.label_set == SEVEN
    assert kept(getattr(second, role)) == list(range(7))
    assert set(kept(getattr(first, role))) < set(range(7))


def test_images_of_any_head_are_learned_from_with_zeros_for_what_they_lack():
    dataset = voted(CASES, "train")
    dataset.labels[:] = np.arange(len(dataset)) % 7
    splits = split_heads(dataset, ProtocolSpec(labels="seven", targets="votes"), ("votes", "labels"))
    taught = taught_together(dataset, splits)
    assert kept(taught.train) == list(range(7))
    assert taught.hash not in {split.hash for split in splits}
    for name, split, place in (("first", splits[0], slice(0, 7)), ("second", splits[1], slice(7, 14))):
        there = np.isin(taught.train.ids, split.train.ids)
        np.testing.assert_array_equal(taught.train.targets[there, place], split.train.targets, err_msg=name)
        assert (taught.train.targets[~there, place] == 0).all()
    first = np.isin(taught.train.ids, splits[0].train.ids)
    np.testing.assert_array_equal(taught.train.labels[first], splits[0].train.labels)
    assert (taught.train.labels[~first] == -1).all()
    np.testing.assert_array_equal(taught.train.hashes, dataset.sample_hashes[np.isin(dataset.ids, taught.train.ids)])
    np.testing.assert_array_equal(taught.train.pictures, taught.train.hashes)
    assert taught_together(dataset, splits[:1]) is splits[0]


@pytest.mark.parametrize("spec", [{}, {"folds": 3, "fold": 2}, {"train_fraction": 0.5}])
def test_where_roles_are_made_no_image_of_one_head_is_held_out_for_another(spec):
    rows = [CLEAR, UNKNOWN, SCATTERED] * 20
    dataset = voted(rows, "")
    dataset.roles[:] = ""
    dataset.labels[:] = np.arange(len(dataset)) % 7
    protocol = ProtocolSpec(labels="seven", targets="votes", validation_fraction=0.3, test_fraction=0.3, **spec)
    splits = split_heads(dataset, protocol, ("votes", "labels"))
    assert splits[0].hash == apply_protocol(dataset, protocol).hash
    of_role = [
        set().union(*(getattr(split, role).ids.tolist() for split in splits))
        for role in ("train", "validation", "test")
    ]
    assert sum(map(len, of_role)) == len(set().union(*of_role))
    assert set(splits[1].train.ids) == set(splits[0].train.ids)


def test_a_head_that_nothing_can_teach_is_refused():
    dataset = voted([CLEAR], "train")  # of which every label is anger
    with pytest.raises(ProtocolError, match="The head 'labels' needs images of two expressions at least in training"):
        split_heads(dataset, ProtocolSpec(labels="seven", targets="votes"), ("votes", "labels"))


def test_targets_are_the_votes_of_the_label_set():
    split = apply_protocol(voted([CLEAR, CONTEMPT], "train"), ProtocolSpec(labels="seven", targets="votes"))
    np.testing.assert_allclose(split.train.targets[-2:, [3, 6]], [[0.6, 0.4], [1, 0]])
    assert split.train.labels[-2:].tolist() == [3, 3]
    assert split.train.targets.dtype == np.float32
    majority = apply_protocol(voted([CLEAR], "train"), ProtocolSpec(labels="seven", targets="majority"))
    assert majority.train.targets[-1].tolist() == [0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("votes", "targets"),
    [
        #  anger disgust fear happiness sadness surprise neutral contempt; unknown, not a face
        ([6, 0, 0, 4, 0, 0, 0, 0, 0, 0], [1 / 2, 0, 0, 1 / 2, 0, 0, 0, 0]),
        ([4, 0, 0, 3, 0, 0, 3, 0, 0, 0], [1 / 3, 0, 0, 1 / 3, 0, 0, 1 / 3, 0]),
        ([8, 2, 0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]),
        # Answers that are no expression count as votes, and are no target: 3 of 10, and 2 of 10.
        ([3, 0, 2, 2, 0, 0, 0, 0, 3, 0], [1, 0, 0, 0, 0, 0, 0, 0]),
        # Nine taggers: 30 % are 2.7 votes.
        ([3, 3, 2, 1, 0, 0, 0, 0, 0, 0], [1 / 2, 1 / 2, 0, 0, 0, 0, 0, 0]),
        # No expression has three votes: the image teaches nothing.
        ([2, 2, 2, 2, 2, 0, 0, 0, 0, 0], None),
        ([0, 0, 0, 0, 0, 0, 4, 0, 0, 6], None),
    ],
)
def test_several_expressions_can_be_right_in_equal_shares(votes, targets):
    dataset = voted([np.eye(10)[7] * 10, votes], "train")
    split = apply_protocol(dataset, ProtocolSpec(targets="multi_target"))
    if targets is None:
        assert kept(split.train) == [0]
    else:
        np.testing.assert_allclose(split.train.targets[-1], targets, rtol=1e-6)


def test_a_picture_on_which_nobody_agrees_is_counted_as_left_out():
    split = apply_protocol(
        voted([[0, 0, 0, 0, 0, 0, 0, 10, 0, 0], [2, 2, 2, 2, 2, 0, 0, 0, 0, 0]], "train"),
        ProtocolSpec(targets="multi_target"),
    )
    assert split.notes[0] == "1 sample left out of training: no expression has 30% of the votes"


def test_what_the_votes_leave_out_is_counted():
    split = apply_protocol(voted(CASES, "test"), ProtocolSpec(labels="seven", targets="votes"))
    assert split.notes[:3] == (
        "1 sample left out: most taggers saw no expression or no face",
        "1 sample left out: no tagger named one of the expressions",
        "3 samples left out of validation and test: no single expression of the label set has the most votes",
    )


def test_groups_linked_by_copies_stay_together():
    dataset = make_dataset(roles=[""])
    images = dataset.images.copy()
    images[30] = images[50]
    groups = np.full(70, "", dtype="U9")
    groups[[1, 30]] = "one person"
    groups[[50, 69]] = "another"
    for seed in range(8):
        split = apply_protocol(
            make_dataset(roles=[""], images=images, groups=groups), ProtocolSpec(seed=seed, validation_fraction=0.4)
        )
        linked = {f"sample {n}" for n in (1, 30, 50, 69)}
        sides = [linked & set(role.ids.tolist()) for role in (split.train, split.validation, split.test)]
        assert sorted(map(len, sides)) == [0, 0, 4]


def test_what_counts_as_copies_is_kept_and_a_damaged_cache_is_made_again(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (70, 48, 48), dtype=np.uint8)
    images[9] = images[4][:, ::-1]
    images[11] = images[2]
    dataset = make_dataset(images=images)
    pictures = picture_names(dataset, cache=tmp_path)
    assert pictures[9] == pictures[4] == min(dataset.sample_hashes[[4, 9]])
    assert pictures[11] == pictures[2]
    assert len(np.unique(pictures)) == 68
    [entry] = tmp_path.iterdir()
    order = np.random.default_rng(1).permutation(70)
    np.testing.assert_array_equal(picture_names(dataset.take(order), cache=tmp_path), pictures[order])
    for damage in (b"", b"no array", np.zeros(3).tobytes()):
        entry.write_bytes(damage)
        np.testing.assert_array_equal(picture_names(dataset, cache=tmp_path), pictures)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    np.testing.assert_array_equal(picture_names(dataset, cache=blocked), pictures)

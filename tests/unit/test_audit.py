"""The audit finds every fault that is planted, and nothing in a set without faults."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mien.datasets.audit.findings import Gravity, LabelDoubt
from mien.datasets.audit.names import source_name
from mien.datasets.audit.run import audit_dataset
from mien.datasets.audit.votes import no_face_mask
from mien.datasets.dataset import Problem
from mien.datasets.duplicates import find_duplicates
from mien.datasets.synthetic import draw_faces
from mien.labels import EIGHT, SEVEN, Expression


@pytest.fixture(scope="module")
def clean():
    return draw_faces(210)


def audited(dataset):
    return audit_dataset(dataset)


def checks(dataset):
    return {finding.check for finding in audited(dataset).findings}


def finding_of(dataset, check):
    [finding] = [finding for finding in audited(dataset).findings if finding.check == check]
    return finding


def first_of(dataset, role, label=None):
    chosen = dataset.roles == role
    if label is not None:
        chosen &= dataset.labels == label
    return int(np.flatnonzero(chosen)[0])


def with_image(dataset, position, image):
    images = np.array(dataset.images)
    images[position] = image
    return replace(dataset, images=images)


def grown(dataset, positions, roles, *, ids=None, images=None, labels=None):
    """The data set with copies of some samples behind it."""
    positions = np.asarray(positions)
    more = dataset.take(positions)
    return replace(
        dataset,
        images=np.concatenate([dataset.images, more.images if images is None else images]),
        labels=np.concatenate([dataset.labels, more.labels if labels is None else labels]),
        roles=np.concatenate([dataset.roles, roles]),
        ids=np.concatenate([dataset.ids, [f"copy-{n}" for n in range(len(positions))] if ids is None else ids]),
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("count", [60, 500])
def test_a_clean_drawn_set_gives_no_finding(count, seed):
    audit = audited(draw_faces(count, seed=seed))
    assert [finding.title for finding in audit.findings] == []
    assert audit.cleaning == ()
    assert len(audit.duplicates) == 0


def shifted(image):
    return np.pad(image, 4, mode="edge")[7:55, 1:49]


def noisy(image):
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


def recompressed(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize("shift", [1, 2, 3, 4])
def test_nearly_all_shifted_copies_are_found(shift):
    """A hundred copies, shifted by so many pixels up or down and to either side at once."""
    dataset = draw_faces(200)
    images = np.array(dataset.images)
    rng = np.random.default_rng(shift)
    pairs = rng.permutation(200).reshape(100, 2)
    for source, copy in pairs:
        down, right = rng.choice([-shift, shift], 2)
        images[copy] = np.pad(images[source], 8, mode="edge")[8 - down : 56 - down, 8 - right : 56 - right]
    dataset = replace(dataset, images=images)
    found = find_duplicates(dataset.images, dataset.sample_hashes)
    found_pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    planted = {tuple(sorted(pair)) for pair in pairs.tolist()}
    assert found_pairs <= planted
    assert len(found_pairs) >= 98


def brighter(image):
    return np.clip(image * 0.7 + 60, 0, 255).astype(np.uint8)


PLANTS = {
    "exact": lambda image: image,
    "near": noisy,
    "tone": brighter,
    "shifted": shifted,
    "flipped": lambda image: image[:, ::-1],
}
MORE = {"near": recompressed, "tone": lambda image: cv2.equalizeHist(np.ascontiguousarray(image))}


@pytest.mark.parametrize(("kind", "change"), [*PLANTS.items(), *MORE.items()])
def test_a_copy_of_a_training_image_in_test_is_found(clean, kind, change):
    train = first_of(clean, "train")
    test = first_of(clean, "test", clean.labels[train])
    planted = with_image(clean, test, change(clean.images[train]))
    audit = audited(planted)
    [finding] = audit.findings
    assert finding.check == f"copies-across-roles-{kind}"
    assert finding.severity is Gravity.FAULT
    assert finding.samples == (tuple(sorted((train, test))),)
    [count] = [count for count in audit.copies if count.kind == kind]
    assert (count.groups, count.images, count.conflicting) == (1, 2, 0)
    assert count.across == {("validation", "train"): 0, ("test", "train"): 1, ("test", "validation"): 0}
    [entry] = audit.cleaning
    assert (entry.id, entry.reason, entry.detail) == (clean.ids[train], "copy of a test image", clean.ids[test])


@pytest.mark.parametrize("side", [32, 64])
def test_copies_are_found_at_other_sizes(side):
    dataset = draw_faces(120, size=side)
    train = first_of(dataset, "train")
    planted = with_image(dataset, first_of(dataset, "test", dataset.labels[train]), dataset.images[train][:, ::-1])
    assert checks(planted) == {"copies-across-roles-flipped"}


def test_a_mislabelled_copy_is_found_and_left_out_whole(clean):
    one = first_of(clean, "train")
    other = int(np.flatnonzero((clean.roles == "train") & (clean.labels != clean.labels[one]))[0])
    audit = audited(with_image(clean, other, clean.images[one]))
    assert {finding.check for finding in audit.findings} == {"conflicting-labels", "copies-within-role-exact"}
    assert {(entry.id, entry.reason) for entry in audit.cleaning} == {
        (clean.ids[position], "copies with labels that differ") for position in (one, other)
    }


def test_a_label_that_a_network_doubts_is_found(clean):
    doubt = LabelDoubt(position=5, label="fear", answer="surprise", own=0.01, other=0.97)
    [finding] = audit_dataset(clean, doubts=[doubt]).findings
    assert (finding.check, finding.count, finding.samples) == ("label-noise", 1, ((5,),))
    assert finding.numbers == {"fear to surprise": 1}


def with_votes(dataset, changes):
    """Ten votes for the label of every image, but for those that are changed: position to answers."""
    labels = np.array([EIGHT.index(SEVEN.expressions[label]) for label in dataset.labels])
    votes = np.zeros((len(dataset), 10))
    votes[np.arange(len(dataset)), labels] = 10
    for position, answers in changes.items():
        votes[position] = 0
        for answer, number in answers.items():
            votes[position, answer] = number
    return replace(dataset, labels=labels, label_set=EIGHT, votes=votes[:, :8], other_votes=votes[:, 8:])


def test_labels_that_no_tagger_gave_are_found(clean):
    wrong = first_of(clean, "train", SEVEN.index(Expression.ANGER))
    happy = EIGHT.index(Expression.HAPPINESS)
    dataset = with_votes(clean, {wrong: {happy: 9, 8: 1}})
    finding = finding_of(dataset, "label-against-votes")
    assert finding.samples == ((wrong,),)
    assert finding.numbers == {"anger to happiness": 1}
    assert checks(with_votes(clean, {wrong: {happy: 7, 8: 3}})) == set()


def test_images_that_show_no_face_are_found_and_left_out(clean):
    dataset = with_votes(clean, {3: {9: 10}, 4: {9: 4, 0: 4, 8: 2}, 5: {9: 3, 0: 7}})
    assert np.flatnonzero(no_face_mask(dataset)).tolist() == [3, 4]
    finding = finding_of(dataset, "not-a-face")
    assert finding.numbers == {"most_votes": 2, "half_of_the_votes": 1}
    assert [(e.id, e.reason) for e in audited(dataset).cleaning] == [(clean.ids[n], "not a face") for n in (3, 4)]
    assert not no_face_mask(clean).any()


def test_images_in_which_no_face_is_seen_are_found_once_and_not_left_out(clean):
    images = np.array(clean.images)
    images[6] = 50
    dataset = replace(with_votes(clean, {3: {9: 10}}), images=images)
    certainty = np.full(len(clean), 0.9)
    certainty[[3, 6, 8, 9]] = 0.0, 0.0, 0.09, 0.05
    audit = audit_dataset(dataset, face_certainty=certainty)
    found = {finding.check: finding.samples for finding in audit.findings}
    assert found == {"not-a-face": ((3,),), "constant": ((6,),), "no-face-seen": ((9,), (8,))}
    assert {entry.id for entry in audit.cleaning} == {clean.ids[3], clean.ids[6]}


def test_a_class_that_was_oversampled_before_the_split_is_found(clean):
    disgust = np.flatnonzero(clean.labels == SEVEN.index(Expression.DISGUST))
    positions = np.repeat(disgust, 3)
    rng = np.random.default_rng(0)
    roles = rng.choice(["train", "validation", "test"], len(positions), p=[0.7, 0.15, 0.15])
    finding = finding_of(grown(clean, positions, roles), "oversampled-class")
    assert finding.severity is Gravity.FAULT
    assert finding.title.startswith("disgust looks oversampled before the split")
    assert finding.numbers["pictures"] == len(disgust)


def test_a_class_that_was_oversampled_in_training_alone_is_no_fault(clean):
    disgust = np.flatnonzero((clean.labels == SEVEN.index(Expression.DISGUST)) & (clean.roles == "train"))
    dataset = grown(clean, np.repeat(disgust, 3), ["train"] * 3 * len(disgust))
    assert finding_of(dataset, "oversampled-class").severity is Gravity.CAUTION


def test_augmented_files_are_found_by_their_names_whatever_they_show(clean):
    paths = np.array([f"{role}/face/{n}.jpg" for n, role in enumerate(clean.roles)])
    one, other = first_of(clean, "train"), first_of(clean, "train", 3)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 48, 48), dtype=np.uint8)
    ids = [f"test/face/{one}.jpg3.jpg", f"train/face/{other}_flip.jpg"]
    dataset = grown(replace(clean, ids=paths), [one, other], ["test", "train"], ids=ids, images=images)
    finding = finding_of(dataset, "augmented-files")
    assert finding.severity is Gravity.FAULT
    assert finding.numbers == {"made": 2, "sources": 2, "sources_across_roles": 1}
    assert finding.samples == ((one, len(clean)),)
    reasons = {entry.id: entry.reason for entry in audited(dataset).cleaning}
    assert reasons == {paths[one]: "copy of a test image", ids[1]: "copy in the same role"}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Training_3908.jpg3.jpg", "Training_3908.jpg"),
        ("im12.png_7.png", "im12.png"),
        ("a_aug2.jpg", "a.jpg"),
        ("a-flipped.png", "a.png"),
        ("a (2).jpg", "a.jpg"),
        ("a - Copy.jpg", "a.jpg"),
        ("Training_3908.jpg", None),
        ("S005_001_00000011.png", None),
        ("KA.AN1.39.tiff", None),
        ("row 17", None),
        ("drawn-000001", None),
    ],
)
def test_the_name_of_a_copy_leads_to_its_source(name, source):
    assert source_name(name) == source


def test_two_names_for_one_class_are_found(clean):
    names = {label: SEVEN.expressions[label].value for label in range(7)}
    folders = np.array([names[label] for label in clean.labels.tolist()], dtype="U12")
    surprise = SEVEN.index(Expression.SURPRISE)
    folders[(clean.labels == surprise) & (clean.roles == "test")] = "Suprise"
    ids = np.array([f"{folder}/{n}.png" for n, folder in enumerate(folders)])
    finding = finding_of(replace(clean, ids=ids), "two-names-for-one-class")
    assert finding.severity is Gravity.FAULT
    assert finding.names == ("surprise", "suprise")
    whole = np.array([f"{names[label]}/{n}.png" for n, label in enumerate(clean.labels.tolist())])
    assert checks(replace(clean, ids=whole)) == set()


def test_one_class_under_two_labels_is_found(clean):
    """The class map sends one folder to two expressions: half of fear are pictures of surprise."""
    fear, surprise = SEVEN.index(Expression.FEAR), SEVEN.index(Expression.SURPRISE)
    images = np.array(clean.images)
    into = np.flatnonzero(clean.labels == fear)[::2]
    images[into] = images[np.flatnonzero(clean.labels == surprise)[: len(into)]]
    found = checks(replace(clean, images=images))
    assert {"classes-that-share-pictures", "conflicting-labels"} <= found


def exchanged(dataset, one, other):
    swap = {one: other, other: one}
    return replace(dataset, roles=np.array([swap.get(role, role) for role in dataset.roles.tolist()], dtype="U10"))


@pytest.mark.parametrize("other", ["test", "validation"])
def test_swapped_roles_are_found(clean, other):
    finding = finding_of(exchanged(clean, "train", other), "roles-exchanged")
    assert finding.severity is Gravity.FAULT


def test_a_role_that_its_files_contradict_is_found(clean):
    ids = np.array([f"{'Testing' if n < 3 else 'Training'}/Happy/Training_{n}.jpg" for n in range(len(clean))])
    assert finding_of(replace(clean, ids=ids), "names-contradict-folders").samples == ((0,), (1,), (2,))


def test_constant_and_almost_flat_images_are_found(clean):
    images = np.array(clean.images)
    images[7], images[8] = 0, 100
    images[8, 20:28, 20:28] = 104
    audit = audited(replace(clean, images=images))
    assert {finding.check: finding.samples for finding in audit.findings} == {
        "constant": ((7,),),
        "low-contrast": ((8,),),
    }
    assert [(entry.id, entry.reason) for entry in audit.cleaning] == [(clean.ids[7], "constant image")]


def test_tiny_and_unreadable_files_are_found(clean):
    sizes = np.full((len(clean), 2), 48)
    sizes[9] = (20, 12)
    dataset = replace(clean, source_sizes=sizes, problems=(Problem("a.jpg", "It is cut off."),))
    found = {finding.check: finding for finding in audited(dataset).findings}
    assert set(found) == {"tiny", "unreadable"}
    assert "12x20" in found["tiny"].title
    assert found["unreadable"].names == ("a.jpg: It is cut off.",)


def test_a_person_on_two_sides_is_found(clean):
    groups = np.full(len(clean), "", dtype="U10")
    one, other = first_of(clean, "train"), first_of(clean, "test")
    groups[[one, other]] = "person 1"
    groups[clean.roles == "validation"] = "person 2"
    finding = finding_of(replace(clean, groups=groups), "groups-across-roles")
    assert (finding.count, finding.names) == (1, ("person 1",))


def test_missing_classes_imbalance_and_drift_are_found():
    clean = draw_faces(700)
    disgust = clean.labels == SEVEN.index(Expression.DISGUST)
    few = clean.take(~disgust | (np.cumsum(disgust) <= 5))
    assert "imbalance" in checks(few)
    assert "class-missing-in-role" in checks(clean.take(~disgust | (clean.roles == "train")))
    happy = clean.labels == SEVEN.index(Expression.HAPPINESS)
    assert "balance-differs-between-roles" in checks(clean.take(happy | (clean.roles != "test") | disgust))


def test_an_audit_as_json_names_examples_and_no_folder(clean):
    planted = with_image(replace(clean, source="/home/somebody/faces.zip"), 1, clean.images[0])
    values = audited(planted).to_json(planted.ids)
    assert values["data"]["source"] == "faces.zip"
    assert values["known"] is None
    named = [name for finding in values["findings"] for group in finding["examples"] for name in group]
    assert set(named) == set(clean.ids[:2].tolist())

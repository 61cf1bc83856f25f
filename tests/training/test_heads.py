"""Two heads on one backbone: what they are trained on, what their record holds, and the models made of it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mien.api.evaluating import add_seen, evaluate  # noqa: E402
from mien.datasets.dataset import Role  # noqa: E402
from mien.datasets.protocol import ProtocolSpec, apply_protocol, split_heads, taught_together  # noqa: E402
from mien.datasets.synthetic import draw_faces  # noqa: E402
from mien.errors import ExportError, NetworkError, RecordError  # noqa: E402
from mien.inference.classifier import Classifier  # noqa: E402
from mien.labels import EIGHT, SEVEN  # noqa: E402
from mien.seen import Seen  # noqa: E402
from mien.study.plan import PlannedRun, SplitFacts, name_run  # noqa: E402
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe, TeacherSpec  # noqa: E402
from mien.study.record import RunRecord, RunStatus  # noqa: E402
from mien.study.store import Store  # noqa: E402
from mien.training import execute  # noqa: E402
from mien.training.backend import answers_of  # noqa: E402
from mien.training.export import ExportOptions, convert_run, export_run, load_network  # noqa: E402
from mien.training.network import build_network, head_model  # noqa: E402
from mien.training.teaching import prepare_teaching  # noqa: E402
from support.voting import with_votes  # noqa: E402

PROTOCOL = ProtocolSpec(labels="eight", targets="votes")
HEADS = ("votes", "labels")


@pytest.fixture(scope="module")
def voted():
    return with_votes(draw_faces(240, size=32, seed=3))


@pytest.fixture(scope="module")
def splits(voted):
    return split_heads(voted, PROTOCOL, HEADS)


@pytest.fixture(scope="module")
def two_headed(voted, splits):
    def make(**changes) -> PlannedRun:
        recipe = Recipe(**{"heads": HEADS, "batch_size": 16, "epochs": 2, **changes}).resolved(32)
        facts = SplitFacts(voted.fingerprint, splits[0].hash, 32, 8, 100, 20, 20, voted=True)
        return PlannedRun(name_run(recipe, facts), recipe, PROTOCOL, (recipe.epochs,))

    return make


@pytest.fixture(scope="module")
def done(voted, splits, two_headed, tmp_path_factory, recorder):
    """A finished run: its store, and its record."""
    store = Store.create(tmp_path_factory.mktemp("heads") / "store")
    execute.execute(two_headed(), voted, splits[0], store, watch=recorder())
    (record,) = store.finished()
    return store, record


def test_each_head_has_its_record_on_its_own_images(done, voted, splits):
    store, record = done
    votes, labels = splits
    alone = apply_protocol(voted, replace(PROTOCOL, labels="seven", targets="labels"))
    assert labels.label_set == SEVEN
    assert record.label_set == EIGHT
    assert len(labels.test) == len(alone.test) > len(votes.test)  # the taggers saw no face in some
    for head, split in zip((record.of_head("votes"), record.of_head("labels")), splits, strict=True):
        assert head.label_set == split.label_set
        assert head.data["split"] == split.hash
        assert head.data["counts"]["train"] == split.counts["train"]
        test = head.outcome(Role.TEST)
        np.testing.assert_array_equal(test.ids, split.test.ids)
        np.testing.assert_allclose(test.outputs.sum(axis=1), 1, atol=2e-3)
        assert head.protocol == {**asdict(PROTOCOL), "targets": head.network["head"]}
        assert head.scores().count == len(split.test)
    assert [opening.split for opening in store.openings()] == [split.hash for split in splits]
    assert record.of_head().outcome(Role.TEST) is record.outcome(Role.TEST)


def test_history_is_of_the_mean_loss_and_of_the_first_heads_accuracy(done, voted, splits):
    _, record = done
    taught = taught_together(voted, splits)
    total, right = 0.0, None
    for name in HEADS:
        found = record.of_head(name).outcome(Role.VALIDATION)
        # All validation images that one head is judged by, and no other, are those that it is validated on.
        total -= (found.targets * np.log(np.maximum(found.outputs, 1e-30))).sum()
        right = right or (found.outputs.argmax(axis=1) == found.labels).mean()
    last = record.history[-1]
    assert last.validation_accuracy == pytest.approx(right)
    assert last.validation_loss == pytest.approx(total / 2 / len(taught.validation), rel=2e-3)


def test_a_record_is_read_as_it_was_written(done):
    store, record = done
    folder = store.run_folder(record.id)
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.jsonl",
        "network.keras",
        "predictions-labels.npz",
        "predictions.npz",
        "run.json",
    ]
    for answers in (True, False):
        again = RunRecord.read(folder, answers=answers)
        assert again.head_names == HEADS
        found = again.of_head("labels").outcome(Role.TEST)
        np.testing.assert_array_equal(found.outputs, record.of_head("labels").outcome(Role.TEST).outputs)
    with pytest.raises(RecordError, match="has no head 'label'. Did you mean 'labels'"):
        record.of_head("label")
    (folder / "predictions-labels.npz").rename(folder / "away")
    with pytest.raises(RecordError, match="damaged"):
        store.read(record.id)
    (folder / "away").rename(folder / "predictions-labels.npz")


def test_what_it_has_learned_from_is_what_any_head_has(done, voted, splits):
    store, record = done
    seen = store.seen(record)
    for split in splits:
        assert seen.learned_from(split.train.gray_hashes).all()
        assert seen.chosen_with(split.validation.gray_hashes).all()
    assert len(seen.train) > len(set(splits[0].train.gray_hashes.tolist()))


@pytest.mark.parametrize("head", [None, "labels"])
def test_a_model_of_one_head_answers_as_the_run_did(done, voted, splits, tmp_path, head):
    store, record = done
    own, split = record.of_head(head), splits[HEADS.index(head or "votes")]
    options = ExportOptions(name="one", head=head, mirror=head == "labels")
    exported = export_run(
        store.run_folder(record.id), tmp_path / "one.mien", options, dataset=voted if head == "labels" else None
    )
    bundle = exported.bundle
    assert bundle.label_set == own.label_set
    assert bundle.card["protocol"]["targets"] == (head or "votes")
    assert bundle.card["network"]["head"] == (head or "votes")
    assert bundle.card["test"]["images"] == len(split.test)
    assert bundle.card["network"]["parameters"] < record.network["parameters"]
    assert bundle.seen.learned_from(splits[1].train.gray_hashes).all()
    answers = Classifier(bundle).predict(np.asarray(split.test.images))
    if head is None:
        logits = np.log(np.maximum(own.outcome(Role.TEST).outputs, 1e-9)) / bundle.temperature
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(answers, expected, atol=3e-3)
    else:
        samples = split.test.open(by="test", reason="compare", log=lambda opening: None)
        accuracy = (answers.argmax(axis=1) == samples.labels).mean()
        assert bundle.card["test"]["accuracy"]["value"] == pytest.approx(accuracy)


def test_a_bare_network_has_one_head_too(done, tmp_path):
    store, record = done
    content, _ = convert_run(store.run_folder(record.id), ".keras", ExportOptions(name="bare", head="labels"))
    (tmp_path / "bare.keras").write_bytes(content)
    assert load_network(tmp_path / "bare.keras").output_shape == (None, 7)


def test_a_head_that_is_not_there_or_other_data_are_refused(done, voted, tmp_path):
    store, record = done
    folder = store.run_folder(record.id)
    with pytest.raises(RecordError, match="has no head 'majority'"):
        export_run(folder, tmp_path / "a.mien", ExportOptions(name="a", head="majority"))
    other = replace(voted, votes=voted.votes[::-1].copy())
    with pytest.raises(ExportError, match="is not the data set of run"):
        export_run(folder, tmp_path / "a.mien", ExportOptions(name="a", head="labels"), dataset=other)


def test_it_teaches_others_by_its_first_head(done, voted, splits):
    store, record = done
    teacher = TeacherSpec(models=(str(store.run_folder(record.id)),), views=1, temperature=1.0)
    said = prepare_teaching(Recipe(teacher=teacher).resolved(32), splits[0], store, lambda text: None)
    network = load_network(store.run_folder(record.id) / "network.keras")
    expected = answers_of(network, splits[0].train.images[:5, ..., None], 8)[:, :8]
    np.testing.assert_allclose(said.softened(np.arange(5), np.zeros(5, int)), expected, atol=2e-3)


def test_a_network_with_two_heads_learns_from_teachers(done, voted, splits, two_headed, tmp_path, recorder):
    store, record = done
    teacher = TeacherSpec(models=(str(store.run_folder(record.id)),), views=2)
    run = two_headed(teacher=teacher, epochs=1, augmentation=AugmentationSpec(flip=True, mixup=0.2))
    own = Store.create(tmp_path / "store")
    taught = execute.execute(run, voted, splits[0], own, watch=recorder())
    assert taught.status is RunStatus.COMPLETE
    assert taught.of_head("labels").outcome(Role.TEST).outputs.shape == (len(splits[1].test), 7)


def test_a_teacher_that_knows_test_images_of_any_head_is_refused(done, voted, splits, store, monkeypatch):
    finished, record = done
    votes, labels = splits
    of_labels_alone = np.setdiff1d(labels.test.hashes, votes.test.hashes)
    monkeypatch.setattr(Store, "seen", lambda self, record: Seen.of(of_labels_alone, []))
    teacher = TeacherSpec(models=(str(finished.run_folder(record.id)),), views=1)
    recipe = Recipe(heads=HEADS, teacher=teacher).resolved(32)
    taught = taught_together(voted, splits)
    with pytest.raises(NetworkError, match=rf"has learned from {len(of_labels_alone)} of the {len(labels.test)} test"):
        prepare_teaching(recipe, taught, store, lambda text: None, judged_by=splits)


def test_a_model_is_measured_as_its_run_was_where_roles_were_made(voted, tmp_path, recorder):
    data = replace(voted, roles=np.full(len(voted), "", dtype="U10"))
    splits = split_heads(data, PROTOCOL, HEADS)
    recipe = Recipe(heads=HEADS, batch_size=16, epochs=1).resolved(32)
    facts = SplitFacts(data.fingerprint, splits[0].hash, 32, 8, 100, 20, 20, voted=True)
    store = Store.create(tmp_path / "store")
    run = PlannedRun(name_run(recipe, facts), recipe, PROTOCOL, (1,))
    execute.execute(run, data, splits[0], store, watch=recorder())
    exported = export_run(store.run_folder(run.id), tmp_path / "a.mien", ExportOptions(name="a", head="labels"))
    figures = exported.bundle.card["test"]
    measured = evaluate(tmp_path / "a.mien", data)
    assert measured.scores().count == figures["images"] == len(splits[1].test)
    assert measured.scores().accuracy.value == pytest.approx(figures["accuracy"]["value"], abs=0.02)
    _, seen = add_seen(tmp_path / "a.mien", data, tmp_path / "b.mien")
    assert set(seen.train.tolist()) == set(store.seen(store.read(run.id)).train.tolist())


def test_an_interrupted_run_ends_as_one_that_was_not(voted, splits, two_headed, tmp_path, recorder):
    run = two_headed(
        ema=0.9,
        label_smoothing=0.1,
        logit_adjustment=0.5,
        select="best_balanced_accuracy",
        augmentation=AugmentationSpec(flip=True, mixup=0.2, cutmix=0.5),
    )
    records = []
    for name, die_at in (("whole", None), ("torn", (2, 2))):
        store = Store.create(tmp_path / name)
        if die_at:
            with pytest.raises(KeyboardInterrupt):
                execute.execute(run, voted, splits[0], store, watch=recorder(die_at=die_at))
        execute.execute(run, voted, splits[0], store, watch=recorder())
        records.append(store.read(run.id))
    whole, torn = records
    assert [entry.comparable() for entry in whole.history] == [entry.comparable() for entry in torn.history]
    for head in HEADS:
        for role in (Role.VALIDATION, Role.TEST):
            one, other = (record.of_head(head).outcome(role).outputs for record in records)
            np.testing.assert_array_equal(one, other)


def test_the_head_alone_can_be_trained_on_features():
    recipe = Recipe(heads=HEADS, preprocessing=PreprocessingSpec(size=32)).resolved(32)
    network = build_network(recipe, image_size=(32, 32), classes=(8, 7), statistics=None)
    top = head_model(network)
    answers = np.asarray(top(np.ones((2, top.input_shape[1]), np.float32)))
    np.testing.assert_allclose(answers[:, :8].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(answers[:, 8:].sum(axis=1), 1, rtol=1e-5)

"""Teachers: the views they are asked of, what is stored, and what training makes of it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

keras = pytest.importorskip("keras")

from mien.bundle import load_bundle  # noqa: E402
from mien.datasets.protocol import ProtocolSpec, apply_protocol  # noqa: E402
from mien.errors import NetworkError  # noqa: E402
from mien.inference.classifier import Classifier  # noqa: E402
from mien.inference.crops import resize_crops, warp_crops  # noqa: E402
from mien.labels import project  # noqa: E402
from mien.study import telling  # noqa: E402
from mien.study.plan import name_run, portable  # noqa: E402
from mien.study.recipe import AugmentationSpec, Recipe, TeacherSpec  # noqa: E402
from mien.study.record import NETWORK_FILE, RunRecord, RunStatus, data_facts  # noqa: E402
from mien.study.store import Store  # noqa: E402
from mien.training import execute, teaching  # noqa: E402
from mien.training.augmentation import RandomAffine  # noqa: E402
from mien.training.card import taught_by  # noqa: E402
from mien.training.fit import Material, epoch_rows  # noqa: E402
from mien.training.network import build_network  # noqa: E402
from mien.training.teaching import Teaching, prepare_teaching, view_maps  # noqa: E402

MOVED = AugmentationSpec(flip=True, shift=0.1, rotation=15, zoom=0.2)


def silent(text: str) -> None: ...


def lessons(**changes) -> Recipe:
    spec = {"models": ("default",), "views": 2, "share": 0.5, "temperature": 2.0, **changes}
    return Recipe(augmentation=MOVED, teacher=TeacherSpec(**spec), batch_size=16, epochs=2).resolved(32)


@pytest.fixture(scope="module")
def few(dataset):
    """The small data set with a few dozen training images."""
    return apply_protocol(dataset, ProtocolSpec(train_fraction=0.2))


class TestViews:
    def test_the_first_is_the_image_as_it_is_and_the_others_are_not(self):
        images = np.random.default_rng(0).integers(0, 256, (5, 12, 10), dtype=np.uint8)
        np.testing.assert_array_equal(warp_crops(images, view_maps(MOVED, 5, (12, 10), 0)), images)
        maps = view_maps(MOVED, 5, (12, 10), 1)
        assert all((warped != image).any() for warped, image in zip(warp_crops(images, maps), images, strict=True))
        np.testing.assert_array_equal(maps, view_maps(MOVED, 5, (12, 10), 1))
        assert (maps != view_maps(MOVED, 5, (12, 10), 2)).any()
        assert warp_crops(images[:0], maps[:0]).shape == (0, 12, 10)

    def test_a_mirrored_view_is_the_mirror_image(self):
        images = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
        views = warp_crops(images, view_maps(AugmentationSpec(flip=True), 20, (6, 6), 1))
        flipped = [bool((view == image[:, ::-1]).all()) for view, image in zip(views, images, strict=True)]
        same = [bool((view == image).all()) for view, image in zip(views, images, strict=True)]
        assert all(a != b for a, b in zip(flipped, same, strict=True))
        assert 4 < sum(flipped) < 16

    def test_they_are_what_the_layer_would_make_of_the_same_numbers(self):
        """The maps, against the resampling of Keras that training uses without teachers."""
        images = np.random.default_rng(1).integers(0, 256, (8, 16, 16), dtype=np.uint8)
        maps = view_maps(MOVED, 8, (16, 16), 3)
        flat = np.concatenate([maps.reshape(8, 6), np.zeros((8, 2), np.float32)], axis=1)
        expected = keras.ops.image.affine_transform(
            images[..., None].astype(np.float32), flat, interpolation="bilinear", fill_mode="nearest"
        )
        found = warp_crops(images, maps).astype(np.float32)
        # OpenCV knows places to 1/32 of a pixel.
        assert np.abs(found - keras.ops.convert_to_numpy(expected)[..., 0]).mean() < 3
        drawn = RandomAffine(True, 0.1, 15, 0.2, 0)._transforms(images[..., None])
        for column in range(6):
            ours, theirs = flat[:, column], keras.ops.convert_to_numpy(drawn)[:, column]
            assert np.abs(ours).max() < 2 * np.abs(theirs).max() + 1


class TestAnswers:
    @pytest.mark.parametrize("mirror", [False, True])
    def test_what_is_stored_is_what_the_teachers_say(self, few, store, mirror):
        recipe = lessons(models=("default", "fer2013"), mirror=mirror)
        taught = prepare_teaching(recipe, few, store, silent)
        images = few.train.images[:6]
        for view in range(2):
            seen = warp_crops(images, taught.maps[:6, view])
            said = np.zeros((6, len(few.label_set)))
            for name in ("default", "fer2013"):
                bundle = load_bundle(name)
                for faces in (seen, seen[:, :, ::-1].copy()) if mirror else (seen, seen):
                    answer = Classifier(bundle).predict(resize_crops(faces, bundle.crop_rule.size))
                    said += project(answer, bundle.label_set, few.label_set) / 4
            samples, views = np.arange(6), np.full(6, view)
            softened = softmax(np.log(said) / 2.0, axis=1)
            np.testing.assert_allclose(taught.softened(samples, views), softened, atol=2e-3)
            found = taught.viewed(images[..., None], samples, views)
            np.testing.assert_array_equal(found[..., 0], seen)

    def test_they_are_asked_once_and_more_views_ask_for_what_is_new(self, few, store, monkeypatch):
        asked = []
        ask = teaching._asked
        monkeypatch.setattr(teaching, "_asked", lambda *given, **more: asked.append(1) or ask(*given, **more))
        first = prepare_teaching(lessons(), few, store, silent)
        assert len(asked) == 2
        again = prepare_teaching(replace(lessons(share=0.9, temperature=1.0), seed=7), few, store, silent)
        assert len(asked) == 2
        np.testing.assert_array_equal(again.answers, first.answers)
        more = prepare_teaching(lessons(views=3), few, store, silent)
        assert len(asked) == 3
        np.testing.assert_array_equal(more.answers[:, :2], first.answers)
        # A file that was cut off is asked for again.
        (path,) = store.folder.glob("teachers/*/view-1.npy")
        path.write_bytes(path.read_bytes()[:-100])
        np.testing.assert_array_equal(prepare_teaching(lessons(), few, store, silent).answers, first.answers)
        assert len(asked) == 4

    def test_without_teachers_there_is_nothing(self, few, store):
        assert prepare_teaching(Recipe().resolved(32), few, store, silent) is None

    def test_a_teacher_that_has_learned_from_the_test_images_is_refused(self, few, store, monkeypatch):
        from mien.seen import Seen

        known = load_bundle("default")
        leaky = replace(known, seen=Seen.of(few.test.hashes[:5], []))
        monkeypatch.setattr(telling, "load_bundle", lambda name: leaky)
        with pytest.raises(NetworkError, match=r"has learned from 5 of the \d+ test images"):
            prepare_teaching(lessons(), few, store, silent)

    def test_a_teacher_that_lacks_a_label_is_refused(self, dataset, store):
        split = apply_protocol(dataset, ProtocolSpec(train_fraction=0.2))
        split = replace(split, label_set=type(split.label_set).named("eight"))
        with pytest.raises(NetworkError, match="default does not know what is to be learned: .*contempt"):
            prepare_teaching(lessons(), split, store, silent)


def test_an_epoch_sees_one_view_of_each_image_with_the_answer_to_it():
    rng = np.random.default_rng(0)
    count, views = 40, 3
    train = Material(
        rng.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8),
        np.eye(3, dtype=np.float32)[rng.integers(0, 3, count)],
        Teaching(
            np.stack([view_maps(MOVED, count, (8, 8), view) for view in range(views)], axis=1),
            log_softmax(rng.normal(0, 2, (count, views, 3)), axis=2).astype(np.float16),
            2.0,
        ),
    )
    order = rng.permutation(count)
    met = set()
    for epoch in range(1, 7):
        inputs, targets = epoch_rows(train, Recipe(augmentation=MOVED), epoch, order, None)(slice(0, count))
        assert targets.shape == (count, 6)
        np.testing.assert_allclose(targets[:, 3:].sum(axis=1), 1, atol=1e-5)
        for place, sample in enumerate(order):
            np.testing.assert_array_equal(targets[place, :3], train.targets[sample])
            (view,) = [
                view
                for view in range(views)
                if np.allclose(targets[place, 3:], train.teaching.softened([sample], [view])[0])
            ]
            expected = warp_crops(train.inputs[sample][None, ..., 0], train.teaching.maps[sample, view][None])
            np.testing.assert_array_equal(inputs[place, ..., 0], expected[0])
            met.add((sample, view))
    assert len(met) > 2 * count


def test_moves_are_not_made_twice():
    network = build_network(lessons(), image_size=(32, 32), classes=7, statistics=None)
    assert "random_affine" not in [layer.name for layer in network.layers]


@pytest.fixture
def finished(dataset, few, planned, tmp_path):
    """The folder of a run as it is left, and its network, which was not trained."""
    run, store = planned(), Store.create(tmp_path / "teacher")
    folder = store.run_folder(run.id)
    network = build_network(run.recipe, image_size=(32, 32), classes=len(few.label_set), statistics=None)
    RunRecord(
        id=run.id,
        status=RunStatus.COMPLETE,
        reason=None,
        recipe=portable(run.recipe),
        protocol=asdict(run.protocol),
        data=data_facts(dataset, few),
        label_set=few.label_set,
        readouts=(),
    ).write(folder)
    network.save(folder / NETWORK_FILE)
    store.keep_data(few, None)
    return folder, network


def test_a_run_teaches_what_its_network_says(finished, few, store, dataset):
    folder, network = finished
    recipe = lessons(models=(str(folder),), temperature=1.0)
    taught = prepare_teaching(recipe, few, store, silent)
    seen = warp_crops(few.train.images, taught.maps[:, 1])
    samples = np.arange(len(seen))
    expected = network.predict(seen[..., None], verbose=0)
    np.testing.assert_allclose(taught.softened(samples, np.ones_like(samples)), expected, atol=2e-3)
    assert taught_by({"teacher": {"models": portable(recipe)["teacher"]["models"]}})["teachers"].endswith(
        f"training images: run {folder.name}."
    )
    other = apply_protocol(dataset, ProtocolSpec(roles="split", seed=5))
    with pytest.raises(NetworkError, match="has learned from .* test images"):
        prepare_teaching(recipe, other, store, silent)


def test_a_run_with_teachers_goes_on_as_if_nothing_had_happened(dataset, few, facts, planned, recorder, tmp_path):
    """Everything is blended, and the death comes in the second epoch."""
    changes = replace(MOVED, mixup=0.2, cutmix=0.5, brightness=0.1)
    recipe = replace(lessons(), augmentation=changes, average_last=2)
    run = replace(planned(), id=name_run(recipe, facts), recipe=recipe, readouts=(2,))
    records = []
    for name, die_at in (("undisturbed", None), ("disturbed", (2, 1))):
        place = Store.create(tmp_path / name)
        if die_at:
            with pytest.raises(KeyboardInterrupt):
                execute.execute(run, dataset, few, place, watch=recorder(die_at=die_at))
        said = recorder()
        records.append(execute.execute(run, dataset, few, place, watch=said))
        assert any(text.startswith("asking the teacher") for text in said.stages) == (die_at is None)
    first, second = records
    assert [entry.comparable() for entry in first.history] == [entry.comparable() for entry in second.history]
    for key, entry in first.predictions.items():
        np.testing.assert_array_equal(second.predictions[key].outputs, entry.outputs)
    assert first.recipe["teacher"]["models"] == [f"default (bundle {load_bundle('default').fingerprint})"]

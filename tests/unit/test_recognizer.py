import io
import itertools
import math
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as pillow

from mien.bundle import UnsureRule
from mien.errors import BundleError, DataError, MienError
from mien.images import read_image
from mien.inference.crops import crop_face
from mien.inference.recognizer import Recognizer
from mien.inference.results import Outcome
from mien.labels import SEVEN, SIX


@pytest.fixture(scope="module")
def recognizer(bundle):
    return Recognizer(bundle, threads=2)


def tiles(portrait, rows, columns):
    tile = np.asarray(pillow.open(portrait))[:256, 96:352]
    return np.vstack([np.hstack([tile] * columns)] * rows)


def test_a_portrait_gets_a_label_with_probabilities_that_sum_to_one(recognizer, portrait):
    result = recognizer.recognize(portrait)
    assert (result.outcome, result.reason, result.width, result.height) == (Outcome.OK, "", 512, 512)
    assert result.photo == str(portrait)
    assert result.model == recognizer.bundle.identity
    (face,) = result.faces
    assert math.isclose(sum(value for _, value in face.probabilities), 1, abs_tol=1e-9)
    assert [expression for expression, _ in face.probabilities] == list(SEVEN.expressions)


def test_the_probabilities_are_those_of_the_crop_that_the_rule_cuts(recognizer, portrait):
    (face,) = recognizer.recognize(portrait).faces
    crop = crop_face(read_image(portrait), face.face, recognizer.bundle.crop_rule)
    expected = recognizer.classifier.predict(crop[None])[0]
    np.testing.assert_allclose([value for _, value in face.probabilities], expected, atol=1e-6)


def test_a_photo_without_a_face_never_has_a_label(recognizer):
    result = recognizer.recognize(np.full((300, 300, 3), 130, dtype=np.uint8))
    assert (result.outcome, result.faces, result.reason) == (Outcome.NO_FACE, (), "No face was found.")


def test_a_photo_or_face_below_the_minimum_is_too_small(bundle, portrait):
    recognizer = Recognizer(bundle, minimum_face_px=100, threads=1)
    small = recognizer.recognize(np.zeros((20, 30), dtype=np.uint8))
    assert (small.outcome, small.faces) == (Outcome.TOO_SMALL, ())
    result = recognizer.recognize(portrait)  # its face is 89 pixels wide
    assert (result.outcome, result.faces[0].outcome) == (Outcome.TOO_SMALL, Outcome.TOO_SMALL)
    assert result.faces[0].probabilities == ()
    assert "100" in result.reason


def test_what_cannot_be_read_is_an_outcome_with_a_reason(recognizer, tmp_path):
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")
    for photo in (tmp_path / "text.jpg", tmp_path / "none.jpg", b""):
        result = recognizer.recognize(photo)
        assert result.outcome is Outcome.UNREADABLE
        assert result.reason
        assert result.faces == ()


def test_unsure_below_the_threshold_of_the_bundle_or_of_the_user(tmp_path, bundle_maker, portrait):
    bundle = bundle_maker(tmp_path / "b.mien", unsure=UnsureRule(0.999, 0.1, 0.5, "validation"))
    result = Recognizer(bundle).recognize(portrait)
    assert (result.outcome, result.faces[0].outcome, result.faces[0].label) == (Outcome.UNSURE, Outcome.UNSURE, None)
    assert "0.999" in result.reason
    assert Recognizer(bundle, unsure=False).recognize(portrait).outcome is Outcome.OK
    assert Recognizer(bundle, unsure=0.01).recognize(portrait).outcome is Outcome.OK


def test_the_threshold_of_a_bundle_holds_for_the_labels_it_was_proven_for(tmp_path, bundle_maker, portrait):
    """Fewer labels share the probability of the dropped ones: that makes no face more certain."""
    seven = dict(Recognizer(bundle_maker(tmp_path / "a.mien"), unsure=False).recognize(portrait).faces[0].probabilities)
    left = {expression: seven[expression] for expression in SIX.expressions}
    top, shown = max(left.values()), max(left.values()) / sum(left.values())
    assert top < shown
    between = UnsureRule((top + shown) / 2, 0.1, 0.5, "validation")
    below = UnsureRule(top * 0.99, 0.1, 0.5, "validation")
    for rule, outcome in ((between, Outcome.UNSURE), (below, Outcome.OK)):
        bundle = bundle_maker(tmp_path / f"{outcome}.mien", unsure=rule)
        assert Recognizer(bundle, labels="six").recognize(portrait).faces[0].outcome is outcome
        assert Recognizer(bundle).with_options(labels="six").recognize(portrait).faces[0].outcome is outcome
    # What the user asks for is held against what the user is shown.
    assert Recognizer(bundle, labels="six", unsure=between.threshold).recognize(portrait).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("probabilities", "labels", "outcome"),
    [
        ((0.62, 0.38, 0.0), None, Outcome.OK),
        ((0.5, 0.3, 0.2), None, Outcome.MIXED),
        ((0.3, 0.2, 0.5), None, Outcome.MIXED),
        ((0.5, 0.25, 0.25), None, Outcome.MIXED),
        ((0.5, 0.24, 0.26), None, Outcome.MIXED),
        ((0.59, 0.2, 0.21), None, Outcome.UNSURE),  # the second has less than a quarter
        ((0.4, 0.34, 0.26), None, Outcome.UNSURE),  # together less than three quarters
        ((0.5, 0.3, 0.2), "anger,disgust", Outcome.OK),
        ((0.3, 0.3, 0.4), "anger,disgust", Outcome.UNSURE),  # of two labels both would say nothing
    ],
)
def test_a_face_has_a_label_two_or_none(recognizer, portrait, probabilities, labels, outcome):
    asked = recognizer.with_options(labels=labels, unsure=0.6)
    prepared = asked.prepare(portrait)
    result = asked.result(prepared, np.array([[*probabilities, 0, 0, 0, 0]], dtype=np.float64))
    (face,) = result.faces
    assert (face.outcome, result.outcome) == (outcome, outcome)
    assert len(face.mixture) == (2 if outcome is Outcome.MIXED else 0)
    assert ("two together have at least 0.75" in result.reason) == (outcome is Outcome.MIXED)
    # Where it cannot be told which way up the photo is, nothing is.
    lying = asked.result(replace(prepared, certain=False), np.array([[*probabilities, 0, 0, 0, 0]], dtype=np.float64))
    assert lying.faces[0].outcome is Outcome.UNSURE


def test_six_labels_are_the_seven_without_one_renormalised(bundle, recognizer, portrait):
    seven = dict(recognizer.recognize(portrait).faces[0].probabilities)
    six = dict(Recognizer(bundle, labels="six").recognize(portrait).faces[0].probabilities)
    mass = sum(seven[expression] for expression in SIX.expressions)
    assert list(six) == list(SIX.expressions)
    for expression, value in six.items():
        assert math.isclose(value, seven[expression] / mass, rel_tol=1e-5)


def test_impossible_choices_are_refused(bundle, tmp_path):
    with pytest.raises(DataError, match="contempt"):
        Recognizer(bundle, labels="eight")
    with pytest.raises(DataError, match="Did you mean 'seven'"):
        Recognizer(bundle, labels="sevn")
    for unsure in (1.5, "0.5", True, float("nan")):
        with pytest.raises(DataError, match="unsure"):
            Recognizer(bundle, unsure=unsure)
    with pytest.raises(BundleError):
        Recognizer(tmp_path / "none.mien")


def test_many_photos_keep_their_order_and_a_bad_one_stops_nothing(recognizer, photo_folder, portrait):
    photos = [portrait, photo_folder / "c.jpg", photo_folder / "b.png", tiles(portrait, 2, 2), portrait, b"", portrait]
    results = list(recognizer.recognize_many(photos, batch=3))
    assert [result.outcome.value for result in results] == "ok unreadable no_face ok ok unreadable ok".split()
    for photo, result in zip(photos, results, strict=True):
        single = recognizer.recognize(photo)
        assert [face.face for face in result.faces] == [face.face for face in single.faces]
        for face, alone in zip(result.faces, single.faces, strict=True):
            difference = np.subtract([p for _, p in face.probabilities], [p for _, p in alone.probabilities])
            assert np.abs(difference).max() < 1e-6


def test_faces_of_several_photos_go_to_the_network_together(recognizer, portrait, monkeypatch):
    sizes = []
    predict = recognizer.classifier.predict
    monkeypatch.setattr(recognizer.classifier, "predict", lambda crops: (sizes.append(len(crops)), predict(crops))[1])
    list(recognizer.recognize_many([portrait] * 6, batch=4))
    assert sizes == [4, 2]


def test_photos_are_taken_only_a_little_ahead(recognizer, portrait):
    before = set(threading.enumerate())  # a service of another test may have readers of its own
    taken = itertools.count()
    endless = (next(taken) and portrait or portrait for _ in itertools.count())
    results = recognizer.recognize_many(endless, batch=2)
    for _ in range(4):
        next(results)
    results.close()
    assert next(taken) <= 4 + 2 * 2 + 2
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("mien-photo")]


def test_no_photos_give_no_results_and_an_empty_batch_is_refused(recognizer):
    assert list(recognizer.recognize_many([])) == []
    with pytest.raises(DataError, match="batch"):
        list(recognizer.recognize_many([], batch=0))


def test_crops_are_classified_as_they_are(recognizer):
    crops = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    results = recognizer.recognize_crops(crops)
    received = np.array([[value for _, value in result.probabilities] for result in results])
    np.testing.assert_allclose(received, recognizer.classifier.predict(crops), atol=1e-9)
    assert [result.face.id for result in results] == [1, 2, 3, 4]
    assert [result.probabilities for result in recognizer.recognize_crops(crops[..., None])] == [
        result.probabilities for result in results
    ]
    with pytest.raises(DataError, match="crops"):
        recognizer.recognize_crops(crops.astype(float))


def test_a_path_with_letters_of_any_script_is_read(recognizer, portrait, tmp_path):
    path = tmp_path / "смех 笑顔 é.jpg"
    shutil.copy(portrait, path)
    assert recognizer.recognize(path).outcome is Outcome.OK


def test_a_small_face_in_a_large_photo_is_cut_out_of_a_file_object_too(recognizer, portrait, tmp_path):
    # Such a photo is read twice: at a part of its size for finding, and whole for cutting.
    with pillow.open(portrait) as face:
        scene = pillow.new("RGB", (4800, 3600), "white")
        scene.paste(face.convert("RGB").resize((300, 300)), (2000, 1500))
    scene.save(tmp_path / "scene.jpg", quality=92)
    expected = recognizer.recognize(tmp_path / "scene.jpg")
    assert expected.faces
    with (tmp_path / "scene.jpg").open("rb") as file:
        assert recognizer.recognize(file).to_json() == expected.to_json()
    content = io.BytesIO((tmp_path / "scene.jpg").read_bytes())
    assert [face.to_dict() for face in recognizer.recognize(content).faces] == [
        face.to_dict() for face in expected.faces
    ]


def test_arguments_of_another_kind_are_named_at_the_door(recognizer):
    for wrong in ({"detector": "yunet.onnx"}, {"threads": 0}, {"threads": 1.5}, {"framing": 5}, {"max_pixels": "a"}):
        with pytest.raises(MienError, match=next(iter(wrong))):
            Recognizer(**wrong)
    with pytest.raises(MienError, match=r"recognize_many: batch is a whole number. Received: 2.5"):
        list(recognizer.recognize_many(["a.jpg"], batch=2.5))
    with pytest.raises(DataError, match=r"one array.*Received: list"):
        recognizer.recognize_crops([np.zeros((48, 48), np.uint8)])
    with pytest.raises(DataError, match=r"Received: \(2, 0, 48\)"):
        recognizer.recognize_crops(np.zeros((2, 0, 48), np.uint8))


def test_one_recognizer_serves_several_threads(recognizer, portrait):
    expected = recognizer.recognize(portrait)
    results = []
    threads = [threading.Thread(target=lambda: results.append(recognizer.recognize(portrait))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_the_steps_of_recognize_give_what_it_gives_together_or_apart(recognizer, portrait):
    photos = [portrait.read_bytes(), np.full((300, 300, 3), 130, dtype=np.uint8), b"no picture", portrait.read_bytes()]
    prepared = [recognizer.prepare(photo, name=f"photo {number}") for number, photo in enumerate(photos)]
    together = recognizer.classify(prepared)
    for number, (photo, one, rows) in enumerate(zip(photos, prepared, together, strict=True)):
        result = recognizer.result(one, rows)
        (apart,) = recognizer.classify([one])
        assert result == recognizer.result(one, apart)
        alone = recognizer.recognize(photo)
        assert result.photo == f"photo {number}"
        assert (result.outcome, result.faces) == (alone.outcome, alone.faces)
    assert "photo 2 is not a picture" in recognizer.result(prepared[2], together[2]).reason


def test_other_options_give_what_a_recognizer_made_with_them_gives(recognizer, bundle, portrait):
    chosen = recognizer.with_options(labels="six", unsure=0.9)
    assert chosen.recognize(portrait) == Recognizer(bundle, labels="six", unsure=0.9, threads=2).recognize(portrait)
    assert chosen.classifier is recognizer.classifier
    assert recognizer.label_set == SEVEN
    with pytest.raises(DataError):
        recognizer.with_options(labels="eight")


def test_results_come_before_what_the_source_of_photos_raises(bundle, portrait):
    def photos():
        yield portrait
        yield portrait
        raise OSError("the camera is gone")

    results = Recognizer(bundle).recognize_many(photos(), batch=8)
    assert [next(results).outcome, next(results).outcome] == [Outcome.OK, Outcome.OK]
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)


@pytest.mark.parametrize("then", [[], [OSError("the camera is gone")]])
def test_results_come_before_the_error_for_what_is_no_photo(bundle, portrait, then):
    def photos():
        yield from [portrait, portrait, portrait, 17]
        yield from [portrait] * 3
        for error in then:
            raise error

    results = Recognizer(bundle).recognize_many(photos(), batch=8)
    assert [next(results).outcome for _ in range(3)] == [Outcome.OK] * 3
    with pytest.raises(TypeError, match="int"):
        next(results)


def test_an_array_of_huge_values_is_unreadable_and_no_error(bundle):
    assert Recognizer(bundle).recognize(np.full((64, 64), 1e300)).outcome is Outcome.UNREADABLE


@pytest.mark.parametrize("channels", [3, 4])
def test_one_crop_in_colour_is_not_taken_for_many_narrow_ones(bundle, channels):
    recognizer = Recognizer(bundle)
    face = np.full((48, 48, channels), 90, dtype=np.uint8)
    with pytest.raises(DataError, match=r"one image in colour: crops\[numpy.newaxis"):
        recognizer.recognize_crops(face)
    assert len(recognizer.recognize_crops(face[np.newaxis, ..., :3])) == 1

"""Colour as a setting: every form is read in colour, and where colours meet gray it is said and done rightly."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as pillow
from typer.testing import CliRunner

import mien
from mien.api.data import convert, describe
from mien.bundle import load_bundle, write_again, write_bundle
from mien.channels import image_in_channels, images_in_channels, to_gray, with_channel_axis
from mien.cli.main import command_line
from mien.datasets.dataset import Role
from mien.datasets.pixels import decode_image
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.errors import BundleError, DataError
from mien.evaluation.corruptions import CORRUPTIONS, corrupt
from mien.framing import CropRule, crop_rule_of
from mien.images import png_bytes, read_image
from mien.inference.classifier import Classifier
from mien.inference.crops import crop_face, resize_crops
from mien.inference.detector import Box, Face
from mien.inference.explanation import class_activation_map, deletion_curve, explain, occlusion_map
from mien.labels import LabelSet, parse_expression
from mien.seen import Seen, gray_hashes, hash_images
from mien.study.plan import SplitFacts, name_run
from mien.study.recipe import PreprocessingSpec, Recipe
from support.colour import LABELS, colour_faces, write_folder

COLOURS = CropRule(size=24, channels="rgb", framing="drawn")


@pytest.fixture(scope="module")
def faces():
    return colour_faces(36, size=24)


@pytest.fixture(scope="module")
def gray(faces):
    return images_in_channels(faces[0], "gray")


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    return path


def as_folder(path, images, labels):
    return write_folder(path / "faces", images, labels)


def as_zip(path, images, labels):
    return zipped(as_folder(path, images, labels), path / "faces.zip")


def as_arrays(path, images, labels):
    np.savez(path / "faces.npz", images=images, labels=np.array(labels))
    return path / "faces.npz"


def as_planes_of_floats(path, images, labels):
    np.savez(path / "faces.npz", X=np.moveaxis(images, 3, 1) / np.float32(255), y=np.array(labels))
    return path / "faces.npz"


def as_hdf5(path, images, labels):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "faces.h5", "w") as file:
        file["images"], file["labels"] = images, [label.encode() for label in labels]
    return path / "faces.h5"


def as_table_of_paths(path, images, labels):
    (path / "images").mkdir()
    for number, image in enumerate(images):
        (path / "images" / f"{number}.png").write_bytes(png_bytes(image))
    lines = [f"{number}.png,{label}" for number, label in enumerate(labels)]
    (path / "labels.csv").write_text("\n".join(["image,emotion", *lines]), encoding="utf-8")
    return path / "labels.csv"


def as_converted(path, images, labels):
    convert(as_arrays(path, images, labels), path / "manifest", channels="rgb")
    return path / "manifest"


def as_parquet(path, images, labels):
    pytest.importorskip("pyarrow")
    convert(as_arrays(path, images, labels), path / "faces.parquet", channels="rgb")
    return path / "faces.parquet"


def as_a_reader_of_ones_own(path, images, labels):
    """One that takes a path alone: what it gives is brought to what is asked for."""
    as_arrays(path, images, labels)
    (path / "own.py").write_text(
        "import numpy as np, mien\n"
        "def read(path):\n"
        "    with np.load(path) as file:\n"
        "        return mien.Dataset.from_arrays(file['images'], file['labels'], channels='rgb')\n",
        encoding="utf-8",
    )
    return mien.DataSpec(path=str(path / "faces.npz"), reader=f"{path / 'own.py'}:read")


FORMS = [
    *(as_folder, as_zip, as_arrays, as_planes_of_floats, as_hdf5),
    *(as_table_of_paths, as_converted, as_parquet, as_a_reader_of_ones_own),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_in_colour_where_that_is_said_and_in_gray_otherwise(form, faces, tmp_path):
    images, labels = faces
    path = form(tmp_path, images, labels)
    wanted = mien.Dataset.from_arrays(images, labels, channels="rgb")
    for _ in range(2):  # the second time from the cache
        read = mien.read(path, channels="rgb", cache=tmp_path / "cache")
        assert (read.channels, read.images.shape) == ("rgb", images.shape)
        assert read.fingerprint == wanted.fingerprint
        assert read.spec.portable()["channels"] == "rgb"
        plain = mien.read(path, cache=tmp_path / "cache")
        assert plain.fingerprint == wanted.in_channels("gray").fingerprint
        assert any("in colour, turned gray" in note for note in plain.notes)
        assert "channels" not in plain.spec.portable()


def test_gray_images_among_colours_get_three_equal_channels_and_are_counted(faces, gray, tmp_path):
    images, labels = faces
    mixed = images.copy()
    mixed[:10] = gray[:10, ..., np.newaxis]
    read = mien.read(write_folder(tmp_path / "faces", mixed, labels), channels="rgb")
    assert read.fingerprint == mien.Dataset.from_arrays(mixed, labels, channels="rgb").fingerprint
    assert "10 of 36 images are gray, with three equal channels" in read.notes


@pytest.mark.parametrize(
    ("channels", "sentence"), [("gray", "26 of 36 images are in colour"), ("rgb", "10 of 36 images are gray")]
)
def test_a_mismatch_is_refused_where_that_is_said(channels, sentence, faces, gray, tmp_path):
    images, labels = faces
    mixed = images.copy()
    mixed[:10] = gray[:10, ..., np.newaxis]
    folder = write_folder(tmp_path / "faces", mixed, labels)
    with pytest.raises(DataError, match=sentence):
        mien.read(folder, channels=channels, on_mismatch="refuse")


def test_drawn_faces_are_gray_and_say_so():
    read = mien.read("drawn:count=60,size=24", channels="rgb")
    assert np.array_equal(read.in_channels("gray").images, mien.read("drawn:count=60,size=24").images)
    assert "60 images: gray, with three equal channels" in read.notes


def encodings():
    """One picture in forms whose colours are easily read wrongly."""
    ramp = np.linspace(20, 235, 24)
    rgb = np.stack(np.broadcast_arrays(ramp, ramp[:, np.newaxis], ramp[::-1]), axis=-1).astype(np.uint8)
    picture = pillow.fromarray(rgb)
    clear = picture.convert("RGBA")
    clear.putalpha(pillow.fromarray(np.tile(np.linspace(0, 255, 24).astype(np.uint8), (24, 1))))
    turned = pillow.Exif()
    turned[0x0112] = 6
    forms = {
        "png": (picture, {}),
        "palette": (picture.convert("P", palette=pillow.Palette.ADAPTIVE), {}),
        "alpha": (clear, {}),
        "jpeg": (picture, {"format": "JPEG"}),
        "cmyk": (picture.convert("CMYK"), {"format": "JPEG"}),
        "lying": (picture, {"format": "JPEG", "exif": turned}),
        "webp": (picture, {"format": "WEBP", "lossless": True}),
    }
    for name, (image, how) in forms.items():
        file = io.BytesIO()
        image.save(file, **{"format": "PNG", **how})
        yield pytest.param(file.getvalue(), id=name)


@pytest.mark.parametrize("content", list(encodings()))
def test_colours_are_those_that_the_reader_of_photos_sees(content):
    pixels = decode_image(content, "rgb").pixels
    expected = read_image(content).rgb
    assert pixels.shape == (24, 24, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 2  # two decoders of JPEG
    assert np.abs(to_gray(pixels).astype(int) - decode_image(content).pixels).max() <= 1


def test_arrays_say_what_they_hold(faces, gray):
    images, labels = faces
    kept = mien.Dataset.from_arrays(images, labels, channels="rgb")
    assert np.array_equal(kept.images, images)
    assert repr(kept).startswith("<data set arrays: 36 images of 24x24 in colour")
    blue_first = mien.Dataset.from_arrays(images[..., ::-1], labels, channels="rgb", order="bgr")
    assert np.array_equal(blue_first.images, images)
    assert np.array_equal(mien.Dataset.from_arrays(images, labels, channels="gray").images, gray)
    assert np.array_equal(mien.Dataset.from_arrays(gray, labels, channels="rgb").images[..., 1], gray)
    assert kept.take(np.arange(5)).channels == "rgb"
    with pytest.raises(DataError, match="order is"):
        mien.Dataset.from_arrays(images, labels, channels="rgb", order="rbg")
    with pytest.raises(DataError, match="'gray' or 'rgb'"):
        mien.DataSpec(path="x", channels="colour")


def test_sources_in_colour_and_in_gray_do_not_go_together(faces, gray, tmp_path):
    images, labels = faces
    colours = write_folder(tmp_path / "colours", images, labels)
    other = write_folder(tmp_path / "other", images[::-1], labels[::-1])
    sources = (mien.DataSpec(path=str(colours)), mien.DataSpec(path=str(other)))
    both = mien.read(mien.DataSpec(sources=sources, channels="rgb"))
    assert both.images.shape == (72, 24, 24, 3)
    sources = (sources[0], replace(sources[1], channels="rgb"))
    with pytest.raises(DataError, match=r"colours gray, other rgb\. Say channels"):
        mien.read(mien.DataSpec(sources=sources))


def test_copies_and_what_teaches_nothing_are_found_in_colour_as_in_gray(faces):
    images, labels = faces
    doubled = np.concatenate([images, images[:3], np.full((1, 24, 24, 3), (200, 100, 50), np.uint8)])
    data = mien.Dataset.from_arrays(doubled, [*labels, *labels[:3], labels[0]], channels="rgb")
    found = {finding.check: finding.count for finding in mien.audit(data, faces=False).found.findings}
    assert found["constant"] == 1
    assert describe(data).copies.images == 6
    split = apply_protocol(data, ProtocolSpec(labels="dataset", copies="near"))
    assert not set(split.train.pictures) & set(split.test.open(by="test", reason="test", log=lambda _: None).pictures)


def test_gray_records_name_no_channels_and_runs_in_gray_keep_their_names():
    facts = SplitFacts("f" * 16, "split", 48, 7, 1000, 100, 200)
    assert name_run(Recipe().resolved(48), facts) == "130e29561a91"  # as it was before there were colours
    asked = Recipe(preprocessing=PreprocessingSpec(channels="gray"))
    assert name_run(asked.resolved(48), facts) == "130e29561a91"
    colours = replace(facts, channels="rgb")
    said = Recipe(preprocessing=PreprocessingSpec(channels="rgb")).resolved(48, "rgb")
    assert name_run(said, colours) == name_run(Recipe().resolved(48, "rgb"), colours)
    assert name_run(asked.resolved(48, "rgb"), colours) != name_run(said, colours)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_colour_image_of_gray_is_corrupted_as_a_gray_one_is(corruption, faces, gray):
    """But for noise, which is of all colours; and JPEG, which keeps brightness and colours apart."""
    repeated = images_in_channels(gray[:4], "rgb")
    made, expected = (corrupt(images, corruption, 3) for images in (repeated, gray[:4]))
    assert made.shape == repeated.shape
    if corruption not in ("noise", "shot_noise"):
        apart = np.abs(images_in_channels(made, "gray").astype(int) - expected)
        assert apart.max() <= (3 if corruption == "jpeg" else 1)
    colours = corrupt(faces[0][:4], corruption, 1)
    assert np.abs(colours.astype(int).mean((1, 2)) - faces[0][:4].mean((1, 2))).max() < 70


def test_a_face_is_cut_out_in_colour_as_in_gray(portrait):
    image = read_image(portrait)
    face = Face(1, Box(150.0, 140.0, 200.0, 230.0), (), 1.0)
    rule = crop_rule_of("fer2013", 48)
    colours = crop_face(image, face, replace(rule, channels="rgb"))
    assert colours.shape == (48, 48, 3)
    assert np.abs(to_gray(colours).astype(int) - crop_face(image, face, rule)).max() <= 2
    assert colours[..., 0].mean() > colours[..., 2].mean() + 10  # skin: red comes first
    without = replace(image, pixels=image_in_channels(image.pixels, "gray"))
    repeated = crop_face(without, face, replace(rule, channels="rgb"))
    assert np.array_equal(repeated, images_in_channels(crop_face(without, face, rule)[np.newaxis], "rgb")[0])


@pytest.fixture(scope="module")
def colour_bundle(bundle_maker, onnx_maker, tmp_path_factory):
    """A model that answers by the mean colour alone: red for anger, green for happiness, blue for neutral."""
    kernel = np.zeros((3, 3, 5, 5), np.float32)
    kernel[(0, 1, 2), (0, 1, 2)] = 0.2
    labels = LabelSet.of(map(parse_expression, LABELS))
    onnx = onnx_maker(kernel, 2 * np.eye(3, dtype=np.float32), size=24)
    return bundle_maker(
        tmp_path_factory.mktemp("colour") / "colour.mien",
        label_set=labels,
        onnx=onnx,
        crop_rule=COLOURS,
        cam_weights=2 * np.eye(3, dtype=np.float32),
    )


def painted(colour, side=24):
    return np.full((side, side, 3), colour, np.uint8)


RED, GREEN, BLUE = (220, 60, 60), (60, 220, 60), (60, 60, 220)


def test_a_bundle_says_that_it_is_in_colour_and_a_gray_one_is_as_before(colour_bundle, bundle, tmp_path):
    loaded = load_bundle(colour_bundle.source)
    assert (loaded.channels, loaded.golden.crops.shape[1:]) == ("rgb", (24, 24, 3))
    assert "in colour" in repr(loaded)
    assert CropRule.from_json(COLOURS.to_json()) == COLOURS
    assert "channels" not in bundle.crop_rule.to_json()
    for one, schema in ((colour_bundle, 3), (bundle, 2)):
        parts = {name: getattr(one, name) for name in ("name", "onnx", "label_set", "crop_rule", "temperature")}
        parts |= {name: getattr(one, name) for name in ("unsure", "card", "golden", "cam_weights")}
        written = write_bundle(tmp_path / str(schema), **parts)
        assert f'"schema": {schema},' in (tmp_path / str(schema) / "bundle.json").read_text(encoding="utf-8")
        assert written.fingerprint == one.fingerprint
    golden = replace(bundle.golden, crops=images_in_channels(bundle.golden.crops, "rgb"))
    with pytest.raises(BundleError, match=r"golden crops of shape \(N, 48, 48\)"):
        write_bundle(tmp_path / "wrong", **{**parts, "golden": golden})


def test_a_recognizer_of_colours_sees_them_in_the_right_order(colour_bundle):
    recognizer = mien.Recognizer(colour_bundle, crops=True)
    for colour, label in ((RED, "anger"), (GREEN, "happiness"), (BLUE, "neutral")):
        crop = painted(colour, 31)  # of another size than the model's
        shown = [
            recognizer.recognize(crop),
            recognizer.recognize(np.ascontiguousarray(crop[..., ::-1]), order="bgr"),
            recognizer.recognize(png_bytes(crop)),
            next(recognizer.recognize_named_crops([("one", crop)])),
        ]
        assert {result.faces[0].most_probable.value for result in shown} == {label}
        assert recognizer.recognize_crops(crop[np.newaxis])[0].most_probable.value == label
        assert not any(result.notes for result in shown)
    plain = recognizer.recognize(np.full((24, 24), 99, np.uint8))
    assert plain.notes == ("gray, and the model learned from colours",)
    repeated = recognizer.recognize(painted((99, 99, 99)))
    assert repeated.faces[0].probabilities == plain.faces[0].probabilities
    assert repeated.notes == plain.notes


def test_faces_of_photos_are_cut_out_in_colour(colour_bundle, portrait):
    image = pillow.open(portrait).convert("RGB")
    recognizer = mien.Recognizer(colour_bundle)
    (found,) = recognizer.recognize(image).faces
    crop = crop_face(read_image(portrait), found.face, colour_bundle.crop_rule)
    (expected,) = Classifier(colour_bundle).predict(crop[np.newaxis])
    assert [p for _, p in found.probabilities] == pytest.approx(expected.tolist(), abs=0.02)
    reversed_array = np.asarray(image)[..., ::-1]
    (other,) = recognizer.recognize(reversed_array, order="bgr").faces
    assert dict(other.probabilities) == pytest.approx(dict(found.probabilities))
    tinted = {
        label: recognizer.recognize(np.clip(np.asarray(image) * np.array(factors), 0, 255).astype(np.uint8))
        for label, factors in {"anger": (1.2, 0.5, 0.5), "neutral": (0.5, 0.5, 1.6)}.items()
    }
    assert {label: result.faces[0].most_probable.value for label, result in tinted.items()} == {
        label: label for label in tinted
    }


def test_a_classifier_takes_its_own_channels_alone(colour_bundle, bundle):
    with pytest.raises(DataError, match=r"\(N, 24, 24, 3\)"):
        Classifier(colour_bundle).predict(np.zeros((2, 24, 24), np.uint8))
    with pytest.raises(DataError, match=r"\(N, 48, 48, 1\)"):
        Classifier(bundle).predict(np.zeros((2, 48, 48, 3), np.uint8))


def test_maps_explain_a_face_in_colour(colour_bundle):
    classifier = Classifier(colour_bundle)
    crop = painted((90, 90, 90))
    crop[:12, :12] = RED
    anger = parse_expression("anger")
    for make in (occlusion_map, class_activation_map):
        heat = make(classifier, crop, anger)
        assert heat.shape == (24, 24)
        assert heat[2:9, 2:9].mean() > heat[14:, 14:].mean()
    curve = deletion_curve(classifier, crop, anger, heat)
    assert curve[0] == pytest.approx(classifier.predict(crop[np.newaxis])[0, 0])
    assert curve[-1] == pytest.approx(curve[0], abs=0.05)  # the mean colour is what this model goes by
    assert explain(classifier, crop, anger).heat.shape == (24, 24)


def test_a_model_of_colours_is_measured_in_colour_and_says_where_there_are_none(colour_bundle, faces, gray, tmp_path):
    images, labels = faces
    folder = write_folder(tmp_path / "faces", images, labels)
    for data in (folder, mien.Dataset.from_arrays(images, labels, channels="rgb")):
        found = mien.evaluate(colour_bundle, data)
        assert found.evaluation.scores.accuracy.value == 1.0
        assert not any("gray" in note for note in found.notes)
    for data in (
        write_folder(tmp_path / "gray", gray, labels),
        mien.Dataset.from_arrays(gray, labels),
    ):
        found = mien.evaluate(colour_bundle, data)
        assert found.evaluation.scores.accuracy.value == pytest.approx(1 / 3)
        assert any("gray, with three equal channels" in note for note in found.notes)
    damaged = mien.evaluate(colour_bundle, folder, corruptions=["darkness"])
    assert len(damaged.corrupted) == 5


def test_what_a_model_has_seen_in_colour_is_known_again_in_gray(colour_bundle, bundle, faces, gray, tmp_path):
    images, labels = faces
    colours = mien.Dataset.from_arrays(images, labels, channels="rgb")
    learned = Seen.of(gray_hashes(images[:20], colours.sample_hashes[:20]), [])
    of_colour = write_again(replace(colour_bundle, seen=learned), tmp_path / "seen.mien")
    for data in (colours, mien.Dataset.from_arrays(gray, labels), write_folder(tmp_path / "faces", images, labels)):
        assert mien.evaluate(of_colour, data).familiar.learned == 20
    at_its_size = resize_crops(gray[:20], 48)
    of_gray = write_again(replace(bundle, seen=Seen.of(hash_images(at_its_size), [])), tmp_path / "gray.mien")
    assert mien.evaluate(of_gray, colours).familiar.learned == 20


def test_faces_are_found_and_cut_out_in_colour(colour_bundle, portrait, tmp_path):
    for number, label in enumerate(("anger", "happiness")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        photo = np.array(pillow.open(portrait).convert("RGB"))
        photo[:8, :8] = 10 * number
        pillow.fromarray(photo).save(tmp_path / "photos" / label / "photo.png")
    found = mien.read(tmp_path / "photos", channels="rgb", faces="find", framing="drawn", size=24)
    assert found.images.shape == (2, 24, 24, 3)
    assert found.images[..., 0].mean() > found.images[..., 2].mean() + 10
    measured = mien.evaluate(colour_bundle, tmp_path / "photos", find_faces=True)
    (face,) = mien.Recognizer(colour_bundle).recognize(str(tmp_path / "photos" / "anger" / "photo.png")).faces
    anger, happiness, _ = (probability for _, probability in face.probabilities)  # neutral is not among the data
    assert measured.predictions.outputs[0, 0] == pytest.approx(anger / (anger + happiness), abs=1e-5)


def test_crops_in_arrays_and_tables_are_named_in_colour(colour_bundle, tmp_path):
    crops = np.stack([painted(RED), painted(GREEN), painted(BLUE)])
    np.savez(tmp_path / "crops.npz", images=crops)
    for number, crop in enumerate(crops):
        (tmp_path / f"{number}.png").write_bytes(png_bytes(crop))
    (tmp_path / "crops.csv").write_text("path\n0.png\n1.png\n2.png\n", encoding="utf-8")
    for name in ("crops.npz", "crops.csv"):
        words = ["predict", str(tmp_path / name), "--crops", "--bundle", colour_bundle.source, "--json"]
        done = CliRunner().invoke(command_line(words), words)
        assert done.exit_code == 0, done.output
        results = map(json.loads, done.stdout.splitlines())
        found = [max(result["faces"][0]["probabilities"].items(), key=lambda pair: pair[1])[0] for result in results]
        assert found == ["anger", "happiness", "neutral"]


@pytest.mark.parametrize(
    "words",
    [["data", "describe"], ["data", "convert", "--output", "out"], ["data", "audit", "--no-faces", "--output", "out"]],
)
def test_commands_read_in_colour_where_that_is_said(words, faces, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = write_folder(tmp_path / "faces", *faces)
    words = [*words, str(folder), "--channels", "rgb"]
    done = CliRunner().invoke(command_line(words), words)
    assert done.exit_code == 0, done.output
    assert mien.read(folder, channels="rgb").fingerprint in done.output or words[1] == "audit"
    if words[1] == "audit":
        assert (tmp_path / "out" / "audit.html").is_file()


def test_a_model_of_gray_faces_meets_colours_in_gray(bundle, faces, tmp_path):
    images, labels = faces
    folder = write_folder(tmp_path / "faces", images, labels)
    in_memory = mien.evaluate(bundle, mien.Dataset.from_arrays(images, labels, channels="rgb"))
    read = mien.evaluate(bundle, folder)
    for found in (in_memory, read):
        assert any("in colour, turned gray" in note for note in found.notes)
    order = np.argsort(read.predictions.ids)
    by_id = {name: row for name, row in zip(read.predictions.ids, read.predictions.outputs, strict=True)}
    names = sorted(by_id, key=lambda name: int(name.rpartition("/")[2][:4]))
    assert len(order) == len(images)
    np.testing.assert_allclose(in_memory.predictions.outputs, [by_id[name] for name in names], atol=1e-6)


def test_the_service_takes_faces_in_colour(colour_bundle):
    from mien.web.open_inference import crops_of, model_metadata

    assert model_metadata(colour_bundle)["inputs"][0]["shape"] == [-1, 24, 24, 3]
    given = {"name": "faces", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": list(range(12))}
    assert crops_of({"inputs": [given]}, 4, "rgb").tolist() == np.arange(12).reshape(1, 2, 2, 3).tolist()
    with pytest.raises(DataError, match=r"in colour \(RGB\), shape \(N, H, W, 3\)"):
        crops_of({"inputs": [{**given, "shape": [1, 3, 4]}]}, 4, "rgb")
    with pytest.raises(DataError, match="gray faces"):
        crops_of({"inputs": [given]}, 4, "gray")


def test_roles_are_kept_where_images_change_their_channels(faces):
    images, labels = faces
    data = mien.Dataset.from_arrays(images, labels, channels="rgb", roles=["train", "test"] * 18)
    turned = data.in_channels("gray")
    assert turned.count(Role.TEST) == 18
    assert turned.sample_hashes.tolist() != data.sample_hashes.tolist()
    assert data.in_channels("rgb") is data
    assert with_channel_axis(turned.images).shape == (36, 24, 24, 1)

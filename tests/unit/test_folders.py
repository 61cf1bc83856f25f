"""Folders and zips: layouts, roles, spellings, odd images, and what cannot be read."""

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.datasets.dataset import Role
from mien.datasets.folders import list_folder, read_folder, read_zip
from mien.datasets.pixels import decode_image
from mien.datasets.samples import ReadOptions
from mien.errors import DataError, ImageError, UnknownLabelError
from mien.labels import SEVEN, Expression

RNG = np.random.default_rng(7)


def encoded(kind="PNG", *, size=(8, 8), mode="L", **options):
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8), mode=None).convert(mode).save(file, kind, **options)
    return file.getvalue()


def make_tree(root: Path, files: dict[str, bytes | None]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded() if data is None else data)
    return root


def read(root: Path, **options):
    return read_folder(
        root, ReadOptions(**{k: v for k, v in options.items() if k != "progress"}), options.get("progress")
    )


def roles(dataset):
    return dict(zip(dataset.ids.tolist(), dataset.roles.tolist(), strict=True))


@pytest.mark.parametrize(
    ("path", "expression", "role"),
    [
        ("Training/Training/Angry/1.png", Expression.ANGER, Role.TRAIN),
        ("Testing/Testing/Suprise/1.png", Expression.SURPRISE, Role.TEST),
        ("train/angry/1.png", Expression.ANGER, Role.TRAIN),
        ("data/images/validation/fear/1.png", Expression.FEAR, Role.VALIDATION),
        ("val/03_happy/1.png", Expression.HAPPINESS, Role.VALIDATION),
        ("PublicTest/sad/1.png", Expression.SADNESS, Role.VALIDATION),
        ("PrivateTest/sad/1.png", Expression.SADNESS, Role.TEST),
        ("sad/test/1.png", Expression.SADNESS, Role.TEST),
        ("sad/part2/1.png", Expression.SADNESS, Role.NONE),
        ("sad/1.png", Expression.SADNESS, Role.NONE),
        ("Testing/sad/PublicTest_1.png", Expression.SADNESS, Role.VALIDATION),
        ("test/sad/PrivateTest_1.png", Expression.SADNESS, Role.TEST),
        ("all/sad/Training_1.png", Expression.SADNESS, Role.TRAIN),
    ],
)
def test_label_and_role_come_from_the_place_in_the_tree(tmp_path, path, expression, role):
    dataset = read(make_tree(tmp_path, {path: None, "disgust/other.png": None}))
    index = dataset.ids.tolist().index(path)
    assert dataset.label_set.expressions[dataset.labels[index]] is expression
    assert dataset.roles[index] == role.value


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["sad/train_1_aligned.png", "sad/test_1_aligned.png", "happy/test_2.png"], ["train", "test", "test"]),
        (["sad/val-1.png", "sad/train1.png", "happy/TEST 2.png"], ["validation", "train", "test"]),
        (["train_sad_1.png", "val_happy_1.png"], ["train", "validation"]),
        # A folder says it, or nothing does: a name that is called so by chance is no role.
        (["test/sad/train_1.png", "test/happy/test_1.png"], ["test", "test"]),
        (["sad/test_1.png", "happy/test_2.png"], ["", ""]),
        (["sad/test_1.png", "sad/train_1.png", "happy/1.png"], ["", "", ""]),
        (["sad/trainstation_1.png", "happy/test_2.png"], ["", ""]),
    ],
)
def test_roles_may_be_in_the_names_of_all_files(tmp_path, paths, expected):
    dataset = read(make_tree(tmp_path, dict.fromkeys(paths)))
    assert [roles(dataset)[path] for path in paths] == expected
    assert any("roles taken from the files' names" in note for note in dataset.notes) == (len(set(expected)) > 1)


@pytest.mark.parametrize("person", ["Joy", "Su", "Neutral", "Ha"])
def test_a_person_who_is_called_as_an_expression_is_one(tmp_path, person):
    paths = [
        f"{label}/{name}/{n}.png" for label in ("angry", "happy") for name in ("Ann", person, "Bob") for n in (1, 2)
    ]
    dataset = read(make_tree(tmp_path, dict.fromkeys(paths)))
    for path, number, group in zip(dataset.ids.tolist(), dataset.labels, dataset.groups, strict=True):
        label, name, _ = path.split("/")
        assert dataset.label_set.expressions[number] is (Expression.ANGER if label == "angry" else Expression.HAPPINESS)
        assert group == name
    assert any(f"below folders of two expressions, such as 'angry/{person}': read as angry" in n for n in dataset.notes)


def test_of_two_folders_of_expressions_at_the_same_depths_the_nearer_counts_and_is_said(tmp_path):
    dataset = read(make_tree(tmp_path, {"happy/sad/1.png": None, "happy/angry/2.png": None}))
    assert set(dataset.label_set.expressions) == {Expression.ANGER, Expression.SADNESS}
    assert any("2 images below folders of two expressions" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("name", "clips"),
    [
        ("clip{clip}_frame_{n:04d}.png", 4),
        ("S{clip} take 2-frame{n}.png", 4),
        ("happy{clip}_Frame_{n}.png", 4),
        ("img_frame_{clip}{n}.png", 0),  # one name before all frames tells of no clip
        ("happy_frame_{clip}{n}.png", 0),
        ("frame_{clip}{n}.png", 0),
    ],
)
def test_frames_of_a_clip_are_a_group(tmp_path, name, clips):
    paths = [f"{'sad' if clip % 2 else 'happy'}/{name.format(clip=clip, n=n)}" for clip in range(4) for n in range(3)]
    root = make_tree(tmp_path, dict.fromkeys(paths))
    groups = read(root).groups
    assert (0 if groups is None else len(set(groups.tolist()))) == clips
    assert read(root, groups="none").groups is None


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"train.zip": b"", "test.tar.gz": b""}, "holds 2 archives, test.tar.gz, train.zip.*unpack several"),
        ({"1.png": None, "1.cls": b"3", "2.png": None, "2.cls": b"0"}, r"a file for each image .*1\.cls.*one table"),
        ({"train/1.png": None, "train/1.txt": b"happy"}, r"a file for each image .*train/1\.txt"),
        ({"happy/1.mp4": b"x", "sad/2.mp4": b"x"}, "None of the 2 images.*It is a film.*Save its frames"),
    ],
)
def test_what_is_kept_in_other_ways_is_named_with_the_way_out(tmp_path, files, sentence):
    with pytest.raises(DataError, match=sentence):
        read(make_tree(tmp_path, files))


def test_a_zip_and_its_folder_are_one_data_set(tmp_path):
    root = make_tree(tmp_path / "faces", {f"train/{name}/{i}.png": None for name in ("happy", "sad") for i in range(3)})
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in reversed(list_folder(root)):
            archive.write(root / name, f"faces/{name}")
        archive.writestr("__MACOSX/faces/train/happy/._0.png", b"resource fork")
    unpacked, packed = read(root), read_zip(tmp_path / "faces.zip", ReadOptions())
    assert packed.fingerprint == unpacked.fingerprint
    assert packed.name == unpacked.name == "faces"
    assert not packed.problems


def test_misspelt_folders_are_noted_and_usual_forms_are_not(tmp_path):
    dataset = read(make_tree(tmp_path, {"Suprise/1.png": None, "Suprise/2.png": None, "HAPPY/1.png": None}))
    assert dataset.notes == ("Suprise read as surprise (2 images)",)


def test_an_unknown_folder_is_named_with_the_nearest_word(tmp_path):
    with pytest.raises(UnknownLabelError, match=r"'hapyness'.*Did you mean 'happiness'"):
        read(make_tree(tmp_path, {"hapyness/1.png": None, "sad/1.png": None}))


def test_what_cannot_be_read_is_listed_with_its_reason(tmp_path):
    whole = encoded("JPEG", size=(48, 48))
    dataset = read(
        make_tree(
            tmp_path,
            {
                "happy/1.png": None,
                "sad/1.png": None,
                "sad/empty.jpg": b"",
                "sad/cut.jpg": whole[: len(whole) // 2],
                "sad/notes.txt": b"not an image",
                "README.md": b"about",
                ".DS_Store": b"litter",
                "sad/Thumbs.db": b"litter",
                "sad/.hidden.png": b"litter",
            },
        )
    )
    reasons = {problem.name: problem.reason for problem in dataset.problems}
    assert set(reasons) == {"sad/empty.jpg", "sad/cut.jpg", "sad/notes.txt", "README.md"}
    assert "empty" in reasons["sad/empty.jpg"]
    assert "cut off" in reasons["sad/cut.jpg"]
    assert "not a picture" in reasons["sad/notes.txt"]
    assert len(dataset) == 2


def test_other_sizes_and_colours_are_converted_with_a_note(tmp_path):
    tree = make_tree(
        tmp_path,
        {
            "happy/1.png": None,
            "happy/2.png": None,
            "sad/large.png": encoded(size=(32, 16)),
            "sad/colour.png": encoded(mode="RGB"),
        },
    )
    dataset = read(tree)
    assert dataset.images.shape == (4, 8, 8)
    assert "1 image: in colour, turned gray" in dataset.notes
    assert "1 of 4 images resized from 32x16 to 8x8 pixels" in dataset.notes
    assert read(tree, size=12).images.shape == (4, 12, 12)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (encoded(size=(9, 8)), r"1 of 3 images are not 8x8 pixels\. First: sad/odd\.png \(9x8\)"),
        (encoded(mode="RGB"), "1 of 3 images are in colour"),
    ],
)
def test_mismatches_can_be_refused(tmp_path, odd, reason):
    tree = make_tree(tmp_path, {"happy/1.png": None, "happy/2.png": None, "sad/odd.png": odd})
    with pytest.raises(DataError, match=reason):
        read(tree, on_mismatch="refuse")


def test_gray_in_three_equal_channels_is_gray(tmp_path):
    gray = RNG.integers(0, 256, (8, 8), dtype=np.uint8)
    _, data = cv2.imencode(".png", np.repeat(gray[:, :, None], 3, axis=2))
    dataset = read(make_tree(tmp_path, {"happy/1.png": data.tobytes(), "sad/1.png": None}), on_mismatch="refuse")
    np.testing.assert_array_equal(dataset.images[0], gray)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no files"),
        ({"fer2013.csv": b"emotion,pixels"}, "the table fer2013.csv: give that file"),
        ({"readme.txt": b"x"}, "no folder that is named after an expression"),
        ({"happy/1.png": None}, r"one expression only \(happiness\)"),
        ({"happy/1.png": b"x", "sad/1.png": b"y"}, "None of the 2 images"),
    ],
)
def test_a_tree_that_is_no_data_set_is_refused(tmp_path, files, sentence):
    with pytest.raises(DataError, match=sentence):
        read(make_tree(tmp_path, files))


def test_a_damaged_zip_is_refused_and_a_damaged_member_is_a_problem(tmp_path):
    path = tmp_path / "faces.zip"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="not a complete zip"):
        read_zip(path, ReadOptions())
    damaged = encoded(size=(64, 64))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"happy/1.png": encoded(), "sad/1.png": encoded(), "sad/2.png": damaged}.items():
            archive.writestr(name, data)
    content = bytearray(path.read_bytes())
    content[content.index(damaged) + 2000] ^= 0xFF
    path.write_bytes(content)
    dataset = read_zip(path, ReadOptions())
    assert [problem.name for problem in dataset.problems] == ["sad/2.png"]


def test_a_link_to_a_folder_above_does_not_hang(tmp_path):
    root = make_tree(tmp_path / "faces", {"happy/1.png": None, "sad/1.png": None})
    try:
        (root / "happy" / "again").symlink_to(root, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make links")
    assert list_folder(root) == ["happy/1.png", "sad/1.png"]


def test_progress_ends_at_the_number_of_files(tmp_path):
    seen = []
    read(
        make_tree(tmp_path, {"happy/1.png": None, "sad/1.png": None}),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (2, 2)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "RGB", {"quality": 95}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}),
        ("PNG", "L", {}),
        ("BMP", "RGB", {}),
    ],
)
def test_decoding_agrees_with_pillow(kind, mode, options):
    smooth = cv2.resize(RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8), (40, 24), interpolation=cv2.INTER_CUBIC)
    file = io.BytesIO()
    source = Image.fromarray(smooth[:, :, :3]) if mode != "L" else Image.fromarray(smooth[:, :, 0])
    source.convert(mode).save(file, kind, **options)
    expected = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB").convert("L"), dtype=int)
    difference = np.abs(decode_image(file.getvalue()).pixels.astype(int) - expected)
    assert difference.max() <= 3


def test_exif_rotation_alpha_and_depth_are_respected():
    left_dark = np.tile(np.linspace(0, 255, 24, dtype=np.uint8), (16, 1))
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(left_dark).save(file, "JPEG", quality=95, exif=exif)
    turned = decode_image(file.getvalue()).pixels
    assert turned.shape == (24, 16)
    assert turned[0].mean() < turned[-1].mean()

    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 4), dtype=np.uint8)).save(file, "PNG")
    assert decode_image(file.getvalue()).pixels.min() == 255  # fully transparent black shows the white behind it

    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), 0x8000, dtype=np.uint16)).save(file, "PNG")
    assert abs(int(decode_image(file.getvalue()).pixels[0, 0]) - 128) <= 1


def test_decoding_refuses_what_is_no_image():
    with pytest.raises(ImageError):
        decode_image(b"GIF89a nothing more")


SHARED_ZIP = Path(__file__).parents[2] / ".." / "shared" / "data" / "facial-recognition-dataset.zip"


@pytest.mark.skipif(not SHARED_ZIP.exists(), reason="needs the six-class set")
def test_the_six_class_set_has_its_counts():
    dataset = read_zip(SHARED_ZIP, ReadOptions(on_mismatch="refuse"))
    assert dataset.count(Role.TRAIN) == 28_273
    assert dataset.count(Role.VALIDATION) + dataset.count(Role.TEST) == 7_067
    assert dataset.label_set.name == "six"
    assert set(dataset.label_set.expressions) < set(SEVEN.expressions)
    assert dataset.notes == ("Suprise read as surprise (4,002 images)",)
    assert dataset.size == (48, 48)
    assert not dataset.problems
    assert dataset.licence.startswith("FER2013")

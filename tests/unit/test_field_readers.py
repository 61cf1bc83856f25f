"""Readers for the forms that the field's data sets have: what every one of them promises, and how each refuses."""

import contextlib
import shutil

import numpy as np
import pytest

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import READERS, _choose, read_dataset
from mien.errors import DataError, UnknownLabelError
from support import field_samples
from support.field_samples import FORMS, Made, npy, parquet_table, pixels, png, write

WITH_FILES = [name for name, (_, make) in FORMS.items() if name.split(",")[0] not in ("parquet", "numpy")]


def make(form: str, root) -> Made:
    return FORMS[form][1](root / "set")


def read(path, **options) -> Dataset:
    return read_dataset(path, cache=None, **options)


def found(dataset: Dataset) -> dict[str, tuple[str, str, str]]:
    groups = [""] * len(dataset) if dataset.groups is None else dataset.groups.tolist()
    labels = [dataset.label_set.expressions[label].value for label in dataset.labels]
    return dict(zip(dataset.ids.tolist(), zip(labels, dataset.roles.tolist(), groups, strict=True), strict=True))


def test_every_special_reader_has_a_form():
    assert {reader for reader, _ in FORMS.values()} == set(READERS) - {"manifest", "folders", "zip", "fer2013-csv"}


@pytest.mark.parametrize("form", FORMS)
def test_labels_roles_names_and_groups_are_as_the_form_says(tmp_path, form):
    made = make(form, tmp_path)
    dataset = read(made.path)
    assert found(dataset) == made.samples
    assert not dataset.problems
    for note in made.notes:
        assert any(note in told for told in dataset.notes)
    assert dataset.licence.endswith(".")
    assert dataset.source == str(made.path)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_recognised_by_its_path_and_read_by_its_name(tmp_path, form):
    made = make(form, tmp_path)
    reader = FORMS[form][0]
    assert _choose(made.path, None).name == reader
    assert [name for name, row in READERS.items() if row.matches(made.path)][0] == reader
    assert read(made.path, reader=reader).fingerprint == read(made.path).fingerprint


@pytest.mark.parametrize("form", FORMS)
def test_the_hash_of_the_content_changes_with_the_content(tmp_path, form):
    made = make(form, tmp_path)
    content_hash = READERS[FORMS[form][0]].content_hash
    before = content_hash(made.path)
    assert content_hash(made.path) == before
    changed = made.path if made.path.is_file() else max(f for f in made.path.rglob("*") if f.is_file())
    changed.write_bytes(changed.read_bytes() + b" ")
    assert content_hash(made.path) != before


@pytest.mark.parametrize("form", WITH_FILES)
def test_a_bad_image_is_a_problem_and_costs_no_other_sample(tmp_path, form):
    made = make(form, tmp_path)
    file, name = made.image_file
    file.write_bytes(file.read_bytes()[:40])
    dataset = read(made.path)
    assert found(dataset) == {key: value for key, value in made.samples.items() if key != name}
    assert len(dataset.problems) == 1


@pytest.mark.parametrize("form", ["raf-db", "expw"])  # those whose table names files
def test_a_missing_image_is_a_problem_and_costs_no_other_sample(tmp_path, form):
    made = make(form, tmp_path)
    file, name = made.image_file
    file.unlink()
    dataset = read(made.path)
    assert found(dataset) == {key: value for key, value in made.samples.items() if key != name}
    assert "No such file" in dataset.problems[0].reason


@pytest.mark.parametrize("reader", ["raf-db", "affectnet", "ck-plus", "jaffe", "expw"])
def test_a_path_in_another_form_is_refused_by_name_in_one_sentence(tmp_path, reader):
    (tmp_path / "set").mkdir()
    for path in (tmp_path / "set", write(tmp_path / "faces.txt", "text")):
        with pytest.raises(DataError, match=r"is not .*Expected"):
            read(path, reader=reader)


def test_no_split_separates_the_persons_of_a_reader(tmp_path):
    for number in range(60):
        person = f"{'ABCDEFGHIJ'[number % 10]}X"
        write(tmp_path / f"{person}.{('HA', 'SA')[number // 10 % 2]}1.{number}.tiff", png(pixels(number)))
    dataset = read(tmp_path)
    group_of = dict(zip(dataset.ids.tolist(), dataset.groups.tolist(), strict=True))
    split = apply_protocol(dataset, ProtocolSpec(roles="split", test_fraction=0.3, validation_fraction=0.3))
    sides = [{group_of[name] for name in role.ids.tolist()} for role in (split.train, split.validation, split.test)]
    assert sorted(person for side in sides for person in side) == sorted(set(group_of.values()))


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("happy/S010_004_00000017.png", "S010"),
        ("happy/S010_004_00000017_mirrored.png", "S010"),
        ("happy/S010_004_000000178.png", ""),
        ("happy/KA.HA1.29.tiff", "KA"),
        ("happy/S010.png", ""),
    ],
)
def test_folders_keep_the_person_that_a_name_tells_of(tmp_path, name, group):
    write(tmp_path / name, png(pixels(1)))
    write(tmp_path / "sad/S011_001_00000009.png", png(pixels(2)))
    dataset = read(tmp_path)
    assert found(dataset)[name][2] == group
    assert any("named as in CK+, JAFFE" in note for note in dataset.notes)


@pytest.mark.parametrize("inside", ["Image", "EmoLabel", ".", ".."])
def test_raf_db_is_found_from_its_folder_from_above_and_from_within(tmp_path, inside):
    made = field_samples.raf_db(tmp_path / "RAF-DB/basic")
    dataset = read(tmp_path / "RAF-DB/basic" / inside)
    assert found(dataset) == made.samples


def test_raf_db_reads_the_original_photos_where_there_are_no_aligned_ones(tmp_path):
    made = make("raf-db", tmp_path)
    (made.path / "Image/original").mkdir()
    for file in (made.path / "Image/aligned").iterdir():
        file.rename(made.path / "Image/original" / file.name.replace("_aligned", ""))
    (made.path / "Image/aligned").rmdir()
    dataset = read(made.path)
    assert found(dataset) == made.samples
    assert "the aligned images are not there" in dataset.notes[0]


def test_what_is_no_image_of_raf_db_is_a_problem(tmp_path):
    made = make("raf-db, numbered", tmp_path)
    write(made.path / "DATASET/train_labels.csv", "image,label\n")
    write(made.path / "DATASET/other/8/train_00009_aligned.jpg", png(pixels(9)))
    dataset = read(made.path)
    assert found(dataset) == made.samples
    assert [problem.name for problem in dataset.problems] == ["other/8/train_00009_aligned.jpg", "train_labels.csv"]


def test_litter_beside_the_images_does_not_hide_raf_db(tmp_path):
    made = make("raf-db, numbered", tmp_path)
    for folder in ("train/1", "train/5", "test/2", "test/6", "train"):
        for number in range(20):  # the file system chooses which file is listed first
            write(made.path / "DATASET" / folder / f"Thumbs{number}.db", b"litter")
    assert found(read(made.path)) == made.samples


def test_numbered_folders_with_other_names_are_not_taken_for_raf_db(tmp_path):
    for number in "12":
        write(tmp_path / f"train/{number}/image0001.jpg", png(pixels(1)))
    with pytest.raises(UnknownLabelError):
        read(tmp_path)


def test_the_validation_of_affectnet_is_validation_where_there_is_a_test(tmp_path):
    made = make("affectnet", tmp_path)
    shutil.copytree(made.path / "val_set", made.path / "test_set")
    roles = {name.partition("/")[0]: role for name, (_, role, _) in found(read(made.path)).items()}
    assert roles == {"train_set": "train", "val_set": "validation", "test_set": "test"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no number"),
        (npy("happy"), "no number"),
        (npy(11), "is 11"),
        (npy([1, 2]), "no number"),
        (npy(np.inf), "is inf"),
        (npy(2.7), "is 2.7"),
        (b"PK\x03\x04 no archive", "no number"),
        (None, "missing"),
    ],
)
def test_a_bad_annotation_of_affectnet_is_a_problem(tmp_path, data, reason):
    made = make("affectnet", tmp_path)
    annotation = made.path / "train_set/annotations/0_exp.npy"
    annotation.unlink() if data is None else annotation.write_bytes(data)
    dataset = read_dataset(made.path, cache=tmp_path / "cache")
    assert len(dataset) == len(made.samples) - 1
    [problem] = dataset.problems
    assert problem.name == "train_set/annotations/0_exp.npy"
    assert reason in problem.reason


def test_a_pickled_annotation_is_never_unpickled(tmp_path):
    made = make("affectnet", tmp_path)
    np.save(made.path / "train_set/annotations/0_exp.npy", np.array({"a": 1}, dtype=object), allow_pickle=True)
    assert len(read(made.path).problems) == 1


@pytest.mark.parametrize("text", ["happy", "8", "3.7", "nan", "inf", ""])
def test_a_bad_label_of_ck_plus_costs_its_sequence_alone(tmp_path, text):
    made = make("ck-plus", tmp_path)
    [file] = (made.path / "Emotion/S005/001").iterdir()
    file.write_text(text)
    dataset = read(made.path)
    assert {key for key in made.samples if "S005" not in key} == set(dataset.ids.tolist())
    assert "expected a number from 0 to 7" in dataset.problems[0].reason
    assert "1 of 4 sequences left out" in dataset.notes[0]


def test_a_label_of_ck_plus_without_frames_is_a_problem(tmp_path):
    made = make("ck-plus", tmp_path)
    shutil.rmtree(made.path / "cohn-kanade-images/S005")
    dataset = read(made.path)
    assert {key for key in made.samples if "S005" not in key} == set(dataset.ids.tolist())
    assert [problem.name for problem in dataset.problems] == ["Emotion/S005/001"]


def test_a_face_of_expw_is_cut_out_by_its_box(tmp_path):
    made = make("expw", tmp_path)
    dataset = read(made.path, on_mismatch="resize")
    photo = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    index = dataset.ids.tolist().index("angry_actor_1.jpg face 0")
    np.testing.assert_array_equal(dataset.images[index], photo[2:10, 3:11])
    assert sorted(map(tuple, dataset.source_sizes.tolist())) == [(4, 10), (8, 8), (8, 8)]


@pytest.mark.parametrize(
    ("form", "file", "text", "said"),
    [
        ("raf-db", "EmoLabel/list_patition_label.txt", "train_00001.jpg 8\n", r"Line 1 of .* 'train_00001.jpg 8'"),
        ("raf-db", "EmoLabel/list_patition_label.txt", "face.jpg 3\n", "Line 1 of .*Expected the name of an image"),
        ("raf-db", "EmoLabel/list_patition_label.txt", "train_1.jpg 3\ntrain_1.jpg 4\n", "'train_1.jpg' twice"),
        ("raf-db", "EmoLabel/list_patition_label.txt", "train_9.jpg 3\ntest_9.jpg 4\n", "not its images"),
        ("raf-db", "EmoLabel/list_patition_label.txt", "", "not its images"),
        ("expw", "label/label.lst", "a.jpg 0 1 2 3 4 0.5 7\n", "Line 1 of .*label from 0 to 6"),
        ("expw", "label/label.lst", "a.jpg 0 1 2 3\n", "Line 1 of "),
        ("expw", "label/label.lst", "", "None of the 0 images"),
    ],
)
def test_a_broken_table_of_labels_is_refused_in_one_sentence(tmp_path, form, file, text, said):
    made = make(form, tmp_path)
    write(made.path / file, text)
    with pytest.raises(DataError, match=said) as caught:
        read(made.path)
    assert "\n" not in str(caught.value)


CELLS = [{"bytes": png(pixels(n)), "path": f"{n}.png"} for n in range(3)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"image": [c["bytes"] for c in CELLS], "label": ["happy", "sad", "sad"]}, "t.parquet row 1"),
        ({"image": CELLS, "label": ["happy", "sad", "sad"]}, "0.png"),
        ({"img": CELLS, "emotion": ["happy", "sad", "sad"], "id": ["a", "b", None]}, "a"),
        ({"image": [{**c, "path": "same.png"} for c in CELLS], "label": ["happy", "sad", "sad"]}, "t.parquet row 1"),
    ],
)
def test_parquet_of_other_makers_is_read(tmp_path, columns, expected):
    dataset = read(parquet_table(tmp_path / "t.parquet", columns))
    assert dataset.ids[0] == expected
    np.testing.assert_array_equal(dataset.images, np.stack([pixels(n) for n in range(3)]))


def test_columns_of_parquet_say_roles_and_groups(tmp_path):
    columns = {"image": CELLS, "label": [0, 1, 1], "split": ["train", "val", ""], "group": ["kim", None, "lee"]}
    dataset = read(parquet_table(tmp_path / "test.parquet", columns, ["happy", "sad"]))
    assert dataset.roles.tolist() == ["train", "validation", ""]
    assert dataset.groups.tolist() == ["kim", "", "lee"]


def test_parquet_of_which_one_file_names_its_rows_is_read(tmp_path):
    columns = {"image": [{**c, "path": "same.png"} for c in CELLS], "label": ["happy", "sad", "sad"]}
    parquet_table(tmp_path / "a.parquet", columns)
    parquet_table(tmp_path / "b.parquet", {**columns, "id": ["x", "y", "z"]})
    dataset = read(tmp_path)
    assert dataset.ids.tolist() == [f"{file}.parquet row {row}" for file in "ab" for row in (1, 2, 3)]


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        (["train-00000-of-00001", "test-00000-of-00001"], []),
        (["train-00000-of-00002-0a1b", "train-00001-of-00002-2c3d"], []),
        (["train-00001-of-00003", "test-00000-of-00001"], ["train-00000-of-00003", "train-00002-of-00003"]),
        (["old/train-00000-of-00002", "new/train-00000-of-00001"], ["old/train-00001-of-00002"]),
        (["faces-1-of-2", "faces"], []),
    ],
)
def test_a_missing_part_of_parquet_is_a_problem(tmp_path, there, missing):
    for name in there:
        parquet_table(tmp_path / f"{name}.parquet", {"image": CELLS, "label": ["happy", "sad", "sad"]})
    dataset = read(tmp_path, reader="parquet")
    assert len(dataset) == 3 * len(there)
    assert [problem.name for problem in dataset.problems] == [f"{name}.parquet" for name in missing]


@pytest.mark.parametrize(
    "there",
    [
        ["train-00000-of-00001-0a1b", "train-00000-of-00001-2c3d"],
        ["data/train-00000-of-00001", "data/train-00000-of-00001-2c3d"],
        ["train-00000-of-00001", "train-00001-of-00002"],
    ],
)
def test_two_versions_of_one_table_of_parquet_are_refused(tmp_path, there):
    for name in there:
        parquet_table(tmp_path / f"{name}.parquet", {"image": CELLS, "label": ["happy", "sad", "sad"]})
    with pytest.raises(DataError, match="train is there in more than one version: .*by its own path") as caught:
        read(tmp_path)
    assert all(name in str(caught.value) for name in there)


def test_a_bad_row_of_parquet_is_a_problem(tmp_path):
    cells = [*CELLS, {"bytes": b"no image", "path": "3.png"}, {"bytes": None, "path": "4.png"}, None]
    columns = {"image": [*cells, CELLS[0], CELLS[1]], "label": [0, 1, 1, 0, 0, 0, -1, None]}
    dataset = read(parquet_table(tmp_path / "t.parquet", columns, ["happy", "sad"]))
    assert len(dataset) == 3
    assert [problem.name for problem in dataset.problems] == [f"t.parquet row {n}" for n in (7, 8, 4, 5, 6)]


@pytest.mark.parametrize(
    ("columns", "names", "said"),
    [
        ({"text": ["a"], "label": [0]}, None, "Expected the columns image and label. Received: text, label"),
        ({"image": CELLS, "label": [0, 1, 1]}, None, "they could count in the order"),
        (
            {"image": CELLS, "label": [0, 1, 1]},
            ["happy", "sadnes"],
            "Unknown expression label 'sadnes'.*Did you mean 'sadness'",
        ),
        ({"image": CELLS, "label": ["happy", "sad", "x"]}, None, "Unknown expression label 'x'"),
        ({"image": [1, 2, 3], "label": ["happy", "sad", "sad"]}, None, "holds no encoded images"),
        ({"image": CELLS, "label": ["happy", "sad", "sad"], "id": ["a", "a", "b"]}, None, "'a' twice"),
        ({"image": CELLS, "label": ["happy"] * 3}, None, "one expression only"),
        ({"image": CELLS, "label": ["happy", "sad", "sad"], "split": [0, 0, 1]}, None, "Unknown role '0'"),
        ({"image": CELLS, "label": ["happy", "sad", "sad"], "votes:anger": [1.0, -1, 0]}, None, "number of people"),
        ({"image": CELLS, "label": ["happy", "sad", "sad"], "votes:none": [1, 1, 0]}, None, "column other_votes:none"),
    ],
)
def test_parquet_that_is_no_data_set_is_refused_in_one_sentence(tmp_path, columns, names, said):
    with pytest.raises(DataError, match=said):
        read(parquet_table(tmp_path / "t.parquet", columns, names))


@pytest.mark.parametrize("data", [b"", b"PAR1 cut off", None])
def test_a_damaged_parquet_is_refused_in_one_sentence(tmp_path, data):
    file = parquet_table(tmp_path / "t.parquet", {"image": CELLS, "label": ["happy", "sad", "sad"]})
    whole = file.read_bytes()
    # Without `data`: the pages are overwritten, while the footer that is read first stays whole.
    file.write_bytes(b"PAR1" + b"\xff" * 200 + whole[204:] if data is None else data)
    with pytest.raises(DataError, match=r"not a complete Parquet file|can be read"):
        read(file)


def grays(count=2):
    return np.stack([pixels(n) for n in range(count)])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"faces": grays()}, "Expected the arrays images and labels.*Received: faces"),
        ({"images": grays() - 128.0, "labels": ["happy", "sad"]}, "they were standardised"),
        ({"images": grays()[..., None].repeat(4, 3), "labels": ["happy", "sad"]}, r"shape \(2, 8, 8, 4\)"),
        ({"images": grays(), "labels": ["happy"]}, r"shape \(2,\).*Received: \(1,\)"),
        ({"images": grays(), "labels": [0, 1]}, "--classes"),
        ({"images": grays(), "labels": [0.5, 1]}, "text or whole numbers"),
        ({"images": grays(), "labels": ["happy", "sat"]}, "Unknown expression label 'sat'"),
        ({"images": grays(), "labels": ["happy", "sad"], "roles": ["train", "exam"]}, "Unknown role 'exam'"),
        ({"images": grays(), "labels": ["happy", "sad"], "ids": ["a", "a"]}, "'a' twice"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused_in_one_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "faces.npz", **{name: np.array(values) for name, values in arrays.items()})
    with pytest.raises(DataError, match=said):
        read(tmp_path / "faces.npz")


def test_a_label_of_arrays_that_has_no_class_is_a_problem(tmp_path):
    np.savez(tmp_path / "faces.npz", images=grays(3), labels=np.array([0, 1, 2]), classes=np.array(["happy", "sad"]))
    dataset = read(tmp_path / "faces.npz")
    assert [problem.name for problem in dataset.problems] == ["images[2]"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut off", b"text"])
def test_a_damaged_npz_is_refused_in_one_sentence(tmp_path, data):
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        read(write(tmp_path / "faces.npz", data))


def test_a_compressed_npz_that_is_damaged_anywhere_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "faces.npz"
    np.savez_compressed(file, images=np.zeros((50, 8, 8), np.uint8), labels=np.array(["happy", "sad"] * 25))
    whole = file.read_bytes()
    for place in range(0, len(whole), 3):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        with contextlib.suppress(DataError):  # a few bytes, such as those of a date, say nothing
            read(file)


def test_arrays_that_a_data_set_does_not_need_are_not_looked_into(tmp_path):
    landmarks = np.array([{"left eye": 1}], dtype=object)
    np.savez(tmp_path / "faces.npz", images=grays(), labels=np.array(["happy", "sad"]), landmarks=landmarks)
    made = make("numpy, folder", tmp_path)
    np.save(made.path / "landmarks.npy", landmarks)
    write(made.path / "._x_train.npy", b"what macOS leaves behind")
    assert len(read(tmp_path / "faces.npz")) == 2
    assert found(read(made.path)) == made.samples


def test_arrays_of_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "faces.npz", images=grays(), labels=np.array(["happy", "sad"], dtype=object))
    with pytest.raises(DataError, match="Python objects, which can run code"):
        read(tmp_path / "faces.npz")


@pytest.mark.parametrize(
    "extras",
    [
        ["EmoLabel/list_patition_label.txt", "Image/aligned/train_1_aligned.jpg"],
        ["label.lst", "images/1.jpg"],
        ["data.parquet"],
        ["data/train-00000-of-00001.parquet"],
        ["KA.AN1.39.tiff"],
        ["x_train.npy", "y_train.npy"],
        ["train_set/images/1.jpg", "train_set/annotations/1.txt"],
    ],
)
def test_a_folder_sorted_by_expression_stays_with_its_reader(tmp_path, extras):
    for name in ("train/happy/1.png", "train/sad/1.png"):
        write(tmp_path / name, png(pixels(len(name))))
    for extra in extras:
        write(tmp_path / extra, png(pixels(9)))
    assert _choose(tmp_path, None).name == "folders"

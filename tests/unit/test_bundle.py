import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mien.bundle import SCHEMA, Bundle, Golden, UnsureRule, card_markdown, load_bundle
from mien.errors import BundleError
from mien.framing import CropKind, CropRule
from mien.labels import EIGHT, SEVEN, SIX


@pytest.fixture
def folder(tmp_path, bundle_maker):
    bundle_maker(tmp_path / "tiny", unsure=UnsureRule(0.4, 0.1, 0.8, "validation"))
    return tmp_path / "tiny"


def edit_head(folder, **changes):
    head = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    (folder / "bundle.json").write_text(json.dumps({**head, **changes}), encoding="utf-8")


@pytest.mark.parametrize("name", ["tiny", "tiny.mien"])
@pytest.mark.parametrize("label_set", [SIX, SEVEN, EIGHT])
def test_what_is_written_is_read_again(tmp_path, bundle_maker, name, label_set):
    written = bundle_maker(
        tmp_path / name,
        label_set=label_set,
        unsure=UnsureRule(0.4, 0.1, 0.8, "validation"),
        crop_rule=CropRule(kind=CropKind.UPRIGHT, margin=1.3, size=40),
        cam_weights=np.ones((8, len(label_set))),
    )
    read = load_bundle(tmp_path / name)
    for field in ("name", "label_set", "crop_rule", "temperature", "unsure", "onnx", "card", "fingerprint"):
        assert getattr(read, field) == getattr(written, field)
    np.testing.assert_array_equal(read.golden.crops, written.golden.crops)
    np.testing.assert_array_equal(read.golden.probabilities, written.golden.probabilities)
    np.testing.assert_array_equal(read.cam_weights, np.ones((8, len(label_set)), dtype=np.float32))


def test_folder_and_file_have_the_same_fingerprint_and_another_model_another(tmp_path, bundle_maker):
    one = bundle_maker(tmp_path / "one")
    assert bundle_maker(tmp_path / "one.mien").fingerprint == one.fingerprint
    assert bundle_maker(tmp_path / "two.mien", seed=1).fingerprint != one.fingerprint
    assert one.identity == f"tiny@{one.fingerprint}"


def test_equal_bundles_are_equal_files(tmp_path, bundle_maker):
    bundle_maker(tmp_path / "one.mien")
    bundle_maker(tmp_path / "two.mien")
    assert (tmp_path / "one.mien").read_bytes() == (tmp_path / "two.mien").read_bytes()


@pytest.mark.parametrize("file", ["model.onnx", "card.json", "card.md", "golden.npz"])
def test_a_changed_or_missing_file_is_noticed(folder, file):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"{file}.*hash"):
        load_bundle(folder)
    (folder / file).unlink()
    with pytest.raises(BundleError, match=f"{file} is missing"):
        load_bundle(folder)


def test_a_newer_schema_says_to_update(folder):
    edit_head(folder, schema=SCHEMA + 1)
    with pytest.raises(BundleError, match="pip install --upgrade mien"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "one"},
        {"schema": 0},
        {"labels": ["anger", "joyfulness"]},
        {"labels": ["happiness", "anger", "disgust", "fear", "sadness", "surprise", "neutral"]},
        {"labels": ["anger", "anger", "disgust", "fear", "sadness", "surprise", "neutral"]},
        {"temperature": 0},
        {"temperature": None},
        {"crop_rule": {"kind": "aligned"}},
        {"crop_rule": {"kind": "sideways", "margin": 1, "vertical_shift": 0, "size": 48, "framing": None}},
        {"crop_rule": {"kind": "aligned", "margin": 1, "vertical_shift": 0, "size": 40, "framing": None}},
        {"unsure": {"threshold": 2, "risk": 0, "coverage": 0, "measured_on": ""}},
        {"unsure": {"threshold": 0.5}},
        {"files": {}},
    ],
)
def test_an_impossible_head_is_refused(folder, change):
    edit_head(folder, **change)
    with pytest.raises(BundleError):
        load_bundle(folder)


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="no bundle"):
        load_bundle(tmp_path / "none.mien")
    with pytest.raises(BundleError, match="not a bundle"):
        load_bundle(tmp_path)
    (tmp_path / "text.mien").write_text("hello", encoding="utf-8")
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(tmp_path / "text.mien")
    (tmp_path / "bundle.json").write_text("{", encoding="utf-8")
    with pytest.raises(BundleError, match="not JSON"):
        load_bundle(tmp_path)


def test_a_shipped_bundle_has_a_name_and_a_folder_of_that_name_a_path(tmp_path, monkeypatch, bundle_maker):
    monkeypatch.chdir(tmp_path)
    bundle_maker(tmp_path / "default")
    assert load_bundle("default").name == "default"
    assert load_bundle("./default").name == load_bundle(Path("default")).name == "tiny"
    with pytest.raises(BundleError, match=r"no bundle defualt.*default"):
        load_bundle("defualt")


def test_parts_that_do_not_fit_are_not_written(tmp_path, bundle_maker):
    wrong = Golden(np.zeros((1, 40, 40), dtype=np.uint8), np.full((1, 7), 1 / 7))
    with pytest.raises(BundleError, match="golden crops"):
        bundle_maker(tmp_path / "tiny.mien", golden=wrong)
    with pytest.raises(BundleError, match="cam weights"):
        bundle_maker(tmp_path / "tiny.mien", cam_weights=np.ones((8, 6)))
    assert list(tmp_path.iterdir()) == []


def test_names_in_the_file_that_climb_out_do_nothing(tmp_path, bundle_maker):
    path = tmp_path / "inner" / "tiny.mien"
    bundle_maker(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../escaped.txt", "out")
    load_bundle(path)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["inner", "tiny.mien"]


def test_a_compressed_entry_is_refused(folder, tmp_path):
    shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    (tmp_path / "packed.zip").rename(tmp_path / "packed.mien")
    with pytest.raises(BundleError, match="uncompressed"):
        load_bundle(tmp_path / "packed.mien")


def test_pickled_arrays_are_refused(tmp_path, bundle_maker):
    objects = np.empty(2, dtype=object)
    with pytest.raises((BundleError, ValueError)):
        bundle_maker(tmp_path / "tiny", golden=Golden(objects, np.full((2, 7), 1 / 7)))


@pytest.mark.parametrize("change", [{"margin": 0.0}, {"vertical_shift": 2.0}, {"size": 0}, {"margin": float("nan")}])
def test_an_impossible_crop_rule_is_refused(change):
    with pytest.raises(BundleError, match="crop rule"):
        CropRule(**change)


def test_a_crop_rule_survives_json():
    rule = CropRule(kind=CropKind.UPRIGHT, margin=1.25, vertical_shift=0.1, size=80)
    assert CropRule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


def test_a_card_is_readable_text():
    text = card_markdown("tiny", {"data": {"name": "drawn", "images": 12}, "not_for": ["judging people"], "loss": "1"})
    assert "## Not for\n\n- judging people" in text
    assert "| images | 12 |" in text


def test_a_bundle_is_immutable(bundle: Bundle):
    with pytest.raises(AttributeError):
        bundle.temperature = 2.0


def test_an_archive_whose_entries_lie_beyond_its_end_is_refused(bundle, tmp_path):
    """Found by benchmarks/faults_long.py: zipfile raises EOFError for it."""
    path = tmp_path / "cut.mien"
    with zipfile.ZipFile(bundle.source) as archive:
        last = max(archive.infolist(), key=lambda entry: entry.header_offset)
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    content = bytearray(Path(bundle.source).read_bytes())
    # The directory says that the last entry has a hundred bytes more than there are before the end of the file.
    place = content.rindex(last.filename.encode()) - 46
    assert content[place : place + 4] == b"PK\x01\x02"
    size = len(entries[last.filename]) + 2**20
    content[place + 20 : place + 28] = size.to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(path)


@pytest.mark.parametrize("wrong", [None, 7, ["default"]])
def test_what_can_be_no_place_of_a_bundle_is_refused(wrong):
    with pytest.raises(BundleError, match=r"a name such as 'default', a path.*Received: (NoneType|int|list)"):
        load_bundle(wrong)

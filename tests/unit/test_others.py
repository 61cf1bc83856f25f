"""Tables that others add to: what a package registers and what a file defines, named, found, pinned, refused."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.api.training import train
from mien.datasets.reading import OTHER_READERS, read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import DataError, MienError, NetworkError, StudyFileError
from mien.study.backbones import BACKBONES, OTHER_BACKBONES, backbone, list_backbones
from mien.study.cost import cost_key, formula_cost
from mien.study.plan import SplitFacts, make_plan, portable
from mien.study.recipe import Recipe
from mien.study.spec import parse_study

BROUGHT = Path(__file__).parents[1] / "support" / "brought"
FACTS = SplitFacts("data", "split", 24, 7, 100, 20, 30)
STUDY = """
schema = 1
name = "s"
[data]
path = "drawn"
[[tables]]
name = "t"
rows.backbone = ["mien_small", {}]
"""
NETS = "def tiny(input_shape):\n    return 1\n\nNUMBER = 3\n"


@pytest.fixture
def package(monkeypatch):
    """The package of tests/support/brought, as if it were installed."""
    monkeypatch.syspath_prepend(BROUGHT)


@pytest.fixture
def nets(tmp_path):
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    return tmp_path / "nets.py"


def register(folder, group, points, name="other-nets", version="2.0"):
    """The metadata of a package that registers these entry points."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = [f"{key} = {value}" for key, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]), encoding="utf-8")


def plan(text, base):
    study = parse_study(text, base=base)
    return make_plan(study, lambda protocol: FACTS, base=base)


def test_a_row_of_a_package_is_found_with_its_facts(package):
    assert (backbone("tiny_net").title, backbone("tiny_net").channels) == ("TinyNet", 3)
    assert OTHER_BACKBONES.pinned("tiny_net") == "tiny_net (tiny-nets 1.2)"
    assert backbone("tiny_net (tiny-nets 1.2)") == backbone("tiny_net")


def test_of_a_plain_function_nothing_is_known_and_nothing_is_run(nets):
    nets.write_text(NETS + "raise RuntimeError\n", encoding="utf-8")
    row = backbone(f"{nets}:tiny")
    assert (row.title, row.parameters, row.channels) == ("nets.py:tiny", None, 1)


def test_a_file_may_state_facts_in_a_row(nets):
    nets.write_text(NETS + "import mien\nROW = mien.Backbone(title='Mine', builder=tiny, minimum_size=40)\n")
    assert backbone(f"{nets}:ROW").minimum_size == 40
    with pytest.raises(NetworkError, match="at least 40 pixels"):
        Recipe(backbone=f"{nets}:ROW", preprocessing=mien.study.recipe.PreprocessingSpec(size=24)).resolved(24)


def test_every_backbone_is_listed_with_where_it_is_from(package):
    listed = list_backbones()
    assert listed.origins == {"tiny_net": "tiny-nets 1.2", "tiny_function": "tiny-nets 1.2"}
    assert list(listed.rows)[: len(BACKBONES)] == list(BACKBONES)
    assert "tiny-nets 1.2 cannot be loaded: AttributeError" in listed.refused["missing_net"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tinynet", "There is no backbone 'tinynet'. Did you mean 'tiny_net'.*Other packages bring .*tiny-nets 1.2"),
        ("nothing like it", "There is no backbone 'nothing like it'"),
        ("absent.py:tiny", "There is no file .*absent.py to take the backbone 'tiny' from"),
        ("nets.py:tinny", "nets.py defines no 'tinny'. Did you mean 'tiny'"),
        ("broken.py:tiny", "broken.py is not Python: .*line 2"),
        ("tiny_net (tiny-nets 1.1)", "not the one that was planned or recorded: it was of tiny-nets 1.1"),
        ("nets.py:tiny (sha256 0123456789abcdef)", "it was of sha256 0123456789abcdef, and what is here is of sha256"),
    ],
)
def test_what_is_nowhere_is_refused_with_what_is_there(text, said, package, nets):
    (nets.parent / "broken.py").write_text("x = 1\ndef tiny(:\n", encoding="utf-8")
    with pytest.raises(NetworkError, match=f"(?s){said}"):
        OTHER_BACKBONES.pinned(text, nets.parent)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("NUMBER = 3", "NUMBER is no backbone. Expected a function or a mien.Backbone. Received: 3"),
        (
            "x = 1\nNUMBER = 1 / 0",
            r"'NUMBER', cannot be run: ZeroDivisionError.*\(bad.py, line 2\)",
        ),
        ("import sys\nNUMBER = sys.exit('x')", "which shall give the backbone 'NUMBER', cannot be run: SystemExit: x"),
    ],
)
def test_a_file_that_gives_no_row_is_refused_with_the_place(code, said, tmp_path):
    (tmp_path / "bad.py").write_text(code, encoding="utf-8")
    with pytest.raises(NetworkError, match=said):
        backbone(f"{tmp_path / 'bad.py'}:NUMBER")


def test_a_name_of_miens_own_is_refused_where_a_package_takes_it(tmp_path, monkeypatch):
    register(tmp_path, "mien.backbones", {"vgg16": "x:y"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NetworkError, match="package other-nets 2.0 brings a backbone called 'vgg16', which mien has"):
        backbone("vgg16")
    assert "vgg16" in list_backbones().refused
    assert backbone("vgg19") is BACKBONES["vgg19"]


def test_a_name_that_two_packages_take_is_refused(package, tmp_path, monkeypatch):
    register(tmp_path, "mien.backbones", {"tiny_net": "x:y"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NetworkError, match="packages bring a backbone called 'tiny_net': .*2.0 and tiny-nets 1.2"):
        backbone("tiny_net")


def test_the_study_file_says_on_which_line_a_backbone_is_nowhere(tmp_path):
    with pytest.raises(StudyFileError, match="^study, line 8: There is no file .*nets.py"):
        parse_study(STUDY.format('"nets.py:tiny"'), base=tmp_path)


def test_a_changed_file_makes_another_run_and_a_moved_one_does_not(nets, tmp_path):
    text = STUDY.format('"nets.py:tiny"')
    first = plan(text, tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "nets.py").write_bytes(nets.read_bytes())
    assert [run.id for run in plan(text, moved).runs] == [run.id for run in first.runs]
    nets.write_text(NETS + "# changed\n", encoding="utf-8")
    own, changed = (run.id for run in plan(text, tmp_path).runs)
    assert own == first.runs[0].id
    assert changed != first.runs[1].id
    # What was planned before is not run with what is there now.
    with pytest.raises(NetworkError, match="not the one that was planned"):
        OTHER_BACKBONES.load(first.runs[1].recipe.backbone)


def test_a_record_says_where_a_backbone_is_from_and_not_in_which_folder(package, nets, tmp_path):
    text = STUDY.format('"nets.py:tiny", "tiny_net"')
    texts = [portable(run.recipe)["backbone"] for run in plan(text, tmp_path).runs]
    assert texts[0] == "mien_small"
    assert texts[1].startswith("nets.py:tiny (sha256 ")
    assert texts[2] == "tiny_net (tiny-nets 1.2)"
    labels = [point.label for point in parse_study(text, base=tmp_path).tables[0].rows.points]
    assert labels == ["mien_small", "nets.py:tiny", "tiny_net"]


def test_what_is_in_a_record_and_no_longer_here_can_still_be_reported():
    row = backbone("gone.py:tiny (sha256 0123456789abcdef)")
    assert (row.title, row.parameters) == ("gone.py:tiny", None)
    assert backbone("gone_net (gone 1.0)").title == "gone_net"
    assert parse_study(STUDY.format('"gone_net"'), kept=True).tables[0].rows.points[1].label == "gone_net"


def test_runs_of_an_unknown_network_are_guessed_to_cost_what_mien_small_does(package, nets, tmp_path):
    small, unknown, stated = plan(STUDY.format('"nets.py:tiny", "tiny_net"'), tmp_path).runs
    costs = [
        formula_cost(cost_key(run, FACTS), backbone(run.recipe.backbone), cores=2) for run in (small, unknown, stated)
    ]
    assert costs[1].start_seconds == costs[0].start_seconds
    assert costs[2].train_seconds_per_image < costs[0].train_seconds_per_image
    # Records of it are found again, though they do not know in which folder the file lay.
    recorded = replace(unknown, recipe=replace(unknown.recipe, backbone=portable(unknown.recipe)["backbone"]))
    assert cost_key(recorded, FACTS) == cost_key(unknown, FACTS)


def test_a_function_is_named_by_its_file(package):
    from tiny_nets.nets import tiny

    assert OTHER_BACKBONES.text_of(tiny) == f"{BROUGHT / 'tiny_nets' / 'nets.py'}:tiny"
    with pytest.raises(NetworkError, match="not defined at the top level of a file. Write it into one"):
        train("drawn", lambda shape: None)


def test_a_file_that_would_start_a_training_when_it_is_imported_is_refused(tmp_path):
    code = "import mien\nmien.train('drawn', 'start.py:ROW')\nROW = mien.Backbone(title='x', builder='x:y')\n"
    (tmp_path / "start.py").write_text(code, encoding="utf-8")
    with pytest.raises(MienError, match="start.py starts a training when it is imported. Put that under: if __name__"):
        backbone(f"{tmp_path / 'start.py'}:ROW")


def test_planning_with_a_package_of_others_needs_no_keras(package, nets):
    code = (
        "import sys; sys.modules['keras'] = None; from mien.study.backbones import backbone\n"
        f"print(backbone('tiny_net').depth, backbone({str(nets)!r} + ':tiny').depth)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(BROUGHT)}
    )
    assert done.stdout.strip() == "2 None"


# --- readers ---------------------------------------------------------------------------------------------------

FACES = """
import mien
import numpy as np

def read(path):
    count = int(path.read_text())
    images = np.random.default_rng(0).integers(0, 256, (count, 20, 20), dtype=np.uint8)
    return mien.Dataset.from_arrays(images, ["anger", "fear"] * (count // 2), licence="Made up.")

def read_sized(path, options):
    images = np.zeros((4, options.size, options.size), np.uint8)
    return mien.Dataset.from_arrays(images, ["anger", "fear"] * 2)

def nothing(path):
    return None

def broken(path):
    raise KeyError("faces")
"""


@pytest.fixture
def faces(tmp_path, monkeypatch):
    (tmp_path / "faces.py").write_text(FACES, encoding="utf-8")
    (tmp_path / "many.count").write_text("30", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_function_in_a_file_reads(faces):
    data = read_dataset("many.count", reader="faces.py:read", cache=None)
    assert (data.name, len(data), data.size, data.licence) == ("many.count", 30, (20, 20), "Made up.")
    assert data.spec.reader.startswith(f"{faces / 'faces.py'}:read (sha256 ")
    assert data.spec.portable()["reader"].startswith("faces.py:read (sha256 ")
    assert read_dataset(data.spec, cache=None).fingerprint == data.fingerprint


def test_images_are_brought_to_the_size_asked_for(faces):
    data = read_dataset("many.count", reader="faces.py:read", size=24, cache=None)
    assert data.size == (24, 24)
    assert "30 of 30 images resized from 20x20 to 24x24 pixels" in data.notes
    assert read_dataset("many.count", reader="faces.py:read_sized", size=16, cache=None).size == (16, 16)


def test_a_reader_of_a_package_reads(faces, package):
    data = read_dataset("many.count", reader="counted-faces", cache=None)
    assert (len(data), data.size, data.spec.reader) == (30, (24, 24), "counted-faces (tiny-nets 1.2)")


def test_a_changed_reader_reads_again_in_place_of_the_cache(faces):
    cache = faces / "cache"
    first = read_dataset("many.count", reader="faces.py:read", cache=cache)
    assert read_dataset("many.count", reader="faces.py:read", cache=cache).fingerprint == first.fingerprint
    (faces / "faces.py").write_text(FACES.replace("default_rng(0)", "default_rng(1)"), encoding="utf-8")
    assert read_dataset("many.count", reader="faces.py:read", cache=cache).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"reader": "faces.py:nothing"}, "nothing must return a mien.Dataset, .* Received: NoneType"),
        ({"reader": "faces.py:broken"}, r"broken cannot read many.count: KeyError: 'faces' \(faces.py, line 18\)"),
        ({"reader": "faces.py:raed"}, "faces.py defines no 'raed'. Did you mean 'read'"),
        ({"reader": "foldres"}, "There is no reader 'foldres'. Did you mean 'folders'.*Other packages bring none"),
        ({"reader": "faces.py:read", "groups": "none"}, "read takes a path alone, so groups cannot be said to it"),
        ({"reader": "faces.py:read", "faces": "find"}, "read takes a path alone, so faces cannot be said to it"),
        ({"reader": "faces.py:read", "size": 24, "on_mismatch": "refuse"}, "30 of 30 images are not 24x24"),
        ({}, "not in a form that mien can read.*A reader of your own is named by its file"),
    ],
)
def test_what_a_reader_of_others_cannot_do_is_said(keys, said, faces):
    with pytest.raises(DataError, match=f"(?s){said}"):
        read_dataset("many.count", cache=None, **keys)


def test_a_reader_called_as_one_of_miens_own_is_refused(tmp_path, monkeypatch):
    register(tmp_path, "mien.readers", {"folders": "x:y"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match="brings a reader called 'folders', which mien has already"):
        read_dataset(tmp_path, reader="folders")


def test_a_description_of_data_pins_its_reader(faces, package):
    assert DataSpec(path="x", reader="faces.py:read").resolved(faces).reader == OTHER_READERS.pinned("faces.py:read")
    assert DataSpec(path="x", reader="folders").resolved(faces).reader == "folders"
    assert np.all([DataSpec(path="drawn").resolved(faces).reader is None])

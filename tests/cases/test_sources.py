"""Two data sets in one study: train on both, or train here and test there; each keeps its name."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.reading import read_data_file, read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import DataError, MienError, StudyFileError
from mien.study.planning import plan_study
from mien.study.record import data_facts
from mien.study.spec import parse_study
from mien.study.store import Store
from support.field_samples import pixels, png, write

COUNTER = itertools.count(1000)


def folder(root: Path, names: list[str], *, size: int = 8, copies_of: Path | None = None) -> Path:
    """Images under these names, no two alike; or copies of those of another folder, in their order."""
    others = sorted(copies_of.rglob("*.png")) if copies_of else []
    for place, name in enumerate(names):
        image = np.resize(pixels(next(COUNTER)), (size, size))
        data = others[place].read_bytes() if place < len(others) else png(image)
        write(root / name, data)
    return root


def two(tmp_path: Path) -> tuple[Path, Path]:
    roles = {"train": 6, "test": 3}
    first = folder(
        tmp_path / "a", [f"{r}/{e}/{n}.png" for r, k in roles.items() for e in ("happy", "sad") for n in range(k)]
    )
    second = folder(tmp_path / "b", [f"{p}/{e}/{n}.png" for p in ("S1", "S2") for e in ("sad", "fear") for n in (1, 2)])
    return first, second


def test_two_sources_are_one_data_set_with_their_names(tmp_path):
    a, b = two(tmp_path)
    dataset = read_dataset(DataSpec(sources=(DataSpec(path=str(a)), DataSpec(path=str(b)))), cache=None)
    assert dataset.name == "a+b"
    assert len(dataset) == 18 + 8
    assert dict(zip(*np.unique(dataset.sources, return_counts=True), strict=True)) == {"a": 18, "b": 8}
    assert [label.value for label in dataset.label_set.expressions] == ["fear", "happiness", "sadness"]
    assert [dataset.count(role) for role in (Role.TRAIN, Role.TEST, Role.NONE)] == [12, 6, 8]
    assert set(dataset.groups.tolist()) == {"", "b/S1", "b/S2"}
    assert len(set(dataset.ids.tolist())) == 26
    for name, source in zip(dataset.ids.tolist(), dataset.sources.tolist(), strict=True):
        assert name.startswith(f"{source}/")
    assert dataset.notes[0] == "2 sources: a (18 images), b (8 images)"
    labels = {name: dataset.label_set.expressions[k].value for name, k in zip(dataset.ids, dataset.labels, strict=True)}
    assert all(("happy" in name) == (label == "happiness") for name, label in labels.items())


def test_train_here_and_test_there(tmp_path):
    a, b = two(tmp_path)
    dataset = read_dataset(DataSpec(sources=(DataSpec(path=str(a)), DataSpec(path=str(b), role="test"))), cache=None)
    split = apply_protocol(dataset, ProtocolSpec(labels="happiness,sadness", validation_fraction=0.3))
    assert {name.split("/")[0] for name in split.test.ids.tolist()} == {"b"}
    assert {name.split("/")[0] for name in [*split.train.ids, *split.validation.ids]} == {"a"}
    assert len(split.train) + len(split.validation) == 12
    assert "test is b alone: 6 test images of a left out" in dataset.notes
    assert dataset.count(Role.TEST) == 8
    everything = read_dataset(
        DataSpec(sources=(DataSpec(path=str(a), role="train"), DataSpec(path=str(b), role="test"))), cache=None
    )
    assert [everything.count(role) for role in (Role.TRAIN, Role.TEST)] == [18, 8]


def test_copies_across_sources_are_noticed(tmp_path):
    a, _ = two(tmp_path)
    b = folder(tmp_path / "c", ["fear/1.png", "happy/2.png", "sad/3.png"], copies_of=a)
    dataset = read_dataset(DataSpec(sources=(DataSpec(path=str(a)), DataSpec(path=str(b), role="test"))), cache=None)
    said = [note for note in dataset.notes if "exact copies" in note]
    assert said == []  # the copies are of a's own test images, which are left out
    dataset = read_dataset(DataSpec(sources=(DataSpec(path=str(a)), DataSpec(path=str(b)))), cache=None)
    (said,) = [note for note in dataset.notes if "exact copies" in note]
    assert said == "3 images of c are exact copies of images of a, 2 of them under another label"


def test_each_source_has_its_own_classes_and_what_stands_beside_holds_for_all(tmp_path):
    a = folder(tmp_path / "a", ["0/1.png", "1/2.png"], size=12)
    b = folder(tmp_path / "b", ["Ilo/1.png", "Viha/2.png"], size=8)
    sources = (
        DataSpec(path=str(a), classes="happy,sad"),
        DataSpec(path=str(b), classes={"Ilo": "happy", "Viha": "anger"}),
    )
    dataset = read_dataset(DataSpec(sources=sources), cache=None)
    assert dataset.size == (12, 12)
    assert [label.value for label in dataset.label_set.expressions] == ["anger", "happiness", "sadness"]
    assert read_dataset(DataSpec(sources=sources, size=10), cache=None).size == (10, 10)
    same = tuple(DataSpec(path=source.path) for source in sources)
    with pytest.raises(DataError):
        read_dataset(DataSpec(sources=same, classes="happy,sad"), cache=None)  # holds for b too, which has words


def test_sources_of_one_name_are_told_apart(tmp_path):
    a = folder(tmp_path / "x" / "faces", ["happy/1.png", "sad/2.png"])
    b = folder(tmp_path / "y" / "faces", ["happy/1.png", "sad/2.png"])
    dataset = read_dataset(DataSpec(sources=(DataSpec(path=str(a)), DataSpec(path=str(b)))), cache=None)
    assert sorted(set(dataset.sources.tolist())) == ["faces", "faces-2"]


def test_a_data_file_stands_wherever_a_data_set_does(tmp_path):
    from typer.testing import CliRunner

    from mien.cli.main import command_line

    two(tmp_path)
    write(tmp_path / "both.toml", '[[sources]]\npath = "a"\n[[sources]]\npath = "b"\nrole = "test"\n')
    dataset = read_dataset(tmp_path / "both.toml", cache=None)
    assert dataset.name == "a+b"
    assert read_data_file(tmp_path / "both.toml").sources[1].role == "test"
    assert read_dataset(tmp_path / "both.toml", cache=None, size=10).size == (10, 10)
    result = CliRunner().invoke(command_line(), ["data", "describe", str(tmp_path / "both.toml"), "--json"])
    assert result.exit_code == 0, result.output
    assert "test is b alone" in result.output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "path, or several of them as"),
        ('path = "a"\n[[sources]]\npath = "a"\n[[sources]]\npath = "b"', "path stands beside sources"),
        ('[[sources]]\npath = "a"', "two data sets or more"),
        ('[[sources]]\npath = "a"\n[[sources]]\npath = "b"\nrolle = "test"', "no key 'rolle'.*role"),
        ('[[sources]]\npath = "a"\n[[sources]]\npath = "b"\nrole = "dev"', "role cannot be 'dev'"),
        ("sources = 3", "must be a list"),
    ],
)
def test_what_a_data_file_cannot_say_is_refused(tmp_path, text, says):
    two(tmp_path)
    with pytest.raises(DataError, match=f"(?s){says}"):
        read_dataset(write(tmp_path / "both.toml", text), cache=None)


def test_a_class_of_one_source_inside_a_group_of_another_is_refused(tmp_path):
    a, b = two(tmp_path)
    sources = (DataSpec(path=str(a)), DataSpec(path=str(b), classes="sad=bad,fear=fear"))
    with pytest.raises(DataError, match="sadness and another has it inside the group bad"):
        read_dataset(DataSpec(sources=sources), cache=None)


STUDY = """
schema = 1
name = "both"
[data]
size = 32
[[data.sources]]
path = "a"
[[data.sources]]
path = "b"
role = "test"
[protocol]
labels = "happiness,sadness"
validation_fraction = 0.3
[[tables]]
name = "one"
rows.backbone = ["mien_small"]
"""


def test_a_study_of_two_sources_is_planned_and_its_records_name_them(tmp_path):
    two(tmp_path)
    study = parse_study(STUDY)
    planned = plan_study(study, study.data.resolved(tmp_path))
    (run,) = planned.plan.runs
    facts = data_facts(planned.dataset, apply_protocol(planned.dataset, run.protocol))
    assert facts["name"] == "a+b"
    assert facts["sources"] == {"a": 12, "b": 8}
    assert [source["path"] for source in facts["read"]["sources"]] == ["a", "b"]
    assert facts["read"]["sources"][1]["role"] == "test"
    from mien.study.processes import Job

    job = Job(action="run", run=run, data=planned.data, store="s")
    assert Job.from_json(job.to_json()).data == planned.data


def test_the_line_of_a_wrong_source_is_named():
    with pytest.raises(StudyFileError, match="line 10"):
        parse_study(STUDY.replace('role = "test"', 'role = "exam"'))


def test_an_export_of_a_run_on_two_sources_asks_for_a_data_file(tmp_path):
    from support.fake_records import plan_of, record_of

    two(tmp_path)
    (run,) = plan_of(STUDY).runs
    record = record_of(run)
    record.data["read"] = {"path": "", "sources": [{"path": "a"}, {"path": "b", "role": "test"}]}
    store = Store.create(tmp_path / "store")
    with pytest.raises(MienError, match="several sources \\(a and b\\).*data file"):
        store.data_of(record, "a")
    write(tmp_path / "both.toml", '[[sources]]\npath = "a"\n[[sources]]\npath = "b"\nrole = "test"\n')
    dataset = read_dataset(store.data_of(record, str(tmp_path / "both.toml")), cache=None)
    assert dataset.name == "a+b"


def test_one_data_set_may_be_given_one_role(tmp_path):
    a, _ = two(tmp_path)
    plain, given = read_dataset(a, cache=None), read_dataset(a, cache=None, role="test")
    assert given.count(Role.TEST) == len(given) == len(plain)
    assert given.fingerprint != plain.fingerprint


def test_photos_of_a_source_are_cut_out_by_its_own_word(tmp_path):
    a, _ = two(tmp_path)
    for label in ("happy", "sad"):
        blank = cv2.imencode(".png", np.full((120, 160), 90, np.uint8))[1].tobytes()
        write(tmp_path / "photos" / label / "1.png", blank)
    sources = (DataSpec(path=str(a)), DataSpec(path=str(tmp_path / "photos"), faces="find"))
    with pytest.raises(DataError, match="None of the 2 images.*No face was found"):
        read_dataset(DataSpec(sources=sources), cache=None)


def test_oblong_images_of_two_sources_are_refused_with_the_way_to_one_size(tmp_path):
    a, _ = two(tmp_path)
    oblong = tmp_path / "oblong.npz"
    np.savez(oblong, images=np.resize(pixels(7), (4, 12, 8)), labels=np.array(["happy", "sad", "happy", "sad"]))
    sources = (DataSpec(path=str(oblong)), DataSpec(path=str(a)))
    with pytest.raises(DataError, match=r"8x12.*size = 48 in \[data\].*mien data convert --size 48"):
        read_dataset(DataSpec(sources=sources), cache=None)
    assert read_dataset(DataSpec(sources=sources, size=16), cache=None).size == (16, 16)

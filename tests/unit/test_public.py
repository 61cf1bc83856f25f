"""mien in Python: the names, what they cost, what they take and how they show themselves."""

import inspect
import json
import subprocess
import sys
import typing
from dataclasses import replace

import numpy as np
import pytest

import mien
from mien.api.training import Run, _described, study_text
from mien.datasets.dataset import Role
from mien.errors import BundleError, DataError, MienError
from mien.frame import Display, Rows, frame
from mien.labels import SEVEN
from mien.study.spec import parse_study
from mien.study.store import Store
from support.fake_records import answers, plan_of, record_of

STUDY = """
schema = 1
name = "s"
[data]
path = "drawn"
[recipe]
epochs = 3
[[tables]]
name = "t"
rows.backbone = ["mien_small", "vgg16"]
"""


def fresh(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", mien.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    found = getattr(mien, name)
    assert name == "__version__" or found.__doc__
    assert name in dir(mien)


def types_named(annotated):
    """The types that a function, or the attributes of a class, are annotated with, as other tools read them."""
    found, waiting = set(), list(typing.get_type_hints(annotated).values())
    while waiting:
        hint = waiting.pop()
        inner = hint if isinstance(hint, list) else typing.get_args(hint)
        waiting.extend(inner)
        if inspect.isclass(hint) and not inner:
            found.add(hint)
    return found


def function_of(member):
    """The function behind what stands in a class, or None."""
    for behind in ("__func__", "fget", "func"):
        member = getattr(member, behind, None) or member
    return member if inspect.isfunction(member) else None


@pytest.mark.parametrize("name", [name for name in mien.__all__ if callable(getattr(mien, name))])
def test_other_tools_can_follow_the_types_of_every_public_name(name):
    # Those of all that it takes and gives, too: whoever asks for help on a result gets the types of its attributes.
    seen, waiting = set(), [getattr(mien, name)]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        members = vars(one) if inspect.isclass(one) else {}
        shown = [function_of(member) for key, member in members.items() if key == "__init__" or key[0] != "_"]
        for annotated in filter(None, [one, *shown]):
            waiting += [kind for kind in types_named(annotated) if kind.__module__.partition(".")[0] == "mien"]


def test_no_other_name_is():
    with pytest.raises(AttributeError, match="no attribute 'treain'"):
        _ = mien.treain


def test_importing_costs_next_to_nothing():
    # Filelock is imported first: the first package of a process pays for listing the folders of all of them.
    code = "import time, filelock; t = time.perf_counter(); import mien; print(time.perf_counter() - t)"
    assert min(float(fresh(code)) for _ in range(5)) < 0.01


def test_python_dash_m_mien_is_the_command():
    done = subprocess.run([sys.executable, "-m", "mien", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"mien {mien.__version__}"


ROWS = [{"a": 1, "b": None}, {"a": 2.5, "c": "<x>"}]


def test_a_frame_is_a_data_frame_where_pandas_is_installed():
    pandas = pytest.importorskip("pandas")
    table = frame(ROWS)
    assert list(table.columns) == ["a", "b", "c"]
    assert pandas.isna(table["b"][0])
    assert pandas.isna(table["c"][0])


def test_and_plain_rows_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = frame(ROWS)
    assert isinstance(table, Rows)
    assert table["b"] == [None, None]
    assert table.to_csv() == "a,b,c\n1,,\n2.5,,<x>\n"
    assert "&lt;x&gt;" in table._repr_html_()
    assert "2.5" in repr(table)


@pytest.fixture
def arrays():
    images = np.random.default_rng(0).integers(0, 256, (14, 20, 20), dtype=np.uint8)
    return images, np.arange(14) % 7


def test_a_data_set_is_made_of_arrays(arrays):
    images, numbers = arrays
    names = [e.value for e in SEVEN.expressions]
    dataset = mien.Dataset.from_arrays(images, numbers, classes=names, roles=["train"] * 10 + ["test"] * 4)
    worded = mien.Dataset.from_arrays(images[..., None], [names[n] for n in numbers], roles=dataset.roles)
    assert worded.fingerprint == dataset.fingerprint
    assert "10 train, 4 test" in repr(dataset)
    table = dataset.frame()
    assert list(table.columns) == ["label", "train", "test", "all"]
    assert (sum(table["train"]), sum(table["test"]), list(table["all"])) == (10, 4, [2] * 7)
    few = mien.Dataset.from_arrays(images, numbers % 2, classes=names[:2])
    assert "labels anger,disgust" in repr(few)
    assert list(few.frame().columns) == ["label", "no role", "all"]
    assert dataset.framing is None
    turned = mien.Dataset.from_arrays(images, numbers, classes=names[::-1])
    assert turned.label_set.expressions[turned.labels[0]].value == names[-1]


def test_what_is_missing_in_a_column_is_no_group_and_no_role():
    pandas = pytest.importorskip("pandas")
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    column = pandas.Series(["kim", None, "nan", pandas.NA, float("nan"), 7.0])
    for given in (column, column.tolist(), column.to_numpy()):
        found = mien.Dataset.from_arrays(images, ["sad", "happy"] * 3, groups=given, roles=["test", *[None] * 5])
        assert found.groups.tolist() == ["kim", "", "nan", "", "", "7.0"]
        assert found.roles.tolist() == ["test", "", "", "", "", ""]
        with pytest.raises(DataError, match="an id is missing"):
            mien.Dataset.from_arrays(images[:2], ["sad", "happy"], ids=given[:2])
    with pytest.raises(DataError, match="6 images but 1 groups"):
        mien.Dataset.from_arrays(images, ["sad", "happy"] * 3, groups=3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"classes": None}, "nothing says which expressions"),
        ({"classes": ["anger"]}, "labels lie in 0..0"),
        ({"classes": "anger, fear"}, r"a list such as \['anger', 'fear'\]"),
        ({"images": np.zeros((14, 4, 4))}, "uint8"),
        ({"images": np.zeros((14, 4, 4, 3), np.uint8)}, "channels='rgb'"),
        ({"images": np.zeros((14, 4, 4, 4), np.uint8), "channels": "rgb"}, "fourth channel"),
        ({"channels": "bgr"}, "order='bgr'"),
        ({"roles": ["train"] * 13 + ["tset"]}, "'tset' is no role"),
        ({"ids": ["a"] * 14}, "more than once"),
        ({"labels": np.zeros((14, 2))}, "shape"),
        ({"labels": np.zeros(13, int)}, "13"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, change, sentence):
    usual = {"images": arrays[0], "labels": arrays[1], "classes": SEVEN}
    with pytest.raises(DataError, match=sentence):
        mien.Dataset.from_arrays(**{**usual, **change})


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store")
    for run in plan_of(STUDY).runs:
        store.add(record_of(run))
    return store


def test_a_store_is_one_flat_table(store):
    table = mien.Store(str(store.folder)).frame()
    rows = table.to_dict("records") if hasattr(table, "to_dict") else list(table)
    assert {row["network"] for row in rows} == {"mien_small", "vgg16"}
    assert all(row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] for row in rows)
    assert all(row["trained_here"] for row in rows)


def test_runs_are_compared_pair_by_pair(store):
    found = mien.compare(store)
    (pair,) = found.pairs
    assert pair.images == 60
    assert 0 <= pair.comparison.p <= pair.p_holm <= 1
    assert len(found.frame()) == 1
    assert "mien_small" in repr(found)
    first = store.finished()[0]
    (same,) = mien.compare({"one": first, "again": first}).pairs
    assert (same.comparison.difference.value, same.comparison.p) == (0, 1)
    with pytest.raises(DataError, match="at least two"):
        mien.compare({"one": first})
    with pytest.raises(DataError, match="Received: Store"):
        mien.compare({"one": first, "all": store})


def test_a_run_shows_its_figures_and_drawings(store, tmp_path):
    pytest.importorskip("matplotlib")
    record = store.finished()[0]
    run = Run(record, store.run_folder(record.id))
    assert run.scores().count == 60
    for display in (run.confusion(), run.reliability(), run.curves()):
        assert isinstance(display, Display)
        assert len(display.frame()) == len(display.rows)
        assert display.plot().save(tmp_path / "drawing.svg").read_text(encoding="utf-8").startswith("<svg")
        assert "<table>" in display._repr_html_()
    assert sum(row["images"] for row in run.confusion().rows) == 60
    assert sum(row["images"] for row in run.reliability().rows) == 60
    assert record.id in repr(run)
    table = run.scores().frame()
    assert list(table["label"]) == [label.value for label in record.label_set.expressions]
    assert sum(table["images"]) == 60
    assert record.scores() == run.scores()


def test_a_recognizer_takes_what_people_have(bundle, portrait, photo_folder):
    from PIL import Image

    recognizer = mien.Recognizer(bundle)
    rgb = np.asarray(Image.open(portrait).convert("RGB"))
    expected = recognizer.recognize(rgb).faces
    assert recognizer.recognize(rgb[..., ::-1], order="bgr").faces == expected
    with portrait.open("rb") as file:
        assert len(recognizer.recognize(file).faces) == len(expected)
    found = recognizer.folder(photo_folder)
    assert [result.outcome.value for result in found] == ["ok", "no_face", "unreadable"]
    table = found.frame()
    assert len(table) == 3
    for wrong in (17, None, ["a.jpg"]):
        with pytest.raises(TypeError):
            recognizer.recognize(wrong)
    with pytest.raises(TypeError, match="folder"):
        list(recognizer.recognize_many(str(photo_folder)))
    with pytest.raises(DataError, match="folder"):
        recognizer.recognize(photo_folder)
    with pytest.raises(DataError, match="'rgb' or 'bgr'"):
        recognizer.recognize(rgb, order="gbr")


def test_a_face_is_asked_by_the_name_of_a_label(bundle, portrait):
    face = mien.Recognizer(bundle).recognize(portrait).faces[0]
    assert face.box == face.face.box
    assert face["happiness"] == face["happy"] == dict(face.probabilities)[mien.Expression.HAPPINESS]
    with pytest.raises(KeyError, match="this face has"):
        face["contempt"]
    assert "px at" in repr(face)


def test_evaluating_is_one_call_and_a_table(bundle, tmp_path):
    found = mien.evaluate(bundle, "drawn:count=70,size=48,seed=5", cache=None)
    assert len(found.frame()) >= 5
    assert "unknown" in repr(found)
    assert found.scores() is found.evaluation.scores
    assert sum(row["images"] for row in found.confusion().rows) == found.scores().count
    assert sum(row["images"] for row in found.reliability().rows) == found.scores().count
    json.dumps(found.to_json())


def test_figures_go_to_the_models_card(bundle, tmp_path):
    found = mien.evaluate(bundle, "drawn:count=70,size=48,seed=5", corruptions=["blur"])
    written = found.on_card(bundle, tmp_path / "measured.mien")
    section = written.card[f"measured_on_{found.data['name']}_test_by_labels"]
    count = section["images"]
    assert count == found.scores().count
    assert section["accuracy"] == found.scores().accuracy.to_json()
    assert sum(entry["right"]["count"] for entry in section["right_by_probability"].values()) == count
    assert section["accuracy under blur, by strength"] == [one.accuracy.value for one in found.corrupted]
    assert section["speed, one thread"]["milliseconds_a_face"] > 0
    assert {key: value for key, value in written.card.items() if value is not section} == bundle.card
    assert mien.load_bundle(tmp_path / "measured.mien").fingerprint == written.fingerprint != bundle.fingerprint
    assert written.onnx == bundle.onnx
    again = mien.evaluate(written, "drawn:count=35,size=48,seed=6").on_card(written, tmp_path / "measured.mien")
    assert len(again.card) == len(written.card)  # one section for these data, that of the last time
    with pytest.raises(BundleError, match="Received"):
        found.on_card(written, tmp_path / "other.mien")


def test_every_error_is_one_of_miens():
    with pytest.raises(MienError):
        mien.read("nowhere-at-all")


def test_what_was_made_here_is_read_again_by_another_process(arrays, tmp_path):
    roles = ["train"] * 8 + ["validation"] * 3 + ["test"] * 3
    dataset = mien.Dataset.from_arrays(*arrays, classes=SEVEN, roles=roles, framing="drawn")
    spec = _described(dataset, Store.create(tmp_path / "store"), {})
    again = mien.read(parse_study(study_text(spec, "dataset", "auto", {"backbone": "vgg16"})).data, cache=None)
    assert (again.fingerprint, again.framing) == (dataset.fingerprint, "drawn")
    read = mien.read("drawn:count=20", cache=None)
    assert _described(read, Store(tmp_path / "store"), {}) == read.spec
    assert read.take(read.roles == "train").spec is None


@pytest.mark.parametrize(
    "call",
    [
        lambda data: mien.train(data, epoch=2),
        lambda data: mien.evaluate("default", data, label="six"),
        lambda data: mien.evaluate("default", data, find_faces=True),
        lambda data: mien.audit(data, votes="fer2013new.csv"),
        lambda data: mien.foreign_run("other", [[1.0]], data, lables=["anger"]),
    ],
)
def test_no_argument_is_dropped_where_the_data_are_in_memory(call, arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = mien.Dataset.from_arrays(*arrays, classes=SEVEN)
    with pytest.raises(DataError, match="no argument .*in memory"):
        call(data)


@pytest.mark.parametrize("data", [(np.zeros((2, 4, 4)), ["anger", "fear"]), 17, None])
def test_what_is_no_path_is_refused_with_the_way_out(data):
    with pytest.raises(DataError, match="from_arrays"):
        mien.read(data)


SAID = "neutral,good=happiness+surprise"


@pytest.mark.parametrize(
    "labels",
    [
        SAID,
        ["neutral", "good=happy+surprise"],
        {"neutral": "neutral", "good": ["happy", "surprise"]},
        {"neutral": ["neutral"], "good": ("surprise", "happy")},
        mien.LabelSet.parse(SAID),
    ],
)
def test_labels_are_said_as_people_say_them_in_python(bundle, labels):
    expected = mien.LabelSet.parse(SAID)
    assert mien.Recognizer(bundle, labels=labels).label_set == expected
    found = mien.evaluate(bundle, "drawn:count=70,size=48,seed=5", labels=labels, cache=None)
    assert found.label_set == expected


def test_a_prior_is_said_by_its_shares(bundle, tmp_path):
    shares = {label.value: number + 1 for number, label in enumerate(SEVEN.expressions)}
    file = tmp_path / "prior.json"
    file.write_text(json.dumps(shares), encoding="utf-8")
    said = mien.Recognizer("default", prior=shares).prior
    assert said.of(SEVEN).tolist() == mien.Recognizer("default", prior=file).prior.of(SEVEN).tolist()
    for wrong, sentence in (({"anger": -1}, "share from 0 on"), ({}, "names no class"), ([0.5, 0.5], "list")):
        with pytest.raises(DataError, match=sentence):
            mien.Recognizer("default", prior=wrong)


def test_results_are_compared_by_name(store):
    with pytest.raises(DataError, match="by the names"):
        mien.compare(store.finished())


def test_a_folder_that_is_not_there_is_no_photo(bundle, portrait):
    recognizer = mien.Recognizer(bundle)
    for path in (portrait.parent / "nowhere", portrait):
        with pytest.raises(DataError, match="no folder"):
            recognizer.folder(path)
    with pytest.raises(TypeError, match="recognize_many"):
        recognizer.folder([portrait])


def test_what_people_look_at_says_in_a_line_what_it_is(bundle, portrait, photo_folder, store):
    recognizer, record = mien.Recognizer("default", prior="uniform"), store.finished()[0]
    data = mien.read("drawn:count=70,size=48,seed=5", cache=None)
    answers = mien.evaluate(bundle, data).predictions.labels
    maps = mien.explain(portrait, bundle)
    shown = [
        (recognizer, "prior uniform"),
        (recognizer.folder(photo_folder)[2], "unreadable. "),
        (maps, ".save(path)"),
        (maps[0], "map of"),
        (record, "mien_small"),
        (record.scores(), "macro f1"),
        (record.outcome(Role.TEST), "60 images"),
        (store, "2 finished runs"),
        (SEVEN, "seven: anger, disgust"),
        (mien.foreign_run("theirs", answers, data, labels=SEVEN), "answers of theirs on drawn"),
    ]
    for one, part in shown:
        assert part in repr(one)
        assert len(repr(one)) < 400
        assert "\n" not in repr(one)
    assert maps._repr_png_().startswith(b"\x89PNG")


def test_the_folds_of_one_network_are_compared_together(tmp_path):
    text = STUDY.replace('path = "drawn"\n', 'path = "drawn"\n[protocol]\nfolds = 2\n')
    store = mien.Store.create(tmp_path / "store")
    for skill, backbone in ((3.0, "mien_small"), (0.5, "vgg16")):
        for fold in (1, 2):
            changed = text.replace("folds = 2", f"folds = 2\nfold = {fold}").replace(
                'rows.backbone = ["mien_small", "vgg16"]', f'rows.backbone = ["{backbone}"]'
            )
            (run,) = plan_of(changed).runs
            answered = answers(skill=skill, seed=fold)
            ids = np.array([f"{fold} {name}" for name in answered.ids])
            run = replace(run, id=f"{backbone}-{fold}")
            record_of(run, replace(answered, ids=ids)).write(store.run_folder(run.id))
    (pair,) = mien.compare(store).pairs
    assert (pair.first, pair.second) == ("mien_small (mien_small-1), 2 folds", "vgg16 (vgg16-1), 2 folds")
    assert pair.images == 120
    assert pair.comparison.difference.low > 0

"""Other models' answers: brought in as they are, refused where they are not clear, and marked for what they are."""

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import mien
from mien.api.foreign import read_answers
from mien.cli.import_ import import_
from mien.datasets.dataset import Role
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError, MienError
from mien.labels import SEVEN, parse_expression
from mien.study.store import Store

DATA = "drawn:count=140,size=24,seed=5"
ORDER = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]  # alphabetical, unlike mien's
app = typer.Typer()
app.command()(import_)


@pytest.fixture(scope="module")
def dataset():
    return draw_faces(140, size=24, seed=5)


@pytest.fixture(scope="module")
def test_role(dataset):
    return apply_protocol(dataset, ProtocolSpec()).test.open(by="t", reason="to answer", log=lambda opening: None)


@pytest.fixture(scope="module")
def answers(test_role):
    """Logits in `ORDER` that are right for three of four images."""
    columns = [mien.LabelSet.named("seven").expressions.index(parse_expression(w)) for w in ORDER]
    logits = np.random.default_rng(1).normal(size=(len(test_role), 7))
    logits[np.arange(len(test_role)), test_role.labels] += 8
    wrong = np.arange(len(test_role)) % 4 == 0
    logits[wrong] = np.roll(logits[wrong], 1, axis=1)
    return logits[:, columns]


def probabilities(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def right(record):
    answered = record.outcome(Role.TEST)
    return float((answered.probabilities.argmax(axis=1) == answered.labels).mean())


def test_probabilities_logits_and_labels_are_the_same_answers(answers, dataset, test_role):
    words = np.array(ORDER)[answers.argmax(axis=1)]
    forms = [
        mien.foreign_run("other", probabilities(answers), dataset, labels=",".join(ORDER)),
        mien.foreign_run("other", probabilities(answers), dataset, labels=ORDER),
        mien.foreign_run("other", answers, dataset, labels=ORDER, kind="logits"),
        mien.foreign_run("other", words, dataset),
        mien.foreign_run("other", answers.argmax(axis=1), dataset, labels=ORDER),
    ]
    expected = 1 - (np.arange(len(test_role)) % 4 == 0).mean()
    assert [right(record) for record in forms] == pytest.approx([expected] * 5)
    np.testing.assert_allclose(*(form.outcome(Role.TEST).probabilities for form in forms[1:3]), atol=1e-6)
    assert forms[0].foreign["name"] == "other"
    assert "unknown" in forms[0].foreign["unknown"]["seen images"]
    assert "probabilities" in forms[3].foreign["unknown"]


def test_ids_say_which_image_an_answer_is_for(answers, dataset, test_role):
    order = np.random.default_rng(2).permutation(len(test_role))
    usual = mien.foreign_run("other", answers, dataset, labels=ORDER, kind="logits")
    mixed = mien.foreign_run(
        "other", answers[order], dataset, labels=ORDER, kind="logits", ids=test_role.ids[order].tolist()
    )
    np.testing.assert_array_equal(mixed.outcome(Role.TEST).outputs, usual.outcome(Role.TEST).outputs)


def test_the_role_that_was_answered_is_opened_and_logged(answers, dataset):
    opened = []
    mien.foreign_run("other", answers, dataset, labels=ORDER, kind="logits", log=opened.append)
    assert [opening.count for opening in opened] == [len(answers)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": None}, "Which label do the 7 columns stand for"),
        ({"labels": ORDER[:6]}, "6 labels were named"),
        ({"labels": ["angry", *ORDER[:6]]}, "twice"),
        ({"kind": None}, "no probabilities"),
        ({"kind": "labels"}, "Expected answers"),
        ({"kind": "logit"}, "kind is one of probabilities, logits, labels"),
        ({"labels": 3}, "Labels are a text"),
        ({"labels": "angry,fear"}, "2 labels were named"),
        ({"role": "train"}, "'validation' or 'test'"),
        ({"ids": ["a", "b"]}, "2 ids"),
        ({"rows": slice(5)}, "5 answers, and the test role has"),
        ({"protocol": ProtocolSpec(labels="eight")}, "contempt"),
    ],
)
def test_what_is_not_clear_is_refused(answers, dataset, change, sentence):
    usual = {"labels": ORDER, "kind": "logits", "rows": slice(None), **change}
    with pytest.raises(MienError, match=sentence):
        mien.foreign_run("other", answers[usual.pop("rows")], dataset, **usual)


def test_numbers_without_labels_and_missing_images_are_refused(answers, dataset, test_role):
    with pytest.raises(DataError, match="nothing says which labels"):
        mien.foreign_run("other", answers.argmax(axis=1), dataset)
    with pytest.raises(DataError, match="no answer for 1 of"):
        mien.foreign_run("other", answers[1:], dataset, labels=ORDER, kind="logits", ids=test_role.ids[1:].tolist())
    spoiled = answers.copy()
    spoiled[3, 2] = np.nan
    with pytest.raises(DataError, match="1 answers hold"):
        mien.foreign_run("other", spoiled, dataset, labels=ORDER, kind="logits")


@pytest.mark.parametrize("form", ["columns.csv", "labels.csv", "evaluated.csv", "all.npz"])
def test_a_file_of_answers_goes_into_a_store(form, answers, test_role, tmp_path):
    rounded = probabilities(answers).round(6)
    path = tmp_path / form
    if form == "columns.csv":
        rows = [f"{name},{','.join(map(str, row))}" for name, row in zip(test_role.ids, rounded, strict=True)]
        path.write_text("\n".join([f"id,{','.join(ORDER)}", *rows]), encoding="utf-8")
    elif form == "labels.csv":
        words = np.array(ORDER)[answers.argmax(axis=1)]
        rows = [f"{name},{word}" for name, word in zip(test_role.ids, words, strict=True)]
        path.write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    elif form == "evaluated.csv":
        columns = ",".join(f"probability:{parse_expression(word)}" for word in ORDER)
        rows = [f"{name},fear,{','.join(map(str, row))}" for name, row in zip(test_role.ids, rounded, strict=True)]
        path.write_text("\n".join([f"id,label,{columns}", *rows]), encoding="utf-8")
    else:
        np.savez(path, probabilities=rounded, classes=np.array(ORDER), ids=test_role.ids)
    result = CliRunner().invoke(
        app, [str(path), "--data", DATA, "--name", "other", "--output", str(tmp_path / "store")]
    )
    assert result.exit_code == 0, result.output
    assert "unknown" in result.output
    store = Store.open(tmp_path / "store")
    (record,) = store.finished()
    assert record.foreign["name"] == "other"
    assert right(record) == 1 - np.ceil(len(answers) / 4) / len(answers)
    table = store.frame()
    assert list(table["trained_here"]) == [False]
    assert list(table["network"]) == ["other"]
    assert len(store.openings()) == 1


def test_the_truth_beside_the_answers_is_not_taken_for_them(bundle, tmp_path):
    found = mien.evaluate(bundle, DATA)
    found.write_csv(tmp_path / "rows.csv")
    record = mien.api.foreign.import_answers("again", tmp_path / "rows.csv", DATA, tmp_path / "store").record
    assert right(record) == found.scores().accuracy.value < 1
    (tmp_path / "a.csv").write_text("id,Label,Predicted Label\n1,fear,anger\n", encoding="utf-8")
    assert read_answers(tmp_path / "a.csv")[0].tolist() == ["anger"]
    (tmp_path / "a.csv").write_text("id,label,expression\n1,fear,anger\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"columns label, expression of .*a\.csv may hold the answers"):
        read_answers(tmp_path / "a.csv")


def test_answers_of_groups_that_an_evaluation_wrote_are_read_under_these_groups(bundle, tmp_path):
    groups = "neutral,positive=happiness+surprise,negative=anger+fear+sadness"
    found = mien.evaluate(bundle, DATA, labels=groups)
    found.write_csv(tmp_path / "rows.csv")
    place = ("again", tmp_path / "rows.csv", DATA, tmp_path / "store")
    record = mien.api.foreign.import_answers(*place, label_set=groups).record
    assert right(record) == found.scores().accuracy.value
    with pytest.raises(DataError, match="Unknown expression label 'negative' in labels"):
        mien.api.foreign.import_answers(*place)


def test_an_empty_column_is_of_a_class_that_the_model_does_not_know(tmp_path):
    (tmp_path / "a.csv").write_text("id,fear,anger,contempt\n1,0,1,\n2,0.7,0.3,\n", encoding="utf-8")
    values, order, ids = read_answers(tmp_path / "a.csv")
    assert (values.tolist(), order, ids) == ([[0, 1], [0.7, 0.3]], ["fear", "anger"], ["1", "2"])


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="neither a column for each expression"):
        read_answers(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("id,fear,anger\n1,0,1\n2,1,\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 2: anger is '', which is no number"):
        read_answers(tmp_path / "a.csv")
    with pytest.raises(DataError, match="row 2"):
        mien.api.foreign.import_answers("other", tmp_path / "a.csv", DATA, tmp_path / "store")
    (tmp_path / "a.csv").write_text("id,fear,anger\nno image of it,0,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="no answer for"):
        mien.api.foreign.import_answers("other", tmp_path / "a.csv", DATA, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="no array probabilities"):
        read_answers(tmp_path / "a.npz")
    with pytest.raises(DataError, match="cannot be read: No such file or directory"):
        read_answers(tmp_path / "none.csv")


def test_it_is_compared_with_a_model_of_ours(answers, dataset, bundle):
    record = mien.foreign_run("other", answers, dataset, labels=ORDER, kind="logits")
    ours = mien.evaluate(bundle, dataset)
    (pair,) = mien.compare({"other": record, "ours": ours}).pairs
    assert pair.images == len(answers)
    assert pair.comparison.difference.value > 0
    assert len(record.label_set) == len(SEVEN)


def test_answers_for_a_test_role_alone_need_no_other_images(answers, dataset, test_role, tmp_path):
    rows = [list(dataset.ids).index(name) for name in test_role.ids]
    alone = dataset.take(np.array(rows)).annotated(roles=np.full(len(rows), "test"))
    record = mien.foreign_run("other", answers, alone, labels=ORDER, kind="logits", ids=list(test_role.ids))
    assert right(record) == right(mien.foreign_run("other", answers, dataset, labels=ORDER, kind="logits"))
    assert mien.Store.create(tmp_path / "store").add(record).id == record.id
    with pytest.raises(DataError, match="no validation images"):
        mien.foreign_run("other", answers, alone, labels=ORDER, kind="logits", role="validation")

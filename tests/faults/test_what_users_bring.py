"""What users bring: answers, priors, readers and names. Whatever is in them, it is refused in words or used whole."""

import io
import json
import os
import stat

import numpy as np
import pytest

from mien.api.foreign import import_answers, read_answers
from mien.datasets.reading import read_dataset
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError, NetworkError
from mien.files import parse_json, write_text, written_whole
from mien.labels import SEVEN
from mien.prior import read_prior
from mien.study.backbones import Backbone
from mien.study.store import Store
from mien.web.open_inference import parse_request

NAMES = [label.value for label in SEVEN.expressions]
EVEN = "".join(f"{name},1\n" for name in NAMES)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ANSWERS = {
    "empty.npz": b"",
    "cut.npz": npz(probabilities=np.full((60, 7), 1 / 7))[:200],
    "plain.npz": npy(np.full((60, 7), 1 / 7)),
    "none.npz": npz(labels=np.zeros(0, dtype=int), classes=np.array(NAMES)),
    "words.npz": npz(labels=np.zeros(0, dtype="U3")),
    "large.npz": npz(probabilities=np.full((6, 7), 1e308), classes=np.array(NAMES)),
    "head.csv": b"id,label\n",
    "short.csv": b"id,label\ndrawn-000001,anger\ndrawn-000002\n",
    "long.csv": b"id,label\ndrawn-000001,anger,fear\n",
    "field.csv": b"id,label\n" + b"x" * 200_000,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_cannot_be_used_are_refused(name, tmp_path):
    (tmp_path / name).write_bytes(ANSWERS[name])
    with pytest.raises(DataError):
        import_answers("m", tmp_path / name, draw_faces(60, size=16), tmp_path / "store")


def test_answers_for_other_images_are_counted_and_not_passed_over(tmp_path):
    faces = draw_faces(60, size=16)
    (tmp_path / "a.csv").write_text("id,label\n" + "".join(f"{name},anger\n" for name in faces.ids.tolist()))
    run = import_answers("m", tmp_path / "a.csv", faces, tmp_path / "store")
    count = int((faces.roles == "test").sum())
    assert f"{60 - count} of its 60 answers are for no image of the test role" in str(run.record.foreign["unknown"])


def test_a_name_that_is_no_text_does_not_spoil_a_store(tmp_path):
    faces = draw_faces(60, size=16)
    (tmp_path / "a.csv").write_text("id,label\n" + "".join(f"{name},anger\n" for name in faces.ids.tolist()))
    run = import_answers("m\udcff", tmp_path / "a.csv", faces, tmp_path / "store")
    (kept,) = Store.open(tmp_path / "store").foreign()
    assert kept.foreign["name"] == run.record.foreign["name"] == "m\udcff"
    write_text(tmp_path / "page.html", "m\udcff")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "m\\udcff"


@pytest.mark.parametrize(
    "text",
    [
        EVEN.replace("neutral", "angry"),
        EVEN.replace("anger,1", "anger," + "x" * 200_000),
        '{"anger": ' + "9" * 400 + "}",
        '{"anger": true}',
        '{"anger": 1, "anger": 2}',
    ],
    ids=["twice under two names", "long field", "huge number", "no number", "twice"],
)
def test_a_prior_that_cannot_be_used_is_refused(text, tmp_path):
    (tmp_path / "prior").write_text(text)
    with pytest.raises(DataError):
        read_prior(tmp_path / "prior").of(SEVEN)


def test_shares_may_be_as_large_as_numbers_are(tmp_path):
    (tmp_path / "prior").write_text(EVEN.replace(",1", ",1e308"))
    assert read_prior(tmp_path / "prior").of(SEVEN) == pytest.approx(np.full(7, 1 / 7))


def test_a_prior_that_does_not_fit_is_refused_before_the_test_labels_are_opened(tmp_path):
    import mien

    (tmp_path / "prior").write_text("anger,1")
    opened = []
    with pytest.raises(DataError, match="gives no share to"):
        mien.evaluate("default", draw_faces(60, size=48), prior=tmp_path / "prior", log=opened.append)
    assert not opened


READERS = {
    "ends": "import sys\ndef read(path):\n    sys.exit(0)\n",
    "in C": "from builtins import max as read\n",
    "no row": "from mien.datasets.reading import Reader\nread = Reader('x', 'y', 1, 2, 3)\n",
}


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_of_the_users_cannot_end_the_program(kind, tmp_path):
    (tmp_path / "own.py").write_text(READERS[kind])
    with pytest.raises(DataError, match="cannot read"):
        read_dataset(tmp_path, reader=f"{tmp_path / 'own.py'}:read", cache=None)


@pytest.mark.slow
def test_a_network_of_the_users_cannot_end_the_run_without_a_word():
    from mien.training.network import build_backbone

    def ends(shape):
        raise SystemExit(3)

    with pytest.raises(NetworkError, match="SystemExit: 3"):
        build_backbone(Backbone(title="mine", builder=ends), (24, 24, 1))


def test_what_says_nothing_of_drawn_faces_is_noted():
    notes = read_dataset("drawn:count=20", classes="0=anger", faces="find", cache=None).notes
    assert any("classes, faces" in note for note in notes)
    assert not read_dataset("drawn:count=20", cache=None).notes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with written_whole(tmp_path / "pipe") as file:
            file.write(b"x")
        assert os.read(end, 9) == b"x"
    finally:
        os.close(end)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_json_of_people_names_a_key_once():
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(ValueError, match="twice"):
        parse_json('{"a": 1, "a": 2}', names_once=True)


def test_an_id_that_cannot_be_sent_back_is_refused():
    with pytest.raises(DataError, match="id"):
        parse_request(json.dumps({"id": "\ud800", "inputs": []}).encode())


def test_answers_that_are_read_are_those_that_were_written(tmp_path):
    values = np.full((3, 7), 1 / 7)
    (tmp_path / "a.npz").write_bytes(npz(probabilities=values, classes=np.array(NAMES), ids=np.array(["a", "b", "c"])))
    read, order, ids = read_answers(tmp_path / "a.npz")
    assert read == pytest.approx(values)
    assert (order, ids) == (NAMES, ["a", "b", "c"])

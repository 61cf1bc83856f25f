import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.errors import RecordError
from mien.labels import SEVEN
from mien.predictions import Predictions
from mien.study import record as record_module
from mien.study.record import Epoch, RunRecord, RunStatus, is_complete, read_history, rounded


def epoch(number: int, **figures: float) -> Epoch:
    usual = {
        "loss": 1.5,
        "accuracy": 0.4,
        "validation_loss": 1.7,
        "validation_accuracy": 0.3,
        "learning_rate": 0.001,
        "seconds": 2.5,
        "images_per_second": 400.0,
    }
    return Epoch(epoch=number, **{**usual, **figures})


def answers(count: int, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, count)
    return Predictions(
        outputs=rng.random((count, 7), dtype=np.float32),
        targets=np.eye(7, dtype=np.float32)[labels],
        labels=labels,
        ids=np.array([f"fäce {index}.png" for index in range(count)]),
        copies=rng.random(count) < 0.5,
    )


def make_record(**changes) -> RunRecord:
    validation, test = answers(5, seed=1), answers(8, seed=2)
    later = Predictions(test.outputs[::-1].copy(), test.targets, test.labels, test.ids, test.copies)
    usual = {
        "id": "0123456789ab",
        "status": RunStatus.COMPLETE,
        "reason": None,
        "recipe": {"backbone": "mien_small", "preprocessing": {"size": 48}},
        "protocol": {"labels": "seven"},
        "data": {"name": "drawn", "counts": {"test": 8}, "notes": ["größer"]},
        "label_set": SEVEN,
        "readouts": (1, 3),
        "chosen": (1, 2),
        "network": {"parameters": 1000},
        "history": (epoch(1), epoch(2), epoch(3)),
        "predictions": {
            (1, Role.VALIDATION): validation,
            (3, Role.VALIDATION): validation,
            (1, Role.TEST): test,
            (3, Role.TEST): later,
        },
        "environment": {"python": "3.11"},
        "seconds": {"total": 10.0},
        "peak_memory_mib": 500.0,
        "started": "2026-01-31T12:00:00+00:00",
    }
    return RunRecord(**{**usual, **changes})


def assert_same(one: RunRecord, other: RunRecord) -> None:
    assert one.to_json() == other.to_json()
    assert [e.to_json() for e in one.history] == [e.to_json() for e in other.history]
    for kind in ("predictions", "others"):
        assert getattr(one, kind).keys() == getattr(other, kind).keys()
        for key, entry in getattr(one, kind).items():
            for name in ("outputs", "targets", "labels", "ids", "copies"):
                mine, theirs = getattr(entry, name), getattr(getattr(other, kind)[key], name)
                assert mine.dtype == theirs.dtype
                np.testing.assert_array_equal(mine, theirs)


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = make_record()
    record.write(tmp_path / "runs" / record.id)
    assert is_complete(tmp_path / "runs" / record.id)
    assert_same(RunRecord.read(tmp_path / "runs" / record.id), record)


def test_the_answers_under_the_other_averages_are_kept_beside_the_records_own(tmp_path):
    record = make_record()
    others = {
        key: Predictions(entry.outputs[::-1].copy(), entry.targets, entry.labels, entry.ids, entry.copies)
        for key, entry in record.predictions.items()
    }
    record = make_record(others=others)
    record.write(tmp_path)
    assert_same(RunRecord.read(tmp_path), record)


@pytest.mark.parametrize(("largest", "kept"), [(1.0, np.float16), (70_000.0, np.float32), (np.inf, np.float32)])
def test_rounded_answers_take_half_the_room_where_they_fit(tmp_path, largest, kept):
    outputs = rounded(np.array([[0.1, 0.2, 0, 0, 0, 0, largest]], dtype=np.float32))
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, [[0.1, 0.2, 0, 0, 0, 0, largest]], rtol=2**-11)
    one = np.array([0])
    entry = Predictions(outputs, outputs, one, np.array(["a"]), one > 0)
    make_record(predictions={(3, Role.TEST): entry}, readouts=(3,)).write(tmp_path)
    with np.load(tmp_path / "predictions.npz") as arrays:
        assert arrays["test/outputs/3"].dtype == kept
    np.testing.assert_array_equal(RunRecord.read(tmp_path).outcome(Role.TEST).outputs, outputs)


def test_a_diverged_run_keeps_its_history_with_what_is_no_number(tmp_path):
    history = (epoch(1), epoch(2, loss=float("nan"), validation_loss=float("inf")))
    record = make_record(
        status=RunStatus.DIVERGED, reason="The loss was NaN.", history=history, predictions={}, chosen=()
    )
    record.write(tmp_path)
    read = RunRecord.read(tmp_path)
    assert (read.status, read.reason) == (RunStatus.DIVERGED, "The loss was NaN.")
    assert np.isnan(read.history[1].loss)
    assert np.isnan(read.history[1].validation_loss)
    assert read.history[0] == history[0]
    assert "NaN" not in (tmp_path / "history.jsonl").read_text(encoding="utf-8")


def test_the_files_are_those_of_the_format(tmp_path):
    make_record().write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "predictions.npz", "run.json"]
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["schema"] == RunRecord.SCHEMA


@pytest.mark.parametrize("file", ["run.json", "history.jsonl", "predictions.npz"])
def test_a_full_disk_leaves_the_old_record_as_it_was(tmp_path, monkeypatch, file):
    old = make_record(status=RunStatus.FAILED, reason="killed", predictions={}, history=(), chosen=())
    old.write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    whole = record_module.written_whole

    def full(path: Path):
        if path.name == file:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path)

    with monkeypatch.context() as patch:
        patch.setattr(record_module, "written_whole", full)
        with pytest.raises(
            RecordError, match=r"run 0123456789ab cannot be written .*No space left.*run the same command"
        ):
            make_record().write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    make_record().write(tmp_path)
    assert RunRecord.read(tmp_path).status is RunStatus.COMPLETE


def test_run_json_gets_its_name_last(tmp_path, monkeypatch):
    named = []
    replace = os.replace

    def seen(part, path):
        named.append(Path(path).name)
        replace(part, path)

    monkeypatch.setattr(os, "replace", seen)
    make_record().write(tmp_path)
    assert named == ["predictions.npz", "history.jsonl", "run.json"]


def test_a_folder_without_run_json_is_no_record(tmp_path):
    make_record().write(tmp_path)
    (tmp_path / "run.json").unlink()
    assert not is_complete(tmp_path)
    with pytest.raises(RecordError, match=r"no complete record in .*run\.json is missing"):
        RunRecord.read(tmp_path)


def damaged(file: str, content: bytes | None):
    return pytest.param(file, content, id=f"{file}-{'absent' if content is None else content[:12].decode('latin-1')}")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        damaged("run.json", b""),
        damaged("run.json", b"{half"),
        damaged("run.json", b"[1]"),
        damaged("run.json", b"{}"),
        damaged("run.json", b'{"schema": "one"}'),
        damaged("run.json", b'{"schema": 1}'),
        damaged("run.json", b"\xff\xfe"),
        damaged("history.jsonl", None),
        damaged("history.jsonl", b'{"epoch": 1}\n'),
        damaged("history.jsonl", b"3\n"),
        damaged("history.jsonl", b"{half"),
        damaged("predictions.npz", None),
        damaged("predictions.npz", b""),
        damaged("predictions.npz", b"PK no archive"),
    ],
)
def test_a_damaged_record_is_one_sentence(tmp_path, file, content):
    make_record().write(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(RecordError, match=r"damaged|cannot be read|not a run record"):
        RunRecord.read(tmp_path)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_predictions_that_were_cut_off_are_noticed(tmp_path, keep):
    make_record().write(tmp_path)
    path = tmp_path / "predictions.npz"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(RecordError, match="Remove that folder and run the study again"):
        RunRecord.read(tmp_path)


def test_predictions_with_a_changed_byte_are_noticed(tmp_path):
    make_record().write(tmp_path)
    path = tmp_path / "predictions.npz"
    content = bytearray(path.read_bytes())
    for place in range(60, 200, 20):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RecordError, match="damaged"):
        RunRecord.read(tmp_path)


def test_a_status_or_label_that_does_not_exist_is_damage(tmp_path):
    make_record().write(tmp_path)
    values = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    for changes in ({"status": "splendid"}, {"labels": ["anger", "boredom"]}, {"labels": None}):
        (tmp_path / "run.json").write_text(json.dumps({**values, **changes}), encoding="utf-8")
        with pytest.raises(RecordError, match="damaged"):
            RunRecord.read(tmp_path)


def test_a_record_of_a_newer_mien_says_to_update(tmp_path):
    make_record().write(tmp_path)
    values = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps({**values, "schema": 99}), encoding="utf-8")
    with pytest.raises(RecordError, match=r"schema 99, and this mien knows up to 2. Update: pip install -U mien"):
        RunRecord.read(tmp_path)


def test_predictions_are_asked_for_by_role_and_readout():
    record = make_record()
    assert record.outcome(Role.TEST) is record.predictions[3, Role.TEST]
    assert record.outcome(Role.TEST, 1) is record.predictions[1, Role.TEST]
    with pytest.raises(
        RecordError, match="no predictions for the test role after epoch 2. It was read out after: 1, 3"
    ):
        record.outcome(Role.TEST, 2)


def test_epochs_are_compared_without_their_timings():
    assert epoch(1, seconds=1.0).comparable() == epoch(1, seconds=9.0, images_per_second=1.0).comparable()
    assert epoch(1, loss=1.0).comparable() != epoch(1, loss=2.0).comparable()


def test_a_history_without_epochs_is_empty(tmp_path):
    make_record(history=()).write(tmp_path)
    assert read_history(tmp_path) == ()

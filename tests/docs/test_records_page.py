"""docs/records.md names every key and file of a record."""

from dataclasses import fields
from pathlib import Path

import pytest

from mien.labels import SIX
from mien.study import record, store
from mien.study.record import Epoch, RunRecord, RunStatus

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")

EMPTY = RunRecord(
    id="0", status=RunStatus.FAILED, reason="", recipe={}, protocol={}, data={}, label_set=SIX, readouts=(1,)
)


@pytest.mark.parametrize("key", [*EMPTY.to_json(), *(item.name for item in fields(Epoch))])
def test_a_key_is_described(key):
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize(
    "name",
    [
        record.RUN_FILE,
        record.HISTORY_FILE,
        record.PREDICTIONS_FILE,
        store.STORE_FILE,
        store.STUDY_FILE,
        store.PLAN_FILE,
        store.OPENINGS_FILE,
    ],
)
def test_a_file_is_described(name):
    assert name in PAGE

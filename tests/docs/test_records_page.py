"""docs/records.md names every key and file of a record; the pages beside it what a bundle and a report are made of."""

import json
import re
import zipfile
from dataclasses import fields
from pathlib import Path

import pytest

from mien import bundle
from mien.labels import SIX
from mien.study import record, store
from mien.study.record import Epoch, RunRecord, RunStatus

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")

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
        record.NETWORK_FILE,
        record.HEAD_FILE.format("NAME"),
        store.STORE_FILE,
        store.STUDY_FILE,
        store.PLAN_FILE,
        store.OPENINGS_FILE,
        store.SEEN_FOLDER + "/",
        store.LISTS_FOLDER + "/",
        store.CHECKPOINT_FILE,
    ],
)
def test_a_file_is_described(name):
    assert name in PAGE


def test_the_page_on_bundles_describes_the_newest_form_and_each_file_of_it():
    page = (ROOT / "docs" / "bundle-format.md").read_text(encoding="utf-8")
    assert f"This page describes schema {bundle.SCHEMA}." in page
    assert f'"schema": {bundle.SCHEMA},' in page
    head = page.partition("```json")[2].partition("```")[0]
    with zipfile.ZipFile(ROOT / "src" / "mien" / "data" / "default.mien") as shipped:
        files = json.loads(shipped.read("bundle.json"))["files"]
    assert set(files) == set(re.findall(r'"([a-z]+\.[a-z]+)":', head))


def test_the_page_on_reports_describes_each_table_that_reports_here_have():
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    written = {path.stem for path in (ROOT / "results").glob("**/report/tables/*.csv")}
    kinds = {re.sub(r"^(table|compared|published)-.*", r"\1-NAME", name) for name in written}
    assert {"table-NAME", "runs"} <= kinds
    assert kinds <= set(re.findall(r"^\| `([^`]*)\.csv`", page, re.M))


def test_each_store_here_has_records_from_which_its_report_can_be_made_again():
    stores = [path.parent for path in (ROOT / "results").glob("**/store.json")]
    assert stores
    for folder in stores:
        assert list(folder.glob("runs/*/run.json")), f"{folder} has none, and `mien study report` would empty its page"

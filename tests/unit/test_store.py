import dataclasses
import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.datasets.cleaning import CleaningEntry, write_cleaning
from mien.datasets.manifest import write_manifest
from mien.datasets.protocol import Opening, ProtocolSpec, apply_protocol
from mien.datasets.reading import read_dataset
from mien.errors import StoreError, StoreLockedError, StudyFileError
from mien.labels import SEVEN
from mien.study import store as store_module
from mien.study.plan import Plan, SplitFacts, make_plan
from mien.study.record import RunRecord, RunStatus, data_facts
from mien.study.spec import parse_study
from mien.study.store import Store, find_run
from support.fake_records import record_of

STUDY = """\
schema = 1
name = "s"
[data]
path = "drawn"
[[tables]]
name = "t"
rows.optimizer = ["sgd", "adam"]
"""


def plan_of(text: str = STUDY) -> Plan:
    def facts(_: ProtocolSpec) -> SplitFacts:
        return SplitFacts("f" * 16, "split", 48, 7, 1000, 100, 200)

    return make_plan(parse_study(text), facts)


def failed(run_id: str) -> RunRecord:
    return RunRecord(
        id=run_id,
        status=RunStatus.FAILED,
        reason="killed",
        recipe={},
        protocol={},
        data={},
        label_set=SEVEN,
        readouts=(1,),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "stores" / "s")


class TestMaking:
    def test_a_store_is_made_once_and_opened_again(self, tmp_path):
        made = Store.create(tmp_path / "a" / "b")
        assert json.loads((made.folder / "store.json").read_text(encoding="utf-8")) == {"schema": 1}
        assert Store.open(made.folder).folder == Store.create(made.folder).folder == made.folder

    def test_an_empty_folder_becomes_a_store(self, tmp_path):
        assert Store.create(tmp_path).folder == tmp_path

    def test_a_folder_of_something_else_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
        with pytest.raises(StoreError, match=r"not empty and not a store of mien. Name a new folder with --output"):
            Store.create(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    def test_a_file_is_no_folder_for_a_store(self, tmp_path):
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(StoreError, match="cannot be made"):
            Store.create(tmp_path / "file")

    def test_naming_a_store_writes_nothing(self, tmp_path):
        assert not Store(tmp_path / "later").folder.exists()

    @pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"schema": null}', '{"schema": "one"}'])
    def test_a_folder_without_a_readable_mark_is_no_store(self, tmp_path, content):
        if content is not None:
            (tmp_path / "store.json").write_text(content, encoding="utf-8")
        with pytest.raises(StoreError, match=re.escape(f"{tmp_path} is not a store of mien")):
            Store.open(tmp_path)

    def test_a_store_of_a_newer_mien_says_to_update(self, store):
        (store.folder / "store.json").write_text('{"schema": 2}', encoding="utf-8")
        for way in (Store.open, Store.create):
            with pytest.raises(StoreError, match="has schema 2, and this mien knows up to 1. Update"):
                way(store.folder)


class TestStudyAndPlan:
    def test_a_plan_is_read_from_the_store_alone(self, store):
        plan = plan_of()
        store.keep_study(STUDY)
        store.keep_plan(plan)
        assert Store.open(store.folder).plan() == plan

    def test_a_changed_study_file_is_noticed(self, store):
        assert not store.keep_study(STUDY)
        assert not store.keep_study(STUDY)
        assert store.keep_study(STUDY + "# another word\n")
        assert not store.keep_study(STUDY + "# another word\n")

    def test_a_store_in_which_nothing_was_run_says_so(self, store):
        with pytest.raises(StoreError, match="Nothing was run in the store .* yet: mien study run STUDY"):
            store.plan()
        store.keep_study(STUDY)
        with pytest.raises(StoreError, match="Nothing was run"):
            store.plan()

    @pytest.mark.parametrize(
        "content", ["", "{half", "[]", "{}", '{"cells": [{"table": "t"}], "runs": []}', '{"cells": [], "runs": [{}]}']
    )
    def test_a_damaged_plan_is_one_sentence(self, store, content):
        store.keep_study(STUDY)
        (store.folder / "plan.json").write_text(content, encoding="utf-8")
        with pytest.raises(StoreError, match=r"plan\.json is damaged .* mien study run writes it anew"):
            store.plan()

    def test_a_damaged_study_file_is_named_with_its_line(self, store):
        store.keep_study(STUDY.replace("rows.optimizer", "rows.optimiser"))
        store.keep_plan(plan_of())
        with pytest.raises(StudyFileError, match=r"study\.toml, line 7: .*Did you mean 'optimizer'"):
            store.plan()

    def test_a_full_disk_is_one_sentence(self, store, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(store_module, "write_text", full)
        monkeypatch.setattr(store_module, "write_json", full)
        sentence = "cannot be written: No space left on device. Nothing was lost"
        with pytest.raises(StoreError, match=rf"study\.toml {sentence}"):
            store.keep_study(STUDY)
        with pytest.raises(StoreError, match=rf"plan\.json {sentence}"):
            store.keep_plan(plan_of())


class TestRecords:
    def test_a_record_is_there_once_it_is_whole(self, store):
        first, second = plan_of().runs
        assert not store.has(first.id)
        store.run_folder(first.id).mkdir(parents=True)
        assert not store.has(first.id)
        failed(first.id).write(store.run_folder(first.id))
        assert store.has(first.id)
        assert store.read(first.id).reason == "killed"
        assert list(store.records(plan_of())) == [first.id]
        assert not store.has(second.id)

    def test_a_run_whose_folder_is_removed_is_as_if_it_never_was(self, store):
        run = plan_of().runs[0]
        failed(run.id).write(store.run_folder(run.id))
        shutil.rmtree(store.run_folder(run.id))
        assert not store.has(run.id)
        assert store.records(plan_of()) == {}


class TestFindingARun:
    def complete(self, store: Store, run_id: str) -> Path:
        dataclasses.replace(failed(run_id), status=RunStatus.COMPLETE, reason=None).write(store.run_folder(run_id))
        return store.run_folder(run_id)

    def test_the_folder_of_a_run_is_that_run(self, store):
        folder = self.complete(store, "a")
        assert find_run(folder) == folder

    def test_the_only_complete_run_of_a_store_needs_no_name(self, store):
        failed("a").write(store.run_folder("a"))
        with pytest.raises(StoreError, match="no complete run"):
            find_run(store.folder)
        folder = self.complete(store, "b")
        assert find_run(store.folder) == folder

    def test_several_runs_are_listed(self, store):
        first, second = self.complete(store, "a"), self.complete(store, "b")
        with pytest.raises(StoreError, match="2 complete runs") as raised:
            find_run(store.folder)
        assert str(first) in str(raised.value)
        assert str(second) in str(raised.value)

    def test_what_is_not_there_is_said(self, tmp_path):
        with pytest.raises(StoreError, match="no folder"):
            find_run(tmp_path / "nothing")


class TestOpenings:
    def opening(self, by: str) -> Opening:
        return Opening(when="2026-01-31T12:00:00+00:00", by=by, reason="evaluation", count=200, split="abc")

    def test_openings_are_kept_in_order(self, store):
        assert store.openings() == []
        for by in ("one", "two"):
            store.log_opening(self.opening(by))
        assert Store.open(store.folder).openings() == [self.opening("one"), self.opening("two")]

    def test_a_damaged_line_is_named(self, store):
        store.log_opening(self.opening("one"))
        with (store.folder / "openings.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"when": "2026')
        with pytest.raises(StoreError, match=r"openings\.jsonl, line 2 is damaged"):
            store.openings()

    def test_a_log_that_cannot_be_written_is_one_sentence(self, store):
        (store.folder / "openings.jsonl").mkdir()
        with pytest.raises(StoreError, match=r"openings\.jsonl cannot be written"):
            store.log_opening(self.opening("one"))


class TestLock:
    def test_a_second_writer_is_refused_and_a_later_one_is_not(self, store):
        second = Store.open(store.folder)
        sentence = "Another process is writing to the store .* name another"
        with store.writing(), pytest.raises(StoreLockedError, match=sentence), second.writing():
            pass
        with Store.open(store.folder).writing():
            pass

    def test_an_error_while_writing_frees_the_store(self, store):
        with pytest.raises(KeyError), store.writing():
            raise KeyError
        with store.writing():
            pass

    def test_another_process_is_refused_too(self, store):
        code = (
            "import sys; from pathlib import Path; from mien.errors import StoreLockedError\n"
            "from mien.study.store import Store\n"
            "try:\n    with Store(Path(sys.argv[1])).writing(): print('free')\n"
            "except StoreLockedError: print('locked')\n"
        )

        def ask() -> str:
            command = [sys.executable, "-c", code, str(store.folder)]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

        with store.writing():
            assert ask() == "locked"
        assert ask() == "free"

    def test_a_store_that_cannot_be_written_to_is_one_sentence(self, store):
        (store.folder / "store.lock").mkdir()
        with pytest.raises(StoreError, match=r"store\.lock cannot be written"), store.writing():
            pass


def test_a_runs_data_are_read_again_as_they_were(tmp_path):
    drawn = read_dataset("drawn:count=60", cache=None)
    write_manifest(drawn, tmp_path / "faces")
    ids = read_dataset(tmp_path / "faces", cache=None).ids
    write_cleaning(tmp_path / "mine.csv", [CleaningEntry(str(name), "blurred") for name in ids[:4]])
    keys = {"size": 32, "reader": "manifest", "on_mismatch": "resize", "cleaning": tmp_path / "mine.csv"}
    dataset = read_dataset(tmp_path / "faces", framing="margin=1.2", cache=None, **keys)
    split = apply_protocol(dataset, ProtocolSpec())
    store = Store.create(tmp_path / "store")
    store.keep_data(split, dataset.spec)
    record = record_of(plan_of(STUDY).runs[0], data=data_facts(dataset, split))
    assert str(tmp_path) not in json.dumps(record.to_json())
    record.write(store.run_folder(record.id))
    (tmp_path / "mine.csv").unlink()  # the store has kept it
    again = read_dataset(store.data_of(store.read(record.id), str(tmp_path / "faces")), cache=None)
    assert (again.size, again.framing, int(again.left_out.sum())) == ((32, 32), "margin=1.2", 4)
    assert apply_protocol(again, ProtocolSpec()).hash == split.hash
    assert store.seen(record).learned_from(split.train.hashes).all()
    usual = store.likeness(record).distances(split.validation.images)
    (path,) = (store.folder / "seen").iterdir()
    np.savez(path, train=store.seen(record).train, validation=store.seen(record).validation)  # as it was before that
    assert store.likeness(record) is None
    store.keep_data(split, None)
    np.testing.assert_array_equal(store.likeness(record).distances(split.validation.images), usual)
    for damaged in (path.read_bytes()[:1000], b"", b"no archive"):
        path.write_bytes(damaged)
        for asked in (store.seen, store.likeness):
            with pytest.raises(StoreError, match=r"is damaged .* Remove it"):
                asked(record)
        store.keep_data(split, None)
        np.testing.assert_array_equal(store.likeness(record).distances(split.validation.images), usual)


def test_a_page_whose_records_are_gone_is_not_overwritten_by_an_empty_one(store: Store):
    """A page can be all that was kept of a study: a report of nothing would end it."""
    import mien

    store.keep_study(STUDY)
    plan = plan_of()
    store.keep_plan(plan)
    page = store.folder / "report" / "report.html"
    page.parent.mkdir()
    page.write_text("what was found", encoding="utf-8")
    with pytest.raises(
        StoreError, match="No run in the store .* has a record yet.*mien study run STUDY.*mien study status"
    ):
        mien.write_report(store.folder)
    assert page.read_text(encoding="utf-8") == "what was found"
    failed(plan.runs[0].id).write(store.run_folder(plan.runs[0].id))
    assert "what was found" not in mien.write_report(store.folder).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after"), [('"vgg16"', '"vgg19"'), ('name = "t"', 'name = "other"'), ("[0.1, 0.01]", "[0.1]")]
)
def test_a_plan_that_is_not_of_the_study_beside_it_is_no_plan(tmp_path, before, after):
    text = (
        'schema = 1\nname = "s"\n[data]\npath = "drawn"\n[[tables]]\nname = "t"\nrows.backbone = ["vgg16"]\n'
        "columns.learning_rate = [0.1, 0.01]\n"
    )
    store = Store.create(tmp_path / "store")
    facts = SplitFacts("f" * 16, "split", 48, 7, 1000, 100, 200)
    store.keep_study(text)
    store.keep_plan(make_plan(parse_study(text), lambda protocol: facts))
    assert len(store.plan().runs) == 2
    changed = text.replace(before, after)
    assert changed != text
    store.keep_study(changed)
    with pytest.raises(StoreError, match=r"is not of the study .* has no place t, VGG16 / 0\.\d+\. mien study run"):
        store.plan()


def test_a_store_that_is_none_holds_no_table_of_nothing(tmp_path):
    for asked in (Store.finished, Store.frame):
        with pytest.raises(StoreError, match="is not a store of mien"):
            asked(Store(tmp_path / "typo"))
    assert Store.create(tmp_path / "new").finished() == []

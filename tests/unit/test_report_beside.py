"""A report shows models that were not trained here beside those that were: marked, compared, with what is unknown."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import mien
from mien.cli.study import app
from mien.datasets.dataset import Role
from mien.report.page import write_report
from mien.study.held import with_held_runs
from mien.study.plan import SplitFacts
from mien.study.store import Store, find_run
from support.fake_records import answers, plan_of, record_of

STUDY = """
schema = 1
name = "s"
[data]
path = "drawn"
[protocol]
labels = "six"
[recipe]
epochs = 3
[[tables]]
name = "t"
rows.backbone = ["mien_small", "vgg16"]
columns.learning_rate = [0.001, 0.1]
"""


def foreign_of(like, name="fer", *, skill=1.0, **said):
    """A record of another model's answers for the images of a record."""
    given = answers(skill=skill, seed=7, copies=3)
    unknown = {"seen images": "Which images the model learned from is unknown.", "network": "Its cost is unknown."}
    about = {"name": name, "answers": "probabilities", "labels": ["anger", "fear"], "unknown": unknown, **said}
    return replace(
        like,
        id=f"{name:f<12}".encode().hex()[:12],
        recipe={},
        readouts=(1,),
        chosen=(1,),
        history=(),
        network={},
        environment={},
        seconds={},
        predictions={(1, Role.TEST): given},
        foreign=about,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a study of two networks, and two models of others."""
    store = Store.create(tmp_path_factory.mktemp("beside") / "store")
    plan = plan_of(STUDY)
    store.keep_study(STUDY)
    store.keep_plan(plan)
    for number, run in enumerate(plan.runs):
        record = record_of(run, answers(skill=1.5 + number, seed=number))
        record.write(store.run_folder(run.id))
    store.add(foreign_of(record))
    store.add(foreign_of(record, "other", skill=0.2))
    return store


@pytest.fixture(scope="module")
def page(store):
    done = CliRunner().invoke(app, ["report", str(store.folder)])
    assert done.exit_code == 0, done.output
    return (store.folder / "report" / "report.html").read_text(encoding="utf-8")


def frame(store, name):
    text = (store.folder / "report" / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_they_have_a_table_with_the_best_of_each_own_network_by_validation(page, store):
    rows = list(dict.fromkeys(row["row"] for row in frame(store, "table-not-trained-here")))
    assert rows[2:] == ["fer, not trained here", "other, not trained here"]
    assert [row.split(",")[0] for row in rows[:2]] == ["VGG16", "mien_small"]


def test_they_take_part_in_paired_tests_on_the_same_images(page, store):
    pairs = [row for row in frame(store, "compared-not-trained-here") if row["metric"] == "accuracy"]
    assert len(pairs) == 6
    with_other = [row for row in pairs if "other" in row["second"] and "VGG16" in row["first"]]
    assert [row["different"] for row in with_other] == ["True"]
    assert {row["images"] for row in pairs} == {"60"}


def test_they_are_marked_in_the_page_and_in_the_tables(page, store):
    assert page.count('<span class="badge">not trained here</span>') == 2
    rows = {row["title"]: row for row in frame(store, "runs")}
    assert rows["fer, not trained here"]["trained_here"] == "False"
    assert rows["fer, not trained here"]["backbone"] == rows["fer, not trained here"]["parameters"] == ""
    assert {row["trained_here"] for title, row in rows.items() if "not trained" not in title} == {"True"}
    assert "fer and other were not trained here" in page


def test_they_have_a_confusion_matrix_and_figures_of_each_expression(page, store):
    record = next(record for record in store.foreign() if record.foreign["name"] == "fer")
    assert (store.folder / "report" / "figures" / f"confusion-{record.id}-1.svg").is_file()
    assert sum(int(row["images"]) for row in frame(store, "confusion") if row["run"] == record.id) == 60
    assert len([row for row in frame(store, "classes") if row["run"] == record.id]) == 6


def test_what_is_not_known_of_them_is_said(page):
    assert "Which images the model learned from is unknown." in page
    assert "some of these test images may be among it" in page


def test_what_is_known_is_said_in_place_of_what_is_unknown(store, tmp_path):
    plan = store.plan()
    record = foreign_of(next(iter(store.records(plan).values())), known={"seen images": "None of these."}, unknown={})
    page = write_report(plan, store.records(plan), tmp_path / "r", foreign=[record]).read_text(encoding="utf-8")
    assert "None of these." in page
    assert "some of these test images may be among it" not in page


def test_one_on_other_images_is_shown_and_not_compared(store, tmp_path):
    plan = store.plan()
    record = foreign_of(next(iter(store.records(plan).values())))
    elsewhere = replace(record, predictions={(1, Role.TEST): answers((9, 9, 9, 9, 9, 9))})
    page = write_report(plan, store.records(plan), tmp_path / "r", foreign=[elsewhere]).read_text(encoding="utf-8")
    assert "It was tested on other images." in page


def test_without_them_a_report_says_nothing_of_them(store, tmp_path):
    plan = store.plan()
    page = write_report(plan, store.records(plan), tmp_path / "r").read_text(encoding="utf-8")
    assert "not trained here" not in page


def test_a_store_of_nothing_but_answers_has_a_report_and_no_command_to_repeat(tmp_path):
    data = mien.read("drawn:count=140,size=24", cache=None)
    store = Store(tmp_path / "beside")
    rng = np.random.default_rng(0)
    labels = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    for name in ("one", "two"):
        count = len(mien.evaluate("default", data).predictions)
        store.add(mien.foreign_run(name, rng.dirichlet(np.ones(7), count), data, labels=labels))
    done = CliRunner().invoke(app, ["report", str(store.folder)])
    assert done.exit_code == 0, done.output
    page = (store.folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "Models that were not trained here" in page
    assert "mien study run" not in page
    assert "What they learned from is unknown" in page
    assert "seed" not in page.partition(">Floor<")[0].rpartition(">Highest accuracy<")[2]
    assert "has the highest accuracy" in page
    assert ", one seed" not in page
    assert len(frame(store, "compared-not-trained-here")) >= 3
    # One model instead of another is no effect of a setting, and of their cost nothing is known.
    assert not (store.folder / "report" / "tables" / "effects.csv").is_file()
    assert not (store.folder / "report" / "figures" / "cost.svg").is_file()


def test_a_study_goes_on_in_a_store_that_holds_answers_of_others(store):
    plan = store.plan()
    facts = SplitFacts("9f3a01bc77aa1122", "split", 48, 6, 400, 60, 60)
    held = with_held_runs(plan, {plan.runs[0].protocol: facts}, store)
    assert len(held.runs) == len(plan.runs)


def test_what_is_exported_from_a_store_is_never_a_model_of_others(tmp_path):
    plan = plan_of(STUDY)
    record = record_of(plan.runs[0])
    store = Store(tmp_path / "store")
    store.add(record)
    store.add(foreign_of(record))
    assert find_run(store.folder) == store.run_folder(record.id)

"""The page as a reader meets it: whole, self-contained, escaped, and honest about what is missing."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.datasets.dataset import Role
from mien.datasets.protocol import Opening
from mien.errors import MissingExtraError, RecordError, ReportError
from mien.labels import EIGHT, Expression, LabelSet
from mien.report import figures, measured
from mien.report import page as page_module
from mien.report.page import slug, write_report
from mien.study.plan import Plan
from mien.study.record import RunRecord, RunStatus, UnreadPredictions
from mien.study.reference import parse_reference
from mien.study.store import Store
from support.fake_records import answers, history_of, plan_of, predictions_of, record_of
from support.planted_faults import planted

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HEAD = """
schema = 1
name = "look"
title = "<script>alert('hi')</script> & co"
text = "What is <b>asked</b>?"
[data]
path = "drawn"
[protocol]
labels = "six"
train_fraction = 0.5
[recipe]
epochs = 2
"""
STUDY = (
    HEAD
    + """
[[tables]]
name = "Rates & more"
title = "Learning rates"
metrics = ["accuracy", "log_loss"]
rows = { backbone = ["mien_small", "vgg16"] }
columns = [
    { label = "0.001" },
    { label = "0.1", learning_rate = 0.1 },
    { label = "nesterov", optimizer = "sgd", nesterov = true },
]
"""
)
ONE_RUN = HEAD + "[[tables]]\nname = 'one'\nrows = { backbone = ['mien_small'] }\n"
TWO_RUNS = ONE_RUN.replace("['mien_small']", "['mien_small', 'vgg16']")
# Elements that HTML and SVG close by themselves.
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """A page's elements: checks that they are nested, and collects what they refer to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._note(tag, attributes)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._note(tag, attributes)

    def _note(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def partial(plan: Plan) -> dict[str, RunRecord]:
    """One run of each fate: complete, collapsed, diverged; the fourth has no record."""
    first, second, third, _ = plan.runs
    return {
        first.id: record_of(first, answers(copies=6)),
        second.id: record_of(second, answers(only=2)),
        third.id: record_of(
            third, status=RunStatus.DIVERGED, reason="NaN <i>loss</i>.", history=history_of(2, nan_from=2)
        ),
    }


def written(folder: Path, study: str, records: Mapping[str, RunRecord], openings: tuple[Opening, ...] = ()) -> Page:
    return Page(write_report(plan_of(study), records, folder, openings=openings, now=NOW))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a study that is half done."""
    folder = tmp_path_factory.mktemp("report")
    plan = plan_of(STUDY)
    opening = Opening("2026-01-31T12:00:00+00:00", plan.runs[0].id, "evaluation at the end of the run", 60, "split-x")
    write_report(plan, partial(plan), folder, openings=(opening,), now=NOW)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "report.html")


class TestPage:
    def test_needs_no_network_and_no_script(self, page: Page) -> None:
        assert not {"script", "link", "img", "iframe"} & set(page.tags)
        assert all(re.match(r"#|(tables|figures)/[\w-]+\.(csv|svg)$", link) for link in page.links)
        assert "@import" not in page.source
        assert not re.search(r"url\((?!#)", page.source)

    def test_every_link_has_its_target(self, page: Page, folder: Path) -> None:
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            assert link[1:] in page.ids if link.startswith("#") else (folder / link).is_file()

    def test_text_of_the_study_and_of_records_is_escaped(self, page: Page) -> None:
        assert "<script>alert('hi')</script> & co" in page.text
        assert "What is <b>asked</b>?" in page.text
        assert "NaN <i>loss</i>." in page.text

    def test_every_colour_variable_is_defined(self, page: Page) -> None:
        used, defined = set(re.findall(r"var\((--[\w-]+)\)", page.source)), set(re.findall(r"(--[\w-]+):", page.source))
        assert used == defined

    def test_says_what_a_label_is(self, page: Page) -> None:
        assert "the expression that people would call a face" in page.text
        assert "It is not what someone feels" in page.text

    def test_says_what_became_of_every_run(self, page: Page) -> None:
        assert "diverged in epoch 2" in page.text
        assert "not run yet" in page.text
        assert "answers 'happiness' to 100% of the images" in page.text
        assert "only 'happiness'" in page.text
        assert "nesterov = true needs" in page.text

    def test_describes_data_protocol_and_openings(self, page: Page) -> None:
        for words in (
            "made-up-faces",
            "9f3a01bc77aa1122",
            "Made for tests.",
            "1 opening",
            "train_fraction",
            "50% of the",
        ):
            assert words in page.text
        assert "nowhere" not in page.text  # where the data lay is nobody's business

    def test_has_the_environment_and_the_commands(self, page: Page) -> None:
        assert "mien study run look.toml" in page.text
        assert "Linux x86_64" in page.text

    def test_goes_dark_and_on_paper(self, page: Page) -> None:
        assert "prefers-color-scheme: dark" in page.source
        assert "@media print" in page.source


def test_tables_and_figures_lie_beside_it(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "tables").iterdir()) == [
        "classes.csv",
        "compared-rates-more.csv",
        "confusion.csv",
        "effects.csv",
        "findings.csv",
        "history.csv",
        "reliability.csv",
        "runs.csv",
        "table-rates-more.csv",
    ]
    for path in (folder / "tables").iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert rows
        assert {len(row) for row in rows} == {len(header)}
    names = [path.name for path in (folder / "figures").iterdir()]
    assert {"accuracy.svg", "recall.svg", "cost.svg"} <= set(names)
    assert sum(name.startswith("confusion-") for name in names) == 2
    assert sum(name.startswith("reliability-") for name in names) == 2
    assert sum(name.startswith("curves-") for name in names) == 3


def test_a_page_alone_names_no_other_file(tmp_path: Path) -> None:
    plan = plan_of(STUDY)
    records = {run.id: record_of(run) for run in plan.runs}
    for page_only in (False, True):
        folder = tmp_path / str(page_only)
        page = write_report(plan, records, folder, page_only=page_only)
        text = page.read_text(encoding="utf-8")
        folders = {path.name for path in folder.iterdir() if path.is_dir()}
        assert folders == (set() if page_only else {"tables", "figures"})
        assert bool(re.findall(r'href="(?:tables|figures)/', text)) != page_only
        assert ("Numbers in full" in text) != page_only
        assert "<svg" in text


def test_a_page_alone_is_named_as_one(tmp_path: Path) -> None:
    plan = plan_of(ONE_RUN)
    records = {run.id: record_of(run) for run in plan.runs}
    page = write_report(plan, records, tmp_path / "new" / "for-anna.html", page_only=True)
    assert page == tmp_path / "new" / "for-anna.html"
    assert [path.name for path in page.parent.iterdir()] == ["for-anna.html"]
    with pytest.raises(ReportError, match="--page-only"):
        write_report(plan, records, tmp_path / "other.html")
    assert not (tmp_path / "other.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_the_protocol_is_that_of_the_runs(tmp_path: Path) -> None:
    fixed = "fixed = { protocol.roles = 'split' }\n"
    columns = "columns.protocol.train_fraction = [0.25, 1.0]\n"
    page = written(tmp_path, TWO_RUNS + fixed + columns, {})
    settings = page.source[page.source.index("<h3>Protocol</h3>") :]
    for key, value in (("roles", "split"), ("train_fraction", "0.25 (2 runs), 1 (2 runs)"), ("fold", "0")):
        assert f"<code>{key}</code><code>{value}</code>" in settings
    folds = written(tmp_path, HEAD.replace("train_fraction = 0.5", "folds = 2") + ONE_RUN[len(HEAD) :], {})
    assert "<code>fold</code><code>0</code>" in folds.source


def test_an_empty_store_has_a_page_too(tmp_path: Path) -> None:
    page = written(tmp_path, STUDY, {})
    assert "0 of 4 results" in page.text
    assert "No figures yet" in page.text
    assert "The log handed to this report holds none." in page.text


def test_only_failures_have_a_page_too(tmp_path: Path) -> None:
    run = plan_of(ONE_RUN).runs[0]
    page = written(tmp_path, ONE_RUN, {run.id: record_of(run, status=RunStatus.FAILED, reason="Out of memory.")})
    assert "Out of memory." in page.text


def test_any_number_of_classes(tmp_path: Path) -> None:
    first, second = plan_of(TWO_RUNS).runs
    two = LabelSet.of((Expression.HAPPINESS, Expression.NEUTRAL))
    records = {
        first.id: record_of(first, answers([5, 5], skill=9.0), label_set=two),
        second.id: record_of(second, answers([5] * 8), label_set=EIGHT),
    }
    page = written(tmp_path, TWO_RUNS, records)
    assert "not one in 2 (50.0%)" in page.text
    assert "contempt" in page.text


def test_a_record_that_says_little_is_enough(tmp_path: Path) -> None:
    first, second = plan_of(TWO_RUNS).runs
    one_image = predictions_of(np.eye(6)[:1], np.array([0]))
    nothing: dict[str, Any] = {"data": {}, "network": {}, "history": (), "environment": {}, "seconds": {}, "chosen": ()}
    records = {
        first.id: record_of(first, one_image, protocol={}, started="", **nothing),
        second.id: record_of(second, answers([9, 9, 9, 9, 9, 0], only=2), history=history_of(1)),
    }
    page = written(tmp_path, TWO_RUNS, records)
    assert "mien_small: 100.0% of 1 test image, 95% interval" in page.text
    assert "neutral 0 – – –" in page.text


def test_networks_are_drawn_where_the_record_says_how_they_are_built(tmp_path: Path) -> None:
    block = {
        "times": 9,
        "paths": [["3×3, 64", "1×1, 256"]],
        "joins": [["add", 1]],
        "input": [24, 24, 64],
        "output": [24, 24, 256],
        "parameters": 4_200_000,
        "multiply_adds": 10**9,
    }
    structure = {"input": [48, 48, 3], "stages": [[block]]}
    first, second = plan_of(TWO_RUNS).runs
    records = {
        first.id: record_of(first, network={"parameters": 1, "structure": structure}),
        second.id: record_of(second, network={"parameters": 1, "structure": {"stages": "of another kind"}}),
    }
    page = written(tmp_path, TWO_RUNS, records)
    assert page.ids.count("networks") == 1
    assert "input 48×48, 1 stage, 4.20 M parameters, 1.00 G multiply-adds an image" in page.text
    assert "3×3, 64 → 1×1, 256" in page.text
    drawn = [path.name for path in (tmp_path / "figures").iterdir() if path.name.startswith("network-")]
    assert sorted(drawn) == ["network-mien-small-48x48.svg"]
    assert all(link[1:] in page.ids if link.startswith("#") else (tmp_path / link).is_file() for link in page.links)


def test_records_without_a_structure_have_no_section_of_networks(page: Page) -> None:
    assert "networks" not in page.ids


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are left empty: drawing takes most of the time, and these tests are about words."""
    monkeypatch.setattr(figures, "render_svg", lambda figure, name: "<svg/>")
    monkeypatch.setattr(figures, "inline", lambda svg, name, description: "<svg/>")


@pytest.mark.usefixtures("undrawn")
def test_the_report_of_a_study_with_planted_faults_names_each_of_them(tmp_path: Path) -> None:
    plan, records = planted()
    page = Page(write_report(plan, records, tmp_path, now=NOW))
    for code, title, subject in (
        ("C02", "Head and loss are no valid pair", "mien_small, relu"),
        ("C03", "Dead relu head", "mien_small, relu"),
        ("C06", "Learning rate too high", "mien_small, learning rate 1"),
        ("C13", "One seed", "Table"),
        ("C16", "Copies across roles", "Test role"),
        ("C17", "Test role suspiciously easy", "mien_small, dropout 0.1"),
    ):
        section = page.text.partition(f"{code} {title}")[2]
        assert section
        assert f"{subject} :" in section or f"{subject}:" in section
    with (tmp_path / "tables" / "findings.csv").open(encoding="utf-8", newline="") as file:
        codes = {row["code"] for row in csv.DictReader(file)}
    assert {"C01", "C02", "C03", "C06", "C13", "C16", "C17"} <= codes


REFERENCE = """
schema = 1
name = "the paper"
source = "Somebody & <b>others</b>, 2019."
[[tables]]
name = "Rates & more"
columns = ["0.001", "0.1"]
rows.VGG16 = [0.777, 0.250]
[[claims]]
text = "A low rate is better."
table = "Rates & more"
better = ["0.001"]
than = ["0.1"]
"""


@pytest.mark.usefixtures("undrawn")
def test_published_figures_stand_beside_ours_with_their_source(tmp_path: Path) -> None:
    plan = plan_of(STUDY.replace('name = "Rates & more"', 'name = "Rates & more"\nreference = "paper.toml"'))
    records = {
        run.id: record_of(run, answers(only=2 if run.recipe.learning_rate > 0.01 else None)) for run in plan.runs
    }
    references = {"paper.toml": parse_reference(REFERENCE)}
    page = Page(write_report(plan, records, tmp_path, references=references, now=NOW))
    assert "Beside the paper" in page.text
    assert "holds published figures, which mien did not measure. Source: Somebody & <b>others</b>, 2019." in page.text
    assert "0.777" in page.text
    assert "the share of 'happiness'" in page.text
    assert "What others concluded Holds “A low rate is better.” (the paper) 0.001 less 0.1: +" in page.text
    for path in (tmp_path / "tables").iterdir():
        assert (",0.777," in path.read_text(encoding="utf-8")) == path.name.startswith("published-")
    without = Page(write_report(plan, records, tmp_path / "without", now=NOW))
    assert "0.777" not in without.text


def test_the_report_ends_with_its_conclusions(page: Page) -> None:
    end = page.text.rpartition("Conclusions ")[2]
    assert "Effect of learning rates" in end
    assert "mien_small / 0.001 has the highest accuracy" in end
    assert page.ids[-1] == "conclusions"


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(ReportError, match="cannot be written to .*taken"):
        write_report(plan_of(ONE_RUN), {}, tmp_path / "taken")


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_without_its_libraries_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    run = plan_of(ONE_RUN).runs[0]
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[report\]'"):
        write_report(plan_of(ONE_RUN), {run.id: record_of(run)}, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_importing_the_report_loads_neither_keras_nor_matplotlib() -> None:
    code = "import sys, mien.report.page; print(sorted({'keras', 'matplotlib', 'jinja2', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "expected"), [("Epochs: 10 / 15", "epochs-10-15"), ("a_b", "a-b"), ("Ünï", "n")])
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected


class TestWrittenAgain:
    """A second report takes what the first one computed and drew, and is the same to the byte."""

    def stored(self, folder: Path) -> Store:
        store = Store.create(folder)
        plan = plan_of(TWO_RUNS)
        store.keep_study(TWO_RUNS)
        store.keep_plan(plan)
        for seed, run in enumerate(plan.runs):
            record_of(run, answers(seed=seed, copies=5)).write(store.run_folder(run.id))
        return store

    def write(self, store: Store, folder: Path) -> dict[str, bytes]:
        plan = store.plan()
        write_report(plan, store.records(plan), folder, cache=store.cache, now=NOW)
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def test_nothing_is_computed_or_drawn_twice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = self.stored(tmp_path / "store")
        first = self.write(store, tmp_path / "report")
        for module, name in (
            (measured, "score"),
            (measured, "image_values"),
            (figures, "render_svg"),
            (figures, "draw_forest"),
            (page_module, "sketch_confusion"),
            (page_module, "sketch_reliability"),
            (page_module, "sketch_curves"),
        ):
            function = getattr(module, name)

            def forbidden(*_: object, function: object = function) -> None:
                raise AssertionError(f"{function} was called again")

            forbidden.__name__ = name
            monkeypatch.setattr(module, name, forbidden)
        assert self.write(store, tmp_path / "report") == first

    @pytest.mark.parametrize("damage", ["cut", "rubbish", "other", "removed", "read-only"])
    def test_a_damaged_cache_or_figure_is_made_again(self, tmp_path: Path, damage: str) -> None:
        store = self.stored(tmp_path / "store")
        first = self.write(store, tmp_path / "report")
        kept = sorted(store.cache.glob("*.npz"))
        assert len(kept) == 2
        for path in [*kept, *(tmp_path / "report" / "figures").iterdir()]:
            whole = path.read_bytes()
            if damage == "cut":
                path.write_bytes(whole[: len(whole) // 2])
            elif damage == "rubbish":
                path.write_bytes(b"\x00\xff" * 40)
            elif damage == "other" and path.suffix == ".npz":
                path.write_bytes(kept[-1 - kept.index(path)].read_bytes())
            elif damage == "other":
                path.write_bytes(whole.replace(b"fill", b"kill", 1))
            elif damage == "removed":
                path.unlink()
        if damage == "read-only":
            shutil.rmtree(store.cache)
            store.cache.write_text("no folder")
        assert self.write(store, tmp_path / "report") == first

    def test_what_a_changed_record_says_is_told(self, tmp_path: Path) -> None:
        store = self.stored(tmp_path / "store")
        first = self.write(store, tmp_path / "report")
        run = store.plan().runs[0]
        record_of(run, answers(seed=77)).write(store.run_folder(run.id))
        again = self.write(store, tmp_path / "report")
        assert again["tables/confusion.csv"] != first["tables/confusion.csv"]
        shutil.rmtree(store.cache)
        shutil.rmtree(tmp_path / "report")
        assert self.write(store, tmp_path / "report") == again

    def test_answers_stay_on_the_disk_and_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        store = self.stored(tmp_path / "store")
        plan = store.plan()
        record = store.records(plan)[plan.runs[0].id]
        assert isinstance(record.predictions, UnreadPredictions)
        assert len(record.outcome(Role.TEST)) == 60
        assert (99, Role.TEST) not in record.predictions
        path = store.run_folder(record.id) / "predictions.npz"
        whole = bytearray(path.read_bytes())
        whole[120:160] = bytes(40)
        path.write_bytes(bytes(whole))
        with pytest.raises(RecordError, match="is damaged"):
            write_report(plan, store.records(plan), tmp_path / "report", cache=store.cache, now=NOW)

    def test_progress_is_told(self, tmp_path: Path) -> None:
        store = self.stored(tmp_path / "store")
        plan, told = store.plan(), []
        write_report(plan, store.records(plan), tmp_path / "report", now=NOW, progress=lambda *step: told.append(step))
        assert [total for _, total in told] == [5] * len(told)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1][0] == 4

"""A study that is cut to a time: what runs first, and what the plan says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mien.cli.display import budget_table, cells_table
from mien.cli.main import command_line
from mien.errors import MienError, StudyFileError
from mien.study.forecast import FORECAST_FILE, Cost, cost_key, known_minutes
from mien.study.order import order_runs
from mien.study.planning import PlannedStudy, plan_study
from mien.study.processes import Job
from mien.study.running import run_study
from mien.study.spec import parse_study
from mien.study.store import Store
from support.fake_records import record_of

STUDY = """
schema = 1
name = "short"
[data]
path = "drawn:count=240,size=32,seed=3"
[recipe]
epochs = 1
batch_size = 32
[[tables]]
name = "networks"
rows.backbone = ["vgg16", "mien_small"]
columns.optimizer = ["sgd", "adamw"]
[[tables]]
name = "rates"
rows.learning_rate = [0.01, 0.001]
"""
PAPER = """
schema = 1
name = "the paper"
source = "Somebody, 2019."
[[tables]]
name = "rates"
columns = [""]
rows."0.01" = [0.5]
"""


class Watch:
    def run_begins(self, index, count, run) -> None: ...

    def said(self, run, what) -> None: ...

    def run_ends(self, run, status, reason) -> None: ...


class Executor:
    """Writes a record for each job, and remembers their order."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.begun: list[str] = []

    def submit(self, job: Job, listen) -> None:
        self.begun.append(job.run.id)
        record_of(job.run).write(self.store.run_folder(job.run.id))
        listen({"say": "ended", "status": "complete"})


@pytest.fixture(scope="module")
def planned() -> PlannedStudy:
    study = parse_study(STUDY)
    return plan_study(study, study.data.resolved(Path()))


def measured(planned: PlannedStudy, seconds: dict[str, float]) -> dict[str, dict[str, float]]:
    """Measurements of every kind of run, in which only starting costs anything."""
    known = {}
    for run in planned.plan.runs:
        cost = Cost(
            start_seconds=seconds[run.recipe.backbone],
            train_seconds_per_image=0.0,
            predict_seconds_per_image=0.0,
            memory_mib=100.0,
        )
        known[cost_key(run, planned.facts[run.protocol])] = cost.to_json()
    return known


def test_with_a_limit_what_answers_most_comes_first(planned, tmp_path) -> None:
    store = Store.create(tmp_path / "s")
    executor = Executor(store)
    run_study(planned, store, watch=Watch(), executor=executor, minutes=60)
    assert executor.begun == [run.id for run in order_runs(planned.plan)]
    assert executor.begun != [run.id for run in planned.plan.runs]


def test_without_a_limit_runs_come_in_the_files_order(planned, tmp_path) -> None:
    store = Store.create(tmp_path / "s")
    executor = Executor(store)
    run_study(planned, store, watch=Watch(), executor=executor)
    assert executor.begun == [run.id for run in planned.plan.runs]


def test_what_was_measured_here_decides_what_is_cheap(planned, tmp_path) -> None:
    assert known_minutes(planned, tmp_path) is None
    assert known_minutes(planned, None) is None
    text = json.dumps(measured(planned, {"vgg16": 6.0, "mien_small": 6000.0}))
    store = Store.create(tmp_path / "s")
    (store.folder / FORECAST_FILE).write_text(text, encoding="utf-8")
    minutes = known_minutes(planned, store.folder)
    assert minutes is not None
    assert {minutes(run) for run in planned.plan.runs} == {0.1, 100.0}
    executor = Executor(store)
    run_study(planned, store, watch=Watch(), executor=executor, minutes=60)
    by_id = {run.id: run.recipe.backbone for run in planned.plan.runs}
    assert [by_id[run_id] for run_id in executor.begun][:2] == ["vgg16", "vgg16"]


def printed(what: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_the_plan_lists_every_cell_with_its_run(planned) -> None:
    text = printed(cells_table(planned.plan))
    assert f"{len(planned.plan.cells)} cells" in text
    for cell in planned.plan.cells:
        assert any(cell.run_id in line and cell.table in line and cell.row in line for line in text.splitlines())


def test_the_plan_says_what_a_time_is_enough_for(planned) -> None:
    costs = {
        run.id: Cost.from_json(measured(planned, {"vgg16": 1200.0, "mien_small": 60.0})[cost_key(run, facts)])
        for run in planned.plan.runs
        if (facts := planned.facts[run.protocol])
    }
    text = printed(budget_table(planned, costs, None, 10))
    assert "networks: 2 of 4 cells" in text
    assert "rates: 2 of 2 cells" in text
    assert text.count("yes") == 3


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "short.toml").write_text(STUDY + 'reference = "paper.toml"\n', encoding="utf-8")
        (tmp_path / "paper.toml").write_text(PAPER, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_the_plan_lists_cells(self, folder: Path) -> None:
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml", "--no-forecast", "--cells"])
        assert done.exit_code == 0
        assert "6 cells" in done.output

    def test_a_time_needs_a_forecast(self, folder: Path) -> None:
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml", "--no-forecast", "--minutes", "5"])
        assert isinstance(done.exception, MienError)
        assert "leave out --no-forecast" in str(done.exception)

    def test_a_missing_reference_is_told_before_anything_is_run(self, folder: Path) -> None:
        (folder / "paper.toml").unlink()
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml", "--no-forecast"])
        assert isinstance(done.exception, StudyFileError)

    def test_a_store_keeps_the_published_figures(self, folder: Path) -> None:
        study = parse_study((folder / "short.toml").read_text(encoding="utf-8"))
        store = Store.create(folder / "store")
        store.keep_references(study, folder)
        (folder / "paper.toml").unlink()
        assert store.references(study)["paper.toml"].name == "the paper"

"""A study that is cut to a time: what runs first, and what the plan says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import mien
from mien.api.studying import StudyPlan, StudyState
from mien.cli.display import budget_table, cells_table, plan_table, status_table
from mien.cli.main import command_line
from mien.errors import StudyFileError
from mien.study import processes
from mien.study.cost import Cost
from mien.study.forecast import Expected, ForecastSource, expect
from mien.study.order import order_runs
from mien.study.planning import PlannedStudy, plan_study
from mien.study.processes import Job
from mien.study.record import RunRecord
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


class Executor(processes.Executor):
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


def expected_of(planned: PlannedStudy, minutes: dict[str, float]) -> dict[str, Expected]:
    """What each run is expected to take, by its network."""
    cost = Cost(start_seconds=0.0, train_seconds_per_image=0.0, predict_seconds_per_image=0.0, memory_mib=None)
    return {run.id: Expected(cost, minutes[run.recipe.backbone], ForecastSource.MEASURED) for run in planned.plan.runs}


@pytest.fixture(autouse=True)
def _nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.study.forecast.user_folder", lambda: tmp_path / "cache")


def test_with_a_limit_what_answers_most_comes_first(planned, tmp_path) -> None:
    store = Store.create(tmp_path / "s")
    executor = Executor(store)
    run_study(planned, store, watch=Watch(), executor=executor, minutes=60)
    expected = expect(planned, store)
    assert executor.begun == [run.id for run in order_runs(planned.plan, lambda run: expected[run.id].minutes)]
    assert executor.begun != [run.id for run in planned.plan.runs]


def test_without_a_limit_runs_come_in_the_files_order(planned, tmp_path) -> None:
    store = Store.create(tmp_path / "s")
    executor = Executor(store)
    run_study(planned, store, watch=Watch(), executor=executor)
    assert executor.begun == [run.id for run in planned.plan.runs]


@pytest.mark.parametrize("minutes", [None, 60])
def test_each_record_is_read_once_before_runs_begin(planned, tmp_path, monkeypatch, minutes) -> None:
    store = Store.create(tmp_path / "s")
    for run in planned.plan.runs:
        record_of(run).write(store.run_folder(run.id))
    read, folders = RunRecord.read, []

    def counted(folder: Path, **options: bool) -> RunRecord:
        folders.append(folder.name)
        return read(folder, **options)

    monkeypatch.setattr(RunRecord, "read", counted)
    progress = run_study(planned, store, watch=Watch(), executor=Executor(store), minutes=minutes)
    assert set(progress.done) == {run.id for run in planned.plan.runs}
    assert sorted(folders) == sorted(progress.done)


def test_what_is_known_here_decides_what_is_cheap(planned, tmp_path, monkeypatch) -> None:
    expected = expected_of(planned, {"vgg16": 0.1, "mien_small": 100.0})
    monkeypatch.setattr("mien.study.running.expect", lambda planned, store, **known: expected)
    store = Store.create(tmp_path / "s")
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


@pytest.mark.parametrize(
    ("cores", "gpu", "done", "said"),
    [(2, False, 0, "2 of these runs"), (64, False, 0, "5 of these runs"), (1, False, 0, None), (8, True, 0, None)]
    + [(4, False, 4, None), (4, False, 2, "3 of these runs")],
)
def test_the_plan_says_where_several_runs_at_once_are_sooner(
    planned, tmp_path, monkeypatch, cores, gpu, done, said
) -> None:
    monkeypatch.setattr("mien.api.studying.core_count", lambda: cores)
    monkeypatch.setattr("mien.api.studying.has_gpu", lambda: gpu)
    store = Store.create(tmp_path / "s")
    assert len(planned.plan.runs) == 5
    for run in planned.plan.runs[:done]:
        record_of(run).write(store.run_folder(run.id))
    text = printed(plan_table(StudyPlan(planned, STUDY, Path(), store.folder)))
    assert ("--on ray" in text) == (said is not None)
    assert said is None or f"--on ray (pip install 'mien[scale]') computes {said} at once" in text


def test_what_stands_in_brackets_is_shown(planned, tmp_path) -> None:
    study = replace(planned.plan.study, title="On [red] faces")
    plan = replace(planned.plan, study=study, cells=tuple(replace(c, row=f"[b]{c.row}") for c in planned.plan.cells))
    ahead = StudyPlan(replace(planned, plan=plan, notes=("see faces in [data]",)), STUDY, Path(), tmp_path / "s")
    vars(ahead)["plan"] = plan
    text = printed(plan_table(ahead)) + printed(cells_table(plan)) + printed(budget_table(ahead, 10))
    assert "On [red] faces" in text
    assert "note: see faces in [data]" in text
    assert "[b]VGG16" in text
    assert "On [red] faces" in printed(status_table(StudyState(plan, {}, Store.create(tmp_path / "t"))))


def test_the_plan_says_what_a_time_is_enough_for(planned, tmp_path) -> None:
    expected = expected_of(planned, {"vgg16": 20.0, "mien_small": 1.0})
    ahead = StudyPlan(planned, STUDY, Path(), tmp_path / "nothing")
    vars(ahead)["expected"] = expected
    text = printed(budget_table(ahead, 10))
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
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml", "--cells"])
        assert done.exit_code == 0
        assert "6 cells" in done.output

    def test_a_plan_is_shown_at_once_with_times_and_what_they_rest_on(self, folder: Path, monkeypatch) -> None:
        monkeypatch.setattr(
            "mien.study.processes.SubprocessExecutor.submit", lambda *job: pytest.fail("a process was started")
        )
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml", "--minutes", "5"])
        assert done.exit_code == 0, done.output
        assert "formula" in done.output
        assert "--measure" in done.output
        assert "In 5 minutes" in done.output

    def test_measuring_is_asked_for_shows_how_far_it_is_and_is_kept(self, folder: Path, monkeypatch) -> None:
        pytest.importorskip("keras")
        monkeypatch.setenv("COLUMNS", "160")  # wide enough for every column
        jobs = []

        def submit(executor, job, listen):
            jobs.append(job.run.recipe.backbone)
            cost = Cost(start_seconds=6, train_seconds_per_image=1.0, predict_seconds_per_image=1.0, memory_mib=2048)
            listen({"say": "measured", **cost.to_json()})

        monkeypatch.setattr("mien.study.processes.SubprocessExecutor.submit", submit)
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml", "--measure"])
        assert done.exit_code == 0, done.output
        assert "measuring 2 of 2: mien_small" in done.output
        assert "measured" in done.stdout
        assert "2.0 GiB" in done.stdout
        again = CliRunner().invoke(command_line(), ["study", "plan", "short.toml"])
        assert again.stdout == done.stdout
        assert jobs == ["vgg16", "mien_small"]

    def test_a_missing_reference_is_told_before_anything_is_run(self, folder: Path) -> None:
        (folder / "paper.toml").unlink()
        done = CliRunner().invoke(command_line(), ["study", "plan", "short.toml"])
        assert isinstance(done.exception, StudyFileError)

    def test_a_store_keeps_the_published_figures(self, folder: Path) -> None:
        study = parse_study((folder / "short.toml").read_text(encoding="utf-8"))
        store = Store.create(folder / "store")
        store.keep_references(study, folder)
        (folder / "paper.toml").unlink()
        assert store.references(study)["paper.toml"].name == "the paper"

    def test_what_the_command_does_is_a_call(self, folder: Path) -> None:
        ahead = mien.plan_study("short.toml", only=["rates"], store="s")
        assert [cell.table for cell in ahead.plan.cells] == ["rates", "rates"]
        assert len(ahead.frame()) == len(ahead.plan.runs) == 2
        assert "0 of them done" in repr(ahead)
        store = Store.create(folder / "s")
        record_of(ahead.plan.runs[0]).write(store.run_folder(ahead.plan.runs[0].id))
        again = mien.plan_study("short.toml", only=["rates"], store="s")
        assert again.done == {ahead.plan.runs[0].id}
        assert [turn.run.id for turn in again.within(0)] == [ahead.plan.runs[1].id]
        with pytest.raises(StudyFileError, match="no table 'rate'"):
            mien.plan_study("short.toml", only=["rate"])

"""Folds from the study file to the report: each fold a run, kept by the store, their answers pooled."""

from pathlib import Path

from mien.datasets.dataset import Role
from mien.datasets.protocol import apply_protocol
from mien.report.results import collect
from mien.report.tables import study_tables
from mien.study.planning import plan_study
from mien.study.processes import Executor
from mien.study.running import run_study
from mien.study.spec import parse_study
from mien.study.store import Store

TEXT = """
schema = 1
name = "folds"
[data]
path = "drawn:count=96,size=32,seed=3"
[protocol]
folds = 2
[recipe]
epochs = 1
batch_size = 16
[[tables]]
name = "one"
rows.backbone = ["mien_small"]
"""


class Silent:
    def run_begins(self, index, count, run): ...

    def said(self, run, what): ...

    def run_ends(self, run, status, reason): ...

    def stage(self, text): ...

    def step(self, epoch, done, total): ...

    def epoch(self, entry): ...


class NoExecutor(Executor):
    def submit(self, job, listen):
        raise AssertionError(f"{job.run.id} was to be run again")


def test_two_folds_are_two_runs_and_one_figure(tmp_path):
    from mien.training.execute import execute

    study = parse_study(TEXT)
    store = Store.create(tmp_path / "store")
    planned = plan_study(study, study.data.resolved(Path()), store=store)
    store.keep_study(TEXT)
    assert [run.protocol.fold for run in planned.plan.runs] == [1, 2]
    for run in planned.plan.runs:
        split = apply_protocol(planned.dataset, run.protocol)
        assert execute(run, planned.dataset, split, store, watch=Silent()) is not None
    again = plan_study(study, study.data.resolved(Path()), store=store)
    progress = run_study(again, store, watch=Silent(), executor=NoExecutor())
    assert len(progress.done) == 2
    plan = store.plan()
    results = collect(plan, store.records(plan), cache=store.cache)
    (table,) = study_tables(results)
    shown = next(iter(table.cells.values())).value(table.metrics[0])
    assert shown.interval.count == 96
    tested = [store.read(run.id).outcome(Role.TEST).ids.tolist() for run in plan.runs]
    assert sorted(sum(tested, [])) == sorted(planned.dataset.ids.tolist())
    assert sorted({opening.by for opening in store.openings()}) == sorted(run.id for run in plan.runs)

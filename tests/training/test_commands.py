"""The commands of a study from nothing to a report, as a user types them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mien.cli.main import main
from mien.study import processes
from mien.study.store import Store
from mien.training import backend
from support import in_process

STUDY = """
schema = 1
name = "small"
title = "A small study"
[data]
path = "drawn:count=120,size=32"
[recipe]
batch_size = 32
[[tables]]
name = "epochs"
rows.backbone = ["mien_small"]
columns.epochs = [1, 2]
[[tables]]
name = "size"
rows.preprocessing.size = [16, 40]
fixed.epochs = 2
"""


@pytest.fixture
def mien(monkeypatch, capsys, tmp_path):
    """Run the command line in a folder of its own; returns exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        else:
            code = 0
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def here(monkeypatch):
    """Do runs in this process. In the tests of the README, each has its own."""
    monkeypatch.setattr(processes.SubprocessExecutor, "submit", in_process.submit)
    monkeypatch.setattr(backend, "configure", lambda **_: None)  # of a process of its own; other tests share this one


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_study_from_plan_to_report(mien, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    code, said = mien("study", "plan", "study.toml")
    assert code == 0
    assert "skipped: size, 16" in said
    code, said = mien("study", "run", "study.toml", "--only", "epochs")
    assert code == 0, said
    assert "epoch 2/2" in said
    code, said = mien("study", "status", "study.toml")
    assert "complete" in said
    assert "opened 1 time" in said
    code, said = mien("study", "report", "stores/small")
    assert code == 0
    page = tmp_path / "stores" / "small" / "report" / "report.html"
    assert "A small study" in page.read_text(encoding="utf-8")
    # What is there already is not computed again; the other table's run is.
    code, said = mien("study", "run", "study.toml", "--discard-weights")
    assert code == 0
    assert "[1/1]" in said
    store = Store.open(tmp_path / "stores" / "small")
    kept = [(store.run_folder(run.id) / "network.keras").is_file() for run in store.plan().runs]
    assert sorted(kept) == [False, True]


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_one_run_with_train(mien, tmp_path):
    words = (
        "train",
        "drawn:count=120,size=32",
        "--epochs",
        1,
        "--set",
        "optimizer=sgd",
        "--set",
        "augmentation.flip=true",
    )
    code, said = mien(*words)
    assert code == 0, said
    store = Store.open(tmp_path / "stores" / "train")
    (run,) = store.plan().runs
    record = store.read(run.id)
    assert record.recipe["optimizer"] == "sgd"
    assert record.recipe["augmentation"]["flip"] is True
    (line,) = [line for line in said.splitlines() if line.startswith("The report is ")]
    assert Path(line.removeprefix("The report is ")).is_file()


def test_the_demo_can_be_planned(mien):
    from importlib.resources import files

    from mien.study.spec import parse_study

    study = parse_study(files("mien").joinpath("data", "demo.toml").read_text(encoding="utf-8"))
    assert study.data.path.startswith("drawn")
    assert len(study.tables) == 2

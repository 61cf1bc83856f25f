"""What is said of a cluster and done on it, without one."""

import os
import threading
import time
from pathlib import Path

import pytest

from mien.datasets.protocol import ProtocolSpec
from mien.datasets.spec import DataSpec
from mien.datasets.synthetic import draw_faces
from mien.errors import MienError
from mien.scale.cluster import Cluster, OtherVersionError, check_version, connected, installed
from mien.scale.runs import RayExecutor, environment_of_runs, teachers_of, with_teachers
from mien.study.plan import PlannedRun
from mien.study.processes import Job
from mien.study.recipe import Recipe, TeacherSpec
from mien.study.store import resumed_from


class NoRay:
    """Nodes without a cluster behind them."""

    def __init__(self, *nodes):
        self.told = [
            {"Alive": True, "NodeManagerHostname": f"host{i}", "NodeID": f"{i:08}", "Resources": resources}
            for i, resources in enumerate(nodes)
        ]
        self.cancelled = []

    def nodes(self):
        return self.told

    def put(self, value):
        return value

    def remote(self, **options):
        return lambda function: function

    def cancel(self, task, force):
        self.cancelled.append(task)


GIB = 2**30
MIXED = ({"CPU": 16.0, "GPU": 2.0, "memory": 64 * GIB}, {"CPU": 4.0, "memory": 8 * GIB}, {"memory": GIB})


@pytest.fixture(autouse=True)
def _backend(monkeypatch):
    monkeypatch.setattr("mien.scale.runs.find_backend", lambda: "tensorflow")


@pytest.mark.parametrize(
    ("needs", "room"),
    [({"cpus": 1}, 20), ({"cpus": 3}, 6), ({"cpus": 8, "gpus": 1}, 2), ({"cpus": 1, "gpus": 0.5}, 4)]
    + [({"cpus": 1, "memory": 4 * GIB}, 18), ({"cpus": 32}, 0)],
)
def test_room_is_what_each_node_has_of_all_that_is_needed(needs, room):
    assert Cluster(NoRay(*MIXED)).room(**needs) == room


def executor(*nodes, **needs):
    return RayExecutor(Cluster(NoRay(*nodes)), draw_faces(8, size=16), **needs)


def test_a_run_takes_a_gpu_with_its_processors_where_there_are_any():
    gpu, plain = executor(*MIXED), executor(MIXED[1])
    assert (gpu._cpus, gpu._gpus) == (8, 1)
    assert (plain._cpus, plain._gpus) == (1, 0)


def test_what_no_node_can_do_is_refused_with_what_they_have():
    with pytest.raises(MienError, match=r"32 processors and 0 GPUs.*host1 with 4 processors.*--cpus"):
        executor(*MIXED, cpus=32, gpus=0)


def test_as_many_runs_go_on_at_once_as_there_is_room_for():
    going, most, lock = 0, 0, threading.Lock()
    done = []

    def do(run):
        nonlocal going, most
        with lock:
            going += 1
            most = max(most, going)
        time.sleep(0.05)
        with lock:
            going -= 1
            done.append(run)

    executor({"CPU": 3.0}).each(do, range(8))
    assert most == 3
    assert sorted(done) == list(range(8))


def test_an_error_of_one_run_ends_the_others_and_begins_no_more():
    begun, three = [], executor({"CPU": 2.0})
    three._going.add("another")

    def do(run):
        begun.append(run)
        if run == 1:
            raise MienError("the disk is full")
        while not three._over:
            time.sleep(0.01)

    with pytest.raises(MienError, match="disk"):
        three.each(do, range(5))
    assert sorted(begun) == [0, 1]
    assert three._cluster.ray.cancelled == ["another"]


def test_another_mien_on_a_node_is_refused_by_name():
    check_version(installed())
    with pytest.raises(OtherVersionError, match=r"Here: 0\.0\.9, source 1\..*Install the same"):
        check_version("0.0.9, source 1")


@pytest.mark.parametrize("on", ["dask", "", "rays:auto"])
def test_a_place_that_is_none_is_refused_before_anything_is_loaded(on):
    with pytest.raises(MienError, match="'ray' \\(this machine\\)"), connected(on):
        pass


def test_teachers_are_sent_with_what_they_are_made_of(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    run, bundle, folder = here / "stores" / "s" / "runs" / "0123", here / "large.mien", here / "wide"
    files = {
        run / "run.json": b'{"id": "0123"}',
        run / "history.jsonl": b"",
        run / "network.keras": b"network",
        run / "checkpoint.npz": b"not needed",
        run.parents[1] / "store.json": b"{}",
        run.parents[1] / "seen" / "aa.npz": b"hashes",
        bundle: b"bundle",
        folder / "bundle.json": b"{}",
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    models = ("default", str(run), str(bundle), str(folder))
    recipe = Recipe(teacher=TeacherSpec(models=models))
    planned = PlannedRun("0", recipe, ProtocolSpec(), (10,))
    job = Job(action="run", run=planned, data=DataSpec(path="drawn"), store="")
    sent = with_teachers(job, teachers_of(job), there).run.recipe.teacher.models
    assert sent[0] == "default"
    assert [Path(place).name for place in sent[1:]] == ["0123", "large.mien", "wide"]
    assert (Path(sent[1]) / "network.keras").read_bytes() == b"network"
    assert not (Path(sent[1]) / "checkpoint.npz").exists()
    assert (Path(sent[1]).parents[1] / "seen" / "aa.npz").read_bytes() == b"hashes"
    assert Path(sent[2]).read_bytes() == b"bundle"
    assert (Path(sent[3]) / "bundle.json").is_file()
    assert all(Path(place).is_relative_to(there) for place in sent[1:])


def test_what_a_run_goes_on_from_is_sent_with_the_weights_of_its_last_epochs(tmp_path):
    for name in ("window-2.npz", "epoch-1.npz", "run.json"):
        (tmp_path / name).write_bytes(b"")
    assert resumed_from(tmp_path) == []
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    assert [path.name for path in resumed_from(tmp_path)] == ["epoch-1.npz", "window-2.npz", "checkpoint.npz"]


def test_what_is_started_here_is_reached_from_here_alone_and_reports_nothing(monkeypatch):
    pytest.importorskip("ray")
    from ray._private import services

    said = {}

    def init(**options):
        said.update(options, at=services.get_node_ip_address())

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: said.update(ended=True))
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "192.0.2.2")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with pytest.raises(MienError, match="where other machines reach it"), connected("ray"):
        pass
    assert (said["at"], said["address"], said["include_dashboard"], said["ended"]) == (
        "127.0.0.1",
        "local",
        False,
        True,
    )
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize(("on", "where"), [("ray", "on this machine"), ("ray:10.0.0.5:6379", r"at 10\.0\.0\.5:6379")])
def test_a_cluster_that_is_not_there_is_said_so(on, where, monkeypatch):
    pytest.importorskip("ray")

    def init(**options):
        raise ConnectionError("nobody\nanswers")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    with pytest.raises(MienError, match=f"Ray cannot be reached {where}: nobody answers"), connected(on):
        pass


def test_what_ray_tells_of_its_nodes_does_not_come_between_results(monkeypatch, capsys):
    worker = pytest.importorskip("ray._private.worker")
    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "192.0.2.2")

    def init(**options):
        worker.print_to_stdstream({"lines": ["a node has died"], "pid": "raylet", "is_err": False}, ignore_prefix=False)

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(MienError), connected("ray"):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("said", "expected"), [("0", {"TF_ENABLE_ONEDNN_OPTS": "0"}), (None, {})])
def test_runs_on_nodes_are_told_what_decides_on_the_numbers_here(monkeypatch, said, expected):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if said is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", said)
    told = environment_of_runs(3, "tensorflow")
    threads = {name: told.pop(name) for name in list(told) if name.endswith("_THREADS")}
    assert set(threads.values()) == {"3"}
    assert told == {"KERAS_BACKEND": "tensorflow", **expected}

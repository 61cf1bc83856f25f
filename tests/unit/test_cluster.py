"""What is said of a cluster and done on it, without one."""

import threading
import time

import pytest

from mien.datasets.synthetic import draw_faces
from mien.errors import MienError
from mien.scale.cluster import Cluster, OtherVersionError, check_version, connected, installed
from mien.scale.runs import RayExecutor


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

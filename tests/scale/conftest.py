"""A cluster of three nodes with a processor each, on the loopback address of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mien.files import lock

# Before the first import of Ray, which reads them: nothing is reported, and nobody else can reach a node.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # its address is 127.0.0.1 then, and no other
# Ray gives way to all else: beside other tests its processes would hardly get on.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
# A process of Ray costs a second of computing: none is started before it has something to do.
os.environ["RAY_prestart_worker_first_driver"] = "0"  # noqa: SIM112 (that is its name)
os.environ["RAY_enable_worker_prestart"] = "0"  # noqa: SIM112


def _held(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return lock(file) is False
    return False


class Nodes:
    """The cluster, and what the tests do to it."""

    def __init__(self, folder: Path) -> None:
        import ray
        from ray._private import ray_constants
        from ray.cluster_utils import Cluster

        ray_constants.ENABLE_RAY_CLUSTER = False  # should a test have imported Ray already
        self._folder = folder
        self._count = 0
        self._by_name: dict[str, Any] = {}
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **self._usual()})
        self.on = f"ray:{self._cluster.address}"
        self.add(3)
        # This process stays connected, so that the processes of the nodes serve all its tests.
        ray.init(address=self._cluster.address, log_to_driver=False, logging_level="ERROR")

    def add(self, count: int = 1, **variables: str) -> list[str]:
        """Start nodes, each with a folder of temporary files of its own, by which a test knows who works."""
        names = []
        for _ in range(count):
            self._count += 1
            name = f"node{self._count}"
            (self._folder / name).mkdir()
            environment = {"TMPDIR": str(self._folder / name), **variables}
            self._by_name[name] = self._cluster.add_node(wait=False, num_cpus=1, env_vars=environment, **self._usual())
            names.append(name)
        self._cluster.wait_for_nodes(timeout=120)
        return names

    def names(self) -> list[str]:
        """The nodes that are alive."""
        return list(self._by_name)

    def working(self) -> list[str]:
        """The nodes on which a run of a study goes on."""
        return [name for name in self._by_name if any(map(_held, (self._folder / name).glob("mien-run-*/lock")))]

    def kill(self, name: str) -> None:
        """End a node at once, with all that works on it.

        Its processes of work outlive the one that started them by a while, which is enough for a short run to end.
        """
        import psutil

        node = self._by_name.pop(name)
        (raylet,) = node.all_processes["raylet"]
        for process in psutil.Process(raylet.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster.remove_node(node, allow_graceful=False)

    def whole(self) -> None:
        """Bring the nodes back to three."""
        if (missing := 3 - len(self._by_name)) > 0:
            self.add(missing)

    def shutdown(self) -> None:
        """End all of it."""
        import ray

        ray.shutdown()
        self._cluster.shutdown()

    @staticmethod
    def _usual() -> dict[str, Any]:
        return {"object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def _nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    pytest.importorskip("ray")
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))
    yield nodes
    nodes.shutdown()


@pytest.fixture
def nodes(_nodes: Nodes) -> Nodes:
    """Three nodes, all alive."""
    _nodes.whole()
    return _nodes


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], Any]], Any]:
    """Wait until something is so."""

    def wait(is_so: Callable[[], Any], seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while not (found := is_so()):
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.02)
        return found

    return wait

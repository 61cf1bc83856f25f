"""The door to Ray: a cluster that is there already, or one of this machine's processors for as long as it is needed."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mien.errors import MienError, MissingExtraError

_ANSWER_SECONDS = 300


class OtherVersionError(MienError):
    """A node has another mien than the process that asks it."""


@dataclass(frozen=True)
class Cluster:
    """The nodes that work is given to.

    Attributes:
        ray: the library, connected.
        version: the mien that all nodes need, as it was when they were asked for.
    """

    ray: Any
    version: str | None = field(default_factory=lambda: installed())

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """What Ray says of each node that is alive and takes work."""
        return [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]

    def room(self, *, cpus: float, gpus: float = 0, memory: float = 0) -> int:
        """How many tasks of these needs the nodes have room for at once.

        Args:
            cpus: processors of a task.
            gpus: likewise.
            memory: of a task, in bytes.
        """
        needs = {"CPU": cpus, "GPU": gpus, "memory": memory}
        return sum(
            int(min(node["Resources"].get(name, 0) / need for name, need in needs.items() if need))
            for node in self.nodes
        )

    def cpus_per_gpu(self) -> int:
        """The processors that come with a GPU, on the node that has the fewest; 0 without GPUs."""
        shares = [node["Resources"]["CPU"] / gpus for node in self.nodes if (gpus := node["Resources"].get("GPU"))]
        return int(min(shares, default=0))

    def described(self) -> str:
        """Its nodes in words."""
        return ", ".join(
            f"{node['NodeManagerHostname']} with {node['Resources']['CPU']:g} processors and "
            f"{node['Resources'].get('GPU', 0):g} GPUs"
            for node in self.nodes
        )

    def get(self, reference: Any) -> Any:
        """What a task gave.

        Raises:
            MienError: the task raised it, or something that is a fault.
            RayError: the task was lost, with its process or its node.
        """
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise _refusal(error) from error

    def _asked(self, task: Any) -> dict[str, Any]:
        """A task's references by the node that each is asked of."""
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        return {
            f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})": task.options(
                scheduling_strategy=strategy(node["NodeID"], soft=False)
            ).remote()
            for node in self.nodes
        }

    def check_versions(self) -> None:
        """Ask every node for its mien.

        Raises:
            OtherVersionError: one has another, or none.
        """
        here = sys.modules[__name__]
        self.ray.cloudpickle.register_pickle_by_value(here)  # for a node that has no mien, or none with this module
        try:
            ask = self.ray.remote(num_cpus=0, max_retries=0)(installed)
            asked = self._asked(ask)
        finally:
            self.ray.cloudpickle.unregister_pickle_by_value(here)
        own = self.version
        others: dict[str, str | None] = {}
        for name, reference in asked.items():
            try:
                found = self.ray.get(reference, timeout=_ANSWER_SECONDS)
            except self.ray.exceptions.GetTimeoutError:
                raise MienError(f"Node {name} has not answered for {_ANSWER_SECONDS} s. Is it healthy?") from None
            except self.ray.exceptions.RayTaskError as error:
                raise _refusal(error) from error
            except self.ray.exceptions.RayError:
                continue  # it has gone
            if found != own:
                others[name] = found
        if others:
            raise _other_version(own, others)


@contextmanager
def connected(on: str) -> Iterator[Cluster]:
    """The cluster that a user names, with the same mien on each node.

    Args:
        on: "ray" for the processors of this machine, or "ray:ADDRESS" for a cluster that is there: "ray:auto" on one of
            its machines, else "ray:HOST:PORT" of its head. Where this process is connected already, it stays so.

    Raises:
        MienError: there is no such place, it cannot be reached, or a node has another mien.
        MissingExtraError: Ray is not installed.
    """
    address = _address(on)
    # Before the import, which reads them.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ModuleNotFoundError as error:
        raise MissingExtraError("Work on several machines", "scale") from error
    own = not ray.is_initialized()
    if own:
        _connect(ray, address)
    try:
        cluster = Cluster(ray)
        if not cluster.nodes:
            raise MienError(f"The cluster {on!r} has no node with a processor to give.")
        cluster.check_versions()
        yield cluster
    finally:
        if own:
            ray.shutdown()


@lru_cache(maxsize=1)
def fetched(reference: Any) -> Any:
    """On a node: what a reference stands for; fetched once by a process that does several tasks with it."""
    import ray

    return ray.get(reference)


def node_name() -> str:
    """What a record calls the machine that this process runs on."""
    return platform.node()


def installed() -> str | None:
    """The mien of this process, by its version and its source; None where there is none."""
    try:
        own = version("mien")
    except PackageNotFoundError:
        return None
    spec = importlib.util.find_spec("mien")
    folder = Path((spec and spec.origin) or "").parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{own}, source {digest.hexdigest()[:8]}"


def check_version(asked: str | None) -> None:
    """On a node: refuse work of another mien, should the node have come after all were asked.

    Raises:
        OtherVersionError: it is another.
    """
    if (own := installed()) != asked:
        raise _other_version(asked, {node_name(): own})


def _refusal(error: Any) -> MienError:
    """What a task raised, as an error of ours."""
    cause = error.cause or error
    if isinstance(cause, MienError):
        return cause
    said = str(cause).strip().splitlines() or ["no word of why"]
    return MienError(f"A node could not do its work: {type(cause).__name__}: {said[-1]}")


def _other_version(own: str | None, others: dict[str, str | None]) -> OtherVersionError:
    told = "; ".join(f"{node}: {found or 'none'}" for node, found in others.items())
    return OtherVersionError(
        f"All nodes need the same mien, or results would depend on where they were computed. Here: {own}. {told}. "
        "Install the same one on each node, with pip or as a shared folder."
    )


def _address(on: str) -> str | None:
    name, _, address = on.partition(":")
    if name != "ray":
        raise MienError(f"Work is done on 'ray' (this machine) or 'ray:ADDRESS' (a cluster). Received: {on!r}.")
    return address or None


def _connect(ray: Any, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    # It prints what becomes of nodes to standard output, whatever it is told of logs; results go there.
    ray._private.worker._worker_logs_enabled = False
    try:
        if address is not None:
            ray.init(address=address, **quiet)
            return
        with _on_loopback():
            ray.init(address="local", include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise MienError(f"Ray cannot be reached {where}: {' '.join(str(error).split())}") from error
    if not ray.util.get_node_ip_address().startswith("127."):
        ray.shutdown()
        raise MienError("This Ray would listen where other machines reach it, and they could run code here. Update it.")


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have Ray take 127.0.0.1 for its address, as it does on macOS and Windows.

    On Linux it listens on every address, even where it is told 127.0.0.1, which it takes for a name of the outward
    one (`ray._private.services.resolve_ip_for_localhost`, 2.60).
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before

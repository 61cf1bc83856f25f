"""What does a cluster cost, what does it bring, and does it keep its promise when nodes are killed?

    python benchmarks/scale.py [--photos 600] [--kills 3] [--part 32]

Nodes of one processor each on the loopback address of this machine stand for machines. Expected: two nodes do work that
is nothing but waiting in half the time of one (efficiency 0.9 and more); with nodes killed at random the table has the
bytes of that of one machine, while the memory of the process that asked does not grow; and reading on one node takes at
most 1.10 of the time of reading here with one thread. Time: with 600 photos about five minutes on two cores, in which
nothing else should run; with 20,000 and ten kills half an hour.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from mien.api.predicting import predict
from mien.inference.batch import find_photos
from mien.inference.parts import Parts
from mien.scale.cluster import Cluster
from mien.scale.photos import read_parts

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
# Ray gives way to whatever else runs on a machine; to be compared with a process of this one it may not.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (that is its name)
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # its address is 127.0.0.1 then, and no other
USUAL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


class Nodes:
    """A cluster of nodes of one processor, to which this process is connected."""

    def __init__(self) -> None:
        import ray
        from ray.cluster_utils import Cluster as RayCluster

        self._cluster = RayCluster(initialize_head=True, head_node_args={"num_cpus": 0, **USUAL})
        self.alive: list[Any] = []
        ray.init(address=self._cluster.address, log_to_driver=False, logging_level="ERROR")
        self.cluster = Cluster(ray)
        self.on = f"ray:{self._cluster.address}"

    def add(self, count: int) -> None:
        self.alive += [self._cluster.add_node(wait=False, num_cpus=1, **USUAL) for _ in range(count)]
        self._cluster.wait_for_nodes(timeout=300)

    def kill(self, node: Any) -> None:
        self.alive.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def shutdown(self) -> None:
        self.cluster.ray.shutdown()
        self._cluster.shutdown()


@contextmanager
def nodes_of(count: int) -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        nodes.add(count)
        nodes.cluster.check_versions()  # and a process on each is warm
        yield nodes
    finally:
        nodes.shutdown()


class Waiting:
    """Reads photos as a slow place gives them: by waiting."""

    seconds = 0.05

    def settings(self) -> dict[str, Any]:
        return {}

    def recognize_many(self, photos: list[str]) -> Iterator[Any]:
        for _ in photos:
            time.sleep(self.seconds)
            yield SimpleNamespace(to_json=lambda: "{}")


def make_photos(folder: Path, count: int) -> None:
    """Photos of one face, 400 pixels a side, shifted in 50 ways."""
    face = np.asarray(Image.open(str(resources.files("mien") / "data" / "sample.jpg")).resize((400, 400)))
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < 50:
            Image.fromarray(np.roll(face, 2 * number, axis=1)).save(path, quality=90)
        else:
            os.link(folder / f"{number % 50:06}.jpg", path)


def memory_mib() -> float:
    """Memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def timed(photos: Path, csv: Path, **options: Any) -> float:
    start = time.perf_counter()
    for _ in predict(photos, csv=csv, **options):
        pass
    return time.perf_counter() - start


def computed() -> float:
    """Seconds that this process and all below it, the nodes among them, have computed."""
    import psutil

    this = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in [this, *this.children(recursive=True)])


def overhead(photos: Path, part: int) -> None:
    ratios, computing = [], []
    with nodes_of(1) as nodes:
        timed(photos, photos.parent / "warm.csv", on=nodes.on, part_photos=part)
        for turn in range(3):
            marks = [computed()]
            here = timed(photos, photos.parent / f"here{turn}.csv", threads=1)
            marks.append(computed())
            there = timed(photos, photos.parent / f"there{turn}.csv", on=nodes.on, part_photos=part)
            marks.append(computed())
            ratios.append(there / here)
            computing.append((marks[2] - marks[1]) / (marks[1] - marks[0]))
            print(
                f"  here {here:.1f} s and {marks[1] - marks[0]:.1f} s of computing, on one node {there:.1f} s and "
                f"{marks[2] - marks[1]:.1f} s",
                flush=True,
            )
    time_ratio, computing_ratio = sorted(ratios)[1], sorted(computing)[1]
    print(
        f"one node against this process with one thread: {time_ratio:.2f} of the time, {computing_ratio:.2f} computed"
    )


def waiting(folder: Path) -> None:
    folder.mkdir()
    for number in range(400):
        (folder / f"{number:03}.jpg").touch()
    seconds = {}
    for count in (1, 2):
        with nodes_of(count) as nodes, Parts(folder / str(count), {}, find_photos([folder]), size=20) as parts:
            start = time.perf_counter()
            for _ in read_parts(nodes.cluster, parts, Waiting()):  # type: ignore[arg-type]
                pass
            seconds[count] = time.perf_counter() - start
    efficiency = seconds[1] / seconds[2] / 2
    print(f"waiting: {seconds[1]:.1f} s on one node, {seconds[2]:.1f} s on two: efficiency {efficiency:.2f}")


def kills(photos: Path, part: int, count: int) -> None:
    expected, table = photos.parent / "expected.csv", photos.parent / "table.csv"
    total = len(list(photos.iterdir()))
    timed(photos, expected)
    chance = random.Random(1)
    due = sorted(chance.sample(range(total // 10, total * 9 // 10), count))
    memory, results = [], 0
    with nodes_of(3) as nodes:
        for _ in predict(photos, csv=table, on=nodes.on, part_photos=part):
            results += 1
            if results % (total // 20) == 0:
                memory.append(memory_mib())
            if due and results >= due[0]:
                due.pop(0)
                nodes.kill(chance.choice(nodes.alive))
                nodes.add(1)
    same = table.read_bytes() == expected.read_bytes()
    print(f"{total:,} photos, {count} nodes killed: {results:,} results, the same bytes: {same}")
    print("memory of the asking process by twentieths, MiB:", *(f"{mib:.0f}" for mib in memory))
    assert same


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--part", type=int, default=32)
    parser.add_argument("--only", choices=["waiting", "kills", "overhead"])
    given = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="mien-scale-"))
    try:
        make_photos(place / "photos", given.photos)
        if given.only in (None, "waiting"):
            waiting(place / "waiting")
        if given.only in (None, "kills"):
            kills(place / "photos", given.part, given.kills)
        if given.only in (None, "overhead"):
            overhead(place / "photos", given.part)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()

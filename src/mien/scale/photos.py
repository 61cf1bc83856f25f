"""The parts of a batch of photos on the nodes of a cluster: a task each, whose results come back."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.addresses import Address
from mien.errors import MienError
from mien.inference.batch import differences
from mien.scale.cluster import Cluster, OtherVersionError, check_version, fetched, node_name

if TYPE_CHECKING:
    from mien.inference.parts import Parts
    from mien.inference.recognizer import Recognizer

# More would be read before they are needed, and lost with the process that asked.
_PARTS_PER_CPU = 3
# What a part that is lost so often has in common is the part.
_RETRIES = 8


def read_parts(cluster: Cluster, parts: Parts, recognizer: Recognizer) -> Iterator[int]:
    """Have the parts that are missing read on the nodes, and write them here.

    Args:
        cluster: connected.
        parts: of the batch.
        recognizer: reads with one thread, since each processor has a part of its own.

    Yields:
        The number of each part as soon as it is written, in any order.

    Raises:
        MienError: a node has other versions or lacks the photos' folder, or a part was lost again and again.
    """
    ray = cluster.ray
    # In a list a reference stays one until the node asks for what it stands for.
    shared = [ray.put(recognizer)], recognizer.settings(), cluster.version
    task = ray.remote(num_cpus=1, max_retries=_RETRIES)(read_on_node)
    waiting = deque(number for number in range(len(parts)) if not parts.has(number))
    going: dict[Any, int] = {}
    try:
        while waiting or going:
            # Asked each time: nodes come and go.
            while waiting and len(going) < _PARTS_PER_CPU * max(1, cluster.room(cpus=1)):
                number = waiting.popleft()
                paths = [photo.path for photo in parts.photos(number)]
                photos = [path if isinstance(path, Address) else str(path) for path in paths]
                folders = sorted({str(path.parent) for path in paths if isinstance(path, Path)})
                needed = [folder for folder in folders if os.path.isdir(folder)]
                going[task.remote(*shared, photos, needed, os.getcwd())] = number
            done, _ = ray.wait(list(going), num_returns=1, timeout=5)
            for reference in done:
                number = going.pop(reference)
                parts.write(number, _results(cluster, reference, number))
                yield number
    finally:
        for reference in going:
            ray.cancel(reference, force=True)


def _results(cluster: Cluster, reference: Any, number: int) -> list[str]:
    try:
        found: list[str] = cluster.get(reference)
    except cluster.ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[0]
        raise MienError(
            f"Part {number} was lost {_RETRIES + 1} times, and may end its process: {why} The parts before it are kept."
        ) from error
    return found


def read_on_node(
    recognizers: Sequence[Any],
    settings: Mapping[str, Any],
    version: str | None,
    photos: Sequence[str | Address],
    folders: Sequence[str],
    beside: str,
) -> list[str]:
    """On a node: the results of some photos, as `PhotoResult.to_json` writes them.

    Args:
        recognizers: a reference to the caller's.
        settings: what the caller's results depend on beside the photos.
        version: the caller's mien.
        photos: paths and addresses.
        folders: of the paths, as far as the caller has them.
        beside: the folder that paths are relative to.
    """
    check_version(version)
    recognizer: Recognizer = fetched(recognizers[0])
    if (own := recognizer.settings()) != settings:
        raise OtherVersionError(
            f"{node_name()} would give other results than the machine that asks it ({differences(own, settings)}). "
            "Install the same versions on each node."
        )
    if folders:
        for folder in (beside, *folders):
            if not os.path.isdir(os.path.join(beside, folder)):
                raise MienError(
                    f"{node_name()} has no folder {os.path.join(beside, folder)}. Nodes read the photos themselves: "
                    "share the folder under the same path, or name an address that all reach, such as s3://..."
                )
        os.chdir(beside)
    return [result.to_json() for result in recognizer.recognize_many(photos)]

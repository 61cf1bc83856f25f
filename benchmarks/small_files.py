"""What does `mien data describe` cost on many small files, beside a bare loop that reads and decodes them?

    python benchmarks/small_files.py [--files 60000] [--rounds 3] [--folder EMPTY]

Expected: four minutes on two cores; whole processes, in turn: the bare loop (OpenCV, one thread), a first call, which
reads and keeps the images, a second one. Seconds of the clock and of computing (user and system), medians, and ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from mien.datasets.synthetic import draw_faces

BARE = """
import os, sys
import cv2, numpy as np
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_ANYCOLOR)
"""


def write_files(folder: Path, count: int) -> None:
    """Write noisy drawn faces, 48 pixels a side, as PNG: one folder a role and an expression."""
    faces = draw_faces(min(count, 2000), seed=0)
    names = [label.value for label in faces.label_set.expressions]
    noise = np.random.default_rng(0)
    for number in range(count):
        image = faces.images[number % len(faces)].astype(np.int16) + noise.integers(-6, 7, faces.size)
        place = folder / ("test" if number % 8 == 0 else "train") / names[faces.labels[number % len(faces)]]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"face_{number:06d}.png"), np.clip(image, 0, 255).astype(np.uint8))


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the clock and of computing that a process takes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are, or are written; else a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        files = chosen.folder or Path(temporary) / "files"
        if not files.exists():
            write_files(files, chosen.files)
        cache = Path(temporary) / "cache"
        # Compiled modules are kept, as in any installation.
        own = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment = {**own, "MIEN_HOME": str(cache), "XDG_CACHE_HOME": str(cache)}
        describe = [sys.executable, "-m", "mien", "data", "describe", str(files)]
        took: dict[str, list[tuple[float, float]]] = {"bare loop": [], "first call": [], "second call": []}
        for _ in range(chosen.rounds):
            shutil.rmtree(cache, ignore_errors=True)
            took["bare loop"].append(timed([sys.executable, "-c", BARE, str(files)], environment))
            took["first call"].append(timed(describe, environment))
            took["second call"].append(timed(describe, environment))
    for name, pairs in took.items():
        clock, computing = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"{name:12} {clock:6.2f} s, {computing:6.2f} s of computing")
    for one, other in (("first call", "bare loop"), ("second call", "first call")):
        ratios = [
            statistics.median(a[kind] / b[kind] for a, b in zip(took[one], took[other], strict=True)) for kind in (0, 1)
        ]
        print(f"{one} / {other}: {ratios[0]:.3f} by the clock, {ratios[1]:.3f} of computing")


if __name__ == "__main__":
    main()

"""How long does a plan take, and how much memory a run, beside an earlier commit?

    python benchmarks/plan_and_memory.py DATA [COMMIT]

DATA is the six-class set (`mien data get fer2013-six`). Both commits plan `studies/deck.toml`, and train mien_small for
one epoch on the 28,273 images of its training role (validation is made from it), each in processes of its own. COMMIT
is 029596b by default, which measured every network at each plan. Time: about fifteen minutes on two idle cores.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = "from mien.cli.main import main; main()"
STUDY = """
schema = 1
name = "memory"
[data]
path = {data}
[protocol]
labels = "six"
roles = "deck"
[recipe]
epochs = 1
[[tables]]
name = "one"
rows.backbone = ["mien_small"]
"""


def mien(source: Path, folder: Path, *words: object) -> tuple[float, float]:
    """Run a command of the code under `source`, in `folder`. Returns seconds: by the clock, and of computing."""
    environment = {**os.environ, "PYTHONPATH": str(source / "src"), "COLUMNS": "200"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", COMMAND, *map(str, words)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, computed


def plan_seconds(source: Path, folder: Path, data: Path) -> tuple[float, float]:
    """Of a plan of the deck, with the data set in the cache."""
    words = ("study", "plan", ROOT / "studies" / "deck.toml", "--data", data)
    mien(source, folder, "data", "describe", data)
    return mien(source, folder, *words)


def peak_mib(source: Path, folder: Path, data: Path) -> float:
    """The largest resident memory of a run's process, as its record has it."""
    (folder / "memory.toml").write_text(STUDY.format(data=json.dumps(str(data))), encoding="utf-8")
    mien(source, folder, "study", "run", "memory.toml", "--discard-weights")
    (record,) = (folder / "stores" / "memory" / "runs").glob("*/run.json")
    return float(json.loads(record.read_text(encoding="utf-8"))["peak_memory_mib"])


def main() -> None:
    data, commit = Path(sys.argv[1]).resolve(), (sys.argv[2:] or ["029596b"])[0]
    with tempfile.TemporaryDirectory() as place:
        earlier = Path(place) / "earlier"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", earlier, commit], cwd=ROOT, check=True)
        try:
            figures = {}
            for name, source in ((commit, earlier), ("now", ROOT)):
                folder = Path(place) / name
                folder.mkdir()
                clock, computed = plan_seconds(source, folder, data)
                print(f"{name}: a plan of the deck {clock:.1f} s, {computed:.1f} s of computing", flush=True)
                peak = peak_mib(source, folder, data)
                print(f"{name}: a run of mien_small on 28,273 images, peak {peak:,.0f} MiB", flush=True)
                figures[name] = (computed, peak)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", earlier], cwd=ROOT, check=True)
    (computed, peak), (computed_now, peak_now) = figures[commit], figures["now"]
    print(f"ratios: plan {computed_now / computed:.4f}, memory {peak_now / peak:.2f}")


if __name__ == "__main__":
    main()

"""How long does a report take, of 20 records, of 300, of a store; the first time, and when nothing changed?

    python benchmarks/report.py                      # 20 and 300 made-up records of 10,000 answers, about two minutes
    python benchmarks/report.py results/nine         # a store, copied before; beside another build with --beside PYTHON

Each report is written in a process of its own. Given are the seconds of computing (of the processor, not of the clock,
which other work lengthens) and the largest memory. `--beside` names the Python of another environment, with another
version of mien, whose report of the same store is measured in turn; its seconds over ours are the ratio.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

STUDY = """
schema = 1
name = "many"
[data]
path = "drawn"
[protocol]
labels = "six"
[recipe]
epochs = 10
[[tables]]
name = "many"
metrics = ["accuracy", "macro_f1"]
seeds = {seeds}
rows.backbone = {backbones}
columns.learning_rate = {rates}
"""
BACKBONES = ["mien_small", "vgg16", "vgg19", "resnet50v2", "densenet121"]

REPORT = """
import inspect, json, resource, sys, time
from pathlib import Path
from mien.report.page import write_report
from mien.study.store import Store
store = Store.open(Path(sys.argv[1]))
plan = store.plan()
kept = {"cache": store.cache} if "cache" in inspect.signature(write_report).parameters else {}
write_report(plan, store.records(plan), Path(sys.argv[2]), references=store.references(plan.study), **kept)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}))
"""


def made_up(folder: Path, rates: int, seeds: int, images: int) -> int:
    """A store of made-up records; returns how many."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from mien.study.store import Store
    from support.fake_records import answers, plan_of, record_of

    text = STUDY.format(seeds=list(range(seeds)), backbones=BACKBONES, rates=[0.1 / 2**i for i in range(rates)])
    plan = plan_of(text)
    store = Store.create(folder)
    store.keep_study(text)
    store.keep_plan(plan)
    rng = np.random.default_rng(0)
    support = tuple(int(share * images) for share in (0.13, 0.15, 0.26, 0.18, 0.11, 0.17))
    for number, run in enumerate(plan.runs):
        predictions = answers(support, skill=float(rng.uniform(0.5, 2.0)), seed=number, copies=images // 20)
        record_of(run, predictions).write(store.run_folder(run.id))
    return len(plan.runs)


def measured(python: str, store: Path, folder: Path) -> dict[str, float]:
    """Seconds of computing and memory of one report."""
    done = subprocess.run(
        [python, "-c", REPORT, str(store), str(folder)], check=True, capture_output=True, text=True, cwd=folder.parent
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", nargs="?", type=Path)
    parser.add_argument("--beside", help="Python of another environment")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.store:
            shutil.copytree(arguments.store, folder / "store", ignore=shutil.ignore_patterns("cache", "report"))
            cases = [(arguments.store.name, folder / "store")]
        else:
            cases = []
            for rates, seeds in ((4, 1), (20, 3)):
                store = folder / f"store-{rates}"
                cases.append((f"{made_up(store, rates, seeds, 10_000)} records of 10,000 answers", store))
        for title, store in cases:
            first = measured(sys.executable, store, folder / f"{store.name}-report")
            again = measured(sys.executable, store, folder / f"{store.name}-report")
            print(f"{title}: first {first['seconds']:.1f} s and {first['mib']:.0f} MiB", end="; ")
            print(f"again {again['seconds']:.1f} s and {again['mib']:.0f} MiB", flush=True)
            if arguments.beside:
                other = measured(arguments.beside, store, folder / f"{store.name}-other")
                print(f"  beside it {other['seconds']:.1f} s: {other['seconds'] / first['seconds']:.1f} times as long")


if __name__ == "__main__":
    main()

"""How much memory does a run take on the whole of a data set?

    python benchmarks/run_memory.py DATA [BACKBONE]

Trains one epoch in a process of its own, as `mien study run` does, and prints the peak that its record holds. Time:
about six minutes for DenseNet121 on FER2013 on two cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from mien.study.planning import plan_study
from mien.study.running import run_study
from mien.study.spec import parse_study
from mien.study.store import Store


class Silent:
    """A watch that only listens."""

    def run_begins(self, index: int, count: int, run: object) -> None: ...
    def said(self, run: object, what: object) -> None: ...
    def run_ends(self, run: object, status: str, reason: str | None) -> None: ...


def main() -> None:
    data, backbone = Path(sys.argv[1]).resolve(), (sys.argv[2:] or ["densenet121"])[0]
    study = parse_study(
        f'schema = 1\nname = "memory"\n[data]\npath = "{data.as_posix()}"\n[recipe]\nepochs = 1\n'
        f'[[tables]]\nname = "one"\nrows.backbone = ["{backbone}"]\n'
    )
    planned = plan_study(study, study.data.resolved(Path()))
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "store")
        run_study(planned, store, watch=Silent(), keep_weights=False)
        (run,) = planned.plan.runs
        record = store.read(run.id)
    facts = planned.facts[run.protocol]
    print(f"{backbone}, {facts.train:,} training images of {facts.image_size} px, batch {run.recipe.batch_size}:")
    print(f"peak {record.peak_memory_mib:.0f} MiB, {record.history[0].images_per_second:.1f} images/s")


if __name__ == "__main__":
    main()

"""Damaged files and kills, many: what mien does with them, and how much memory it takes. Linux only.

    python benchmarks/faults_long.py --files 12000 --kills 60 --study-kills 20

Expected: half an hour on two cores. Writes damaged copies of every kind of file that anyone may hand to mien
(tests/support/targets.py) and reads each: it must be read, or refused with a MienError. Then batches of `mien predict`
are killed at random moments, and others die at a rename or an fsync, each in turn (of 40 drawings' every sixth);
each is begun again until it is done, and its table must be that of a batch that nobody disturbed. Then a study is
killed again and again, its own process or its worker alone, and in the end must hold the numbers of one that nobody
disturbed. The last lines are the figures of docs/reliability.md. Exit code 1 when
anything was lost, hung or ended in another error.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import resources
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

# A file that takes longer than this to be refused counts as one that hangs.
LONGEST_S = 30
# Dies at the n-th rename or fsync, as a machine does that loses its power.
DYING = """
import os, sys
what, when = sys.argv[1], int(sys.argv[2])
sys.argv[1:3] = []
sys.argv[0] = "mien"
plain, count = getattr(os, what), 0
def dying(*arguments):
    global count
    count += 1
    if count == when:
        os._exit(77)
    return plain(*arguments)
setattr(os, what, dying)
from mien.cli.main import main
main()
"""


def read_damaged(count: int, seed: int) -> dict[str, collections.Counter[str]]:
    """Read `count` damaged files, as many of each kind; returns what became of them."""
    import conftest
    from mien.errors import MienError
    from support.targets import targets

    outcomes: dict[str, collections.Counter[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "samples")
        folder.mkdir()
        conftest.make_bundle(Path(place) / "good.mien")
        kinds = targets(folder, Path(place) / "good.mien")
        for target in kinds:
            outcomes[target.name] = collections.Counter()
            started = time.perf_counter()
            for number in range(count // len(kinds)):
                work = Path(place, "work")
                work.mkdir(exist_ok=True)
                path = target.write(work, random.Random(f"{seed}/{target.name}/{number}"))
                signal.alarm(LONGEST_S)
                try:
                    target.read(path)
                    outcome = "read"
                except MienError:
                    outcome = "refused"
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    outcome = f"{type(error).__name__}: {str(error)[:80]}"
                    traceback.print_exc(limit=-4)
                    print(f"^ {target.name}, number {number}", flush=True)
                finally:
                    signal.alarm(0)
                outcomes[target.name][outcome] += 1
            known = {name: outcomes[target.name][name] for name in ("read", "refused")}
            print(f"{target.name:10} {known} in {time.perf_counter() - started:.0f} s", flush=True)
    return outcomes


def _hangs(*_: Any) -> None:
    raise TimeoutError(f"not refused within {LONGEST_S} s")


def _reader(count: int, seed: int, answers: Any) -> None:
    signal.signal(signal.SIGALRM, _hangs)
    outcomes = read_damaged(count, seed)
    answers.put((outcomes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def kill_batches(kills: int, seed: int) -> tuple[int, int, list[str]]:
    """Kill batches of photos; returns kills at random, deaths at renames and fsyncs, and what went wrong."""
    import conftest

    chance = random.Random(seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bundle = conftest.make_bundle(folder / "good.mien").source
        photo = Path(str(resources.files("mien") / "data" / "sample.jpg")).read_bytes()
        (folder / "photos").mkdir()
        for number in range(40):
            (folder / "photos" / f"{number:02}.jpg").write_bytes(photo)

        def command(name: str) -> list[str]:
            out = folder / name
            out.mkdir(exist_ok=True)
            return ["predict", str(folder / "photos"), "--bundle", bundle, "--csv", str(out / "faces.csv")] + [
                *("--draw", str(folder / name / "drawn")),
            ]

        def run(words: list[str], *dying: str) -> subprocess.Popen[bytes]:
            program = ["-c", DYING, *dying] if dying else ["-c", "from mien.cli.main import main; main()"]
            return subprocess.Popen(
                [sys.executable, *program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )

        def finished(process: subprocess.Popen[bytes]) -> bool:
            said = process.communicate()[1].decode("utf-8", "replace")
            if "Traceback" in said or process.returncode not in (0, 77, -9):
                wrong.append(f"exit code {process.returncode}: {said[-300:]}")
            return process.returncode == 0

        def compare(name: str) -> None:
            if (folder / name / "faces.csv").read_bytes() != expected:
                wrong.append(f"the table of {name} differs")
            litter = [path.name for path in (folder / name).rglob("*.part")]
            if litter:
                wrong.append(f"{name} left {litter}")

        started = time.perf_counter()
        if not finished(run(command("undisturbed"))):
            raise SystemExit(f"The undisturbed batch failed: {wrong}")
        whole = time.perf_counter() - started
        expected = (folder / "undisturbed" / "faces.csv").read_bytes()
        done = batch = 0
        while done < kills:
            batch += 1
            for attempt in range(200):
                begun = time.perf_counter()
                process = run(command(f"killed-{batch}"))
                try:
                    process.wait(chance.uniform(0.2, 1.0) * whole if done < kills and attempt < 12 else None)
                except subprocess.TimeoutExpired:
                    process.kill()
                    done += 1
                if finished(process):
                    whole = min(whole, time.perf_counter() - begun) if attempt == 0 else whole
                    break
            compare(f"killed-{batch}")
        deaths = 0
        for what in ("replace", "fsync"):
            when = 1
            while True:
                # The last of them is the table's own; the drawings before it are alike, so every seventh is tried.
                process = run(command(f"{what}-{when}"), what, str(when))
                if finished(process):
                    break
                deaths += 1
                while not finished(run(command(f"{what}-{when}"))):
                    pass
                compare(f"{what}-{when}")
                when += 1 if when < 4 or when >= 40 else 6
    return done, deaths, wrong


STUDY = """
schema = 1
name = "killed"
title = "Killed"
text = "Two small runs."
[data]
path = "drawn:count=240,size=32,seed=3"
[recipe]
backbone = "mien_small"
epochs = 12
batch_size = 32
[recipe.augmentation]
flip = true
[[tables]]
name = "rates"
title = "Rates"
metrics = ["accuracy"]
columns.readout = [6, 12]
rows.learning_rate = [0.001, 0.003]
"""


def kill_studies(kills: int, seed: int) -> tuple[int, list[str]]:
    """Kill the process of a study, or that of its worker; returns the kills and what went wrong."""
    import numpy as np
    import psutil

    from mien.study.store import Store

    chance = random.Random(seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        study = Path(place, "killed.toml")
        study.write_text(STUDY, encoding="utf-8")

        def start(name: str) -> subprocess.Popen[bytes]:
            program = [sys.executable, "-c", "from mien.cli.main import main; main()"]
            command = [*program, "study", "run", str(study), "--output", str(Path(place, name))]
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def ended(process: subprocess.Popen[bytes]) -> bool:
            said = process.communicate()[1].decode("utf-8", "replace")
            if "Traceback" in said or process.returncode not in (0, 1, -9):
                wrong.append(f"exit code {process.returncode}: {said[-300:]}")
            return process.returncode == 0

        started = time.perf_counter()
        if not ended(start("undisturbed")):
            raise SystemExit(f"The undisturbed study failed: {wrong}")
        whole = time.perf_counter() - started
        done = batch = 0
        while done < kills:
            batch += 1
            while True:
                process = start(f"killed-{batch}")
                try:
                    process.wait(chance.uniform(0.3, 0.9) * whole if done < kills else None)
                except subprocess.TimeoutExpired:
                    workers = psutil.Process(process.pid).children(recursive=True)
                    victim = chance.choice([process, *workers[:1]])
                    with contextlib.suppress(psutil.NoSuchProcess):
                        victim.kill()
                    done += 1
                if ended(process):
                    break
            expected, found = (
                {run.id: run for run in Store.open(Path(place, name)).finished()}
                for name in ("undisturbed", f"killed-{batch}")
            )
            if expected.keys() != found.keys():
                wrong.append(f"killed-{batch} holds {sorted(found)}, expected {sorted(expected)}")
                continue
            for id_, run in expected.items():
                if [entry.comparable() for entry in run.history] != [
                    entry.comparable() for entry in found[id_].history
                ]:
                    wrong.append(f"the epochs of {id_} in killed-{batch} differ")
                for key, entry in run.predictions.items():
                    if not np.array_equal(entry.outputs, found[id_].predictions[key].outputs):
                        wrong.append(f"the answers of {id_} in killed-{batch} at {key} differ")
    return done, wrong


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=12_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--study-kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    bad = 0
    if options.files:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        process = context.Process(target=_reader, args=(options.files, options.seed, answers))
        process.start()
        outcomes, memory = None, 0.0
        while outcomes is None:
            try:
                outcomes, memory = answers.get(timeout=5)
            except Exception:
                if not process.is_alive():
                    print(f"The reading process died with code {process.exitcode}.")
                    return 1
        process.join()
        total = sum((counts for counts in outcomes.values()), collections.Counter())
        bad += total.total() - total["read"] - total["refused"]
        print(
            f"{total.total():,} damaged files of {len(outcomes)} kinds: {total['read']:,} read, {total['refused']:,} "
            f"refused, {bad} otherwise; largest memory {memory:.0f} MiB"
        )
    if options.kills:
        kills, deaths, wrong = kill_batches(options.kills, options.seed)
        print(f"{kills} kills at random moments, {deaths} deaths at a rename or an fsync: {len(wrong)} faults")
        for text in wrong:
            print(f"  {text}")
        bad += len(wrong)
    if options.study_kills:
        kills, wrong = kill_studies(options.study_kills, options.seed)
        print(f"{kills} kills of a study or its worker: {len(wrong)} faults")
        for text in wrong:
            print(f"  {text}")
        bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

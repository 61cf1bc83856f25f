#!/usr/bin/env bash
# polars: the number that stands for an expression in a Categorical column depends on what else the process has read.
#
# Packages: polars==2.1.0, pandas==3.1.1, numpy==2.4.6, Python 3.11.
# Input: a column of "sad", "happy", "angry", "happy" cast to Categorical, and to_physical() of it, the numbers behind
#   it; in a new process, in one that has a Categorical column of four persons' names, in one that had it and let it go,
#   and in one that holds the test set's labels ("angry", "happy"); the same with Enum(["angry", "happy", "sad"]) and as
#   pandas' category codes.
# Expected: the same numbers for the same column, each time, as Enum and pandas give them (2, 1, 0, 1).
# Seen 2026-11-29: 0, 1, 2, 1 in a new process, 4, 5, 6, 5 beside the persons' names, 0, 1, 2, 1 again when these were
#   let go, and 2, 1, 0, 1 beside the test set's labels: all Categorical columns of a process share one list, in which
#   each text has the number at which it was first met. Nothing is said.
# What it means: numbers made so for training are others in the process that tests or serves, or in the same notebook
#   after another cell, and with two tables read in another order "sad" and "angry" change places. Use an Enum.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet polars==2.1.0 pandas==3.1.1 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import json
import subprocess
import sys

BEFORE = {"a new process": "", "persons read before": "people = pl.Series(['KA', 'KL', 'YM', 'NA']).cast(pl.Categorical)",
          "persons read, then away": "people = pl.Series(['KA', 'KL', 'YM', 'NA']).cast(pl.Categorical); del people",
          "test set read before": "other = pl.Series(['angry', 'happy']).cast(pl.Categorical)"}
KINDS = {"Categorical": "pl.Series(FACES).cast(pl.Categorical).to_physical().to_list()",
         "Enum": "pl.Series(FACES).cast(pl.Enum(['angry', 'happy', 'sad'])).to_physical().to_list()",
         "pandas": "pandas.Series(FACES).astype('category').cat.codes.tolist()"}
seen = {}
for kind, numbers in KINDS.items():
    for name, before in BEFORE.items():
        code = "\n".join(["import json, pandas", "import polars as pl", "FACES = ['sad', 'happy', 'angry', 'happy']", before,
                          f"print(json.dumps({numbers}))"])
        run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
        seen[kind, name] = json.loads(run.stdout)
        print(f"{kind}, {name}: sad, happy, angry, happy are {seen[kind, name]}")
same = all(seen[kind, name] == [2, 1, 0, 1] for kind in ("Enum", "pandas") for name in BEFORE)
same &= seen["Categorical", "a new process"] == seen["Categorical", "persons read, then away"] == [0, 1, 2, 1] and seen["Categorical", "persons read before"] == [4, 5, 6, 5]
same &= seen["Categorical", "test set read before"] == [2, 1, 0, 1]
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# Orbax: a checkpoint whose accuracy is nan counts as the best, and the good ones are deleted for it.
#
# Packages: orbax-checkpoint==0.12.8, jax==0.10.2, jaxlib==0.10.2, numpy==2.4.6, Python 3.11, Linux, on the processor.
# Input: CheckpointManager with max_to_keep=2, best_fn=lambda metrics: metrics["accuracy"] and best_mode="max"; six
#   steps with the accuracies 0.5, 0.6, 0.7, 0.65 and two nan, as a training gives them whose loss became nan; the same
#   with best_mode="min" and losses; the same with a nan in the middle, with one at the beginning, and with none.
# Expected: 0.7 and 0.65 stay, best_step() is step 2: a number that is not there is no better than any, as in Keras'
#   ModelCheckpoint; or an error.
# Seen 2026-11-29: kept are the two steps of nan, 4 and 5, and best_step() is 5; the weights of 0.7 are gone from the
#   disk. The same with "min". With 0.5, 0.9, nan, 0.6, 0.7 the 0.9 is gone too, and the best is said to be 0.7. The
#   list is sorted by the metric, nan is neither less nor more than its neighbours, so that it stays where it stands.
#   Nothing is raised or logged above INFO.
# What it means: of a night's training that broke at its end the only files left are broken ones. Give nan the worst
#   number in best_fn.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 2>/dev/null
export JAX_PLATFORMS=cpu WORK="$work"
"$work/venv/bin/python" - <<'PY'
import math
import os
import tempfile

import numpy as np
import orbax.checkpoint as ocp

nan = math.nan
good, fallen = [0.5, 0.6, 0.7, 0.65], [2.0, 1.5, 1.1, 1.2]


def left(values, mode, best=lambda metrics: metrics["value"]):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=best, best_mode=mode)
    with ocp.CheckpointManager(tempfile.mkdtemp(dir=os.environ["WORK"]), options=options) as manager:
        for step, value in enumerate(values):
            manager.save(step, args=ocp.args.StandardSave({"w": np.float32([step])}), metrics={"value": value})
            manager.wait_until_finished()
        seen = sorted(manager.all_steps()), manager.best_step()
    print(f"{mode} of {values}: kept {seen[0]}, best {seen[1]}")
    return seen


same = left(good, "max") == ([2, 3], 2) and left(fallen, "min") == ([2, 3], 2)
same &= left([*good, nan, nan], "max") == ([4, 5], 5)
same &= left([*fallen, nan, nan], "min") == ([4, 5], 5)
same &= left([0.5, 0.9, nan, 0.6, 0.7], "max") == ([3, 4], 4)
same &= left([nan, 0.5, 0.9, 0.6, 0.7], "max") == ([2, 4], 2)
same &= left([*good, nan, nan], "max", lambda metrics: -1 if math.isnan(metrics["value"]) else metrics["value"]) == ([2, 3], 2)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

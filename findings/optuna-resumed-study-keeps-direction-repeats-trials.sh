#!/usr/bin/env bash
# Optuna: a study that is taken up again keeps its old direction, whatever is asked for, and a seeded sampler begins anew.
#
# Packages: optuna==5.0.0 with sqlalchemy==2.1.9, numpy==2.4.6, Python 3.11.
# Input: two processes, one after the other, call create_study(study_name="accuracy", storage=<the same SQLite file>,
#   load_if_exists=True, sampler=RandomSampler(seed=0) or TPESampler(seed=0), direction=...), and run six trials each, of
#   which the value is the parameter x from 0 to 1. The first asks for "minimize", the second for "maximize".
# Expected: an error or a warning that the direction is another one; trials that were not run yet.
# Seen 2026-11-28: the second study minimises: best_trial is the one with the lowest value of all twelve, the worst of what
#   was asked for, and neither a warning nor a line above INFO comes. RandomSampler proposes the same six x again. TPESampler
#   proposes the first four again (up to the tenth trial it draws at random, n_startup_trials) and then goes for low values.
# What it means: a wrong or forgotten direction can't be set right by starting the script again; it runs on to the worst
#   settings. Compare study.direction with what was asked for. A search that is stopped and started again spends its time on
#   trials that it has: give each start another seed, or none.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet optuna==5.0.0 sqlalchemy==2.1.9 numpy==2.4.6 2>/dev/null
cat > "$work/search.py" <<'PY'
import sys
import warnings

import optuna

folder, name, asked = sys.argv[1:]
optuna.logging.set_verbosity(optuna.logging.WARNING)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    study = optuna.create_study(study_name="accuracy", storage=f"sqlite:///{folder}/{name}.db", load_if_exists=True,
                                sampler=getattr(optuna.samplers, name)(seed=0), direction=asked)
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
xs = [trial.params["x"] for trial in study.trials]
again = sum(old == new for old, new in zip(xs[:6], xs[6:]))
best = {min(xs): "the lowest", max(xs): "the highest"}.get(study.best_value, "neither")
print(f"{name}, asked to {asked}: does {study.direction.name}, best is {best}, {again} trials again,",
      f"{len(warned)} warnings,", " ".join(f"{x:.3f}" for x in xs))
PY
for sampler in RandomSampler TPESampler; do
  for direction in minimize maximize; do
    "$work/venv/bin/python" "$work/search.py" "$work" $sampler $direction 2>> "$work/said" | tee -a "$work/seen"
  done
done
kept="asked to maximize: does MINIMIZE, best is the lowest"
grep -q "^RandomSampler, $kept, 6 trials again, 0 warnings," "$work/seen" &&
  grep -q "^TPESampler, $kept, 4 trials again, 0 warnings," "$work/seen" && [ ! -s "$work/said" ] ||
  { cat "$work/said"; echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"

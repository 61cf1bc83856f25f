#!/usr/bin/env bash
# scikit-learn: a weighted kappa of intensities counts 2 against 5 as one step, if nobody happened to say 3 or 4.
#
# Packages: scikit-learn==1.9.1, numpy==2.4.6, Python 3.11.
# Input: two coders' intensities of an action unit on the scale from 0 to 5, in which 3 and 4 do not occur, through
#   cohen_kappa_score with weights=None, "linear" and "quadratic", with and without labels=[0, 1, 2, 3, 4, 5].
# Expected: the same from both, as the distance between 2 and 5 is 3 whether anybody said 3 or not.
# Seen 2026-11-28: without weights they are the same (0.333). Linear is 0.597 for 0.521, quadratic 0.797 for 0.671:
#   the weights come from the places in the sorted list of the values that occur, where 2 and 5 are neighbours. Two
#   more faces on which the coders agree, one of 3 and one of 4, lower quadratic from 0.797 to 0.720; with labels they
#   raise it from 0.671. Nothing is said.
# What it means: strong disagreements count as slight ones, the more so the rarer the unit, so that kappas of two
#   units, or of two folds, cannot be compared. Always pass labels.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W error - <<'PY'
import numpy as np
from sklearn.metrics import cohen_kappa_score

one = np.array([0, 0, 1, 1, 2, 2, 5, 5, 0, 1])
two = np.array([0, 1, 1, 2, 2, 5, 5, 2, 0, 0])


def kappa(a, b, power):
    """Cohen's kappa with weights |a - b| ** power of the values themselves."""
    return 1 - (np.abs(a - b) ** power).mean() / (np.abs(a[:, None] - b) ** power).mean()


same = True
for weights, power in ((None, 0), ("linear", 1), ("quadratic", 2)):
    plain = cohen_kappa_score(one, two, weights=weights)
    whole = cohen_kappa_score(one, two, weights=weights, labels=range(6))
    more = cohen_kappa_score(np.append(one, [3, 4]), np.append(two, [3, 4]), weights=weights)
    print(f"weights={weights}: {plain:.4f}, with labels 0 to 5 {whole:.4f}, with two faces more (3 and 4 by both) {more:.4f}")
    if power == 2:
        same &= whole < more < plain - 0.05
    if power:
        same &= abs(whole - kappa(one, two, power)) < 1e-9 and plain - whole > 0.05
    else:
        same &= abs(plain - whole) < 1e-9
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

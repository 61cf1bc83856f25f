#!/usr/bin/env bash
# confidenceinterval: the interval of a macro F1 goes beyond 1, and is far too wide for a good network.
#
# Packages: confidenceinterval==1.0.5, numpy==2.4.6, scikit-learn==1.9.1, Python 3.11.
# Input: 350 faces, 50 of each of seven expressions, answered 100 %, 98 %, 90 % and 60 % right, with the wrong answers
#   spread evenly; f1_score(.., average="macro") with its default interval (Takahashi's, by the delta method), and with
#   method="bootstrap_percentile".
# Expected: both about alike, inside 0..1; for perfect answers no width, as average="micro" gives it.
# Seen 2026-11-28: for perfect answers 0.960 to 1.040, at 98 % 0.940 to 1.020, three times as wide as the bootstrap, at
#   90 % a third wider, and at 60 % about the same. The covariance of the confusion matrix's cells is made with
#   p * p.transpose() of a flat p, which is p * p, where the outer product belongs; the macro intervals of precision and
#   recall are made with it as well.
# What it means: a good network's interval holds every competitor, and "no significant difference" comes from the formula.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet confidenceinterval==1.0.5 numpy==2.4.6 scikit-learn==1.9.1 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import numpy as np
from confidenceinterval import f1_score

target = np.repeat(np.arange(7), 50)


def answers(wrong):
    """The target with `wrong` of the 50 faces of each class answered by the six other classes in turn."""
    place = np.arange(50)
    return ((np.arange(7)[:, None] + np.where(place < wrong, place % 6 + 1, 0)) % 7).ravel()


widths = {}
for wrong in (0, 1, 5, 20):
    given = answers(wrong)
    value, (low, high) = f1_score(target, given, average="macro")
    _, (micro_low, micro_high) = f1_score(target, given, average="micro")
    _, drawn = f1_score(target, given, average="macro", method="bootstrap_percentile", n_resamples=299,
                        random_state=np.random.RandomState(0))
    widths[wrong] = (high - low, drawn[1] - drawn[0], micro_high - micro_low, high)
    print(f"{1 - wrong / 50:.0%} right: macro F1 {value:.3f}, by default {low:.3f} to {high:.3f}, "
          f"by bootstrap {drawn[0]:.3f} to {drawn[1]:.3f}, micro {micro_low:.3f} to {micro_high:.3f}")
same = widths[0][3] > 1.03 and widths[0][1] < 1e-6 and widths[0][2] < 1e-6
same &= widths[1][0] > 1.8 * widths[1][1] and widths[5][0] > 1.2 * widths[5][1] and 0.8 < widths[20][0] / widths[20][1] < 1.2
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

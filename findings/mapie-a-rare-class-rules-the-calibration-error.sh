#!/usr/bin/env bash
# MAPIE: in top_label_ece ten faces of a rare expression weigh as much as 990 of a common one: 0.40 for 0.008.
#
# Packages: MAPIE==1.6.0, scikit-learn==1.9.1, numpy==2.4.6, Python 3.11.
# Input: 1000 faces answered with a confidence of 0.9: 990 as happy, of which 90 % are right, and 10 as fear, of which
#   one is; the same the other way round (happy right for half, fear for 90 %); top_label_ece of the label and a
#   table of probabilities. Both again with labels from 1 to 7 instead of 0 to 6, with and without classes=.
# Expected: the description of the metrics has the sum of n_b / n * |acc_b - conf_b| over all n samples, and the paper
#   that the docstring names takes the mean over the samples too: 0.008 for the first network, and 0.396 for the second.
# Seen 2026-11-29: 0.400 and 0.200: the error is computed for each class that is answered, and the plain mean over the
#   classes is taken, whatever their size. expected_calibration_error of right or wrong and the confidence gives 0.008
#   and 0.396. With labels from 1 to 7 it is 0.900 and 0.900, as each answer is the place in the table and matches no
#   label; classes=np.arange(1, 8) puts that right. Nothing is said of either.
# What it means: faces are uneven (happy is many times as common as fear), so that a good network looks miscalibrated for
#   a handful of faces, and a bad one half as bad; the number can't be compared with other papers' ECE.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet MAPIE==1.6.0 scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import numpy as np
from mapie.metrics.calibration import expected_calibration_error, top_label_ece

HAPPY, FEAR, OTHER = 3, 2, 0


def network(happy_right, fear_right):
    """Labels and probabilities of 990 faces that are answered as happy and 10 as fear."""
    answer = np.array([HAPPY] * 990 + [FEAR] * 10)
    label = np.array([HAPPY] * happy_right + [OTHER] * (990 - happy_right) + [FEAR] * fear_right + [OTHER] * (10 - fear_right))
    table = np.full((1000, 7), 0.1 / 6)
    table[np.arange(1000), answer] = 0.9
    return label, table


seen = {}
for name, (happy_right, fear_right) in {"happy well calibrated": (891, 1), "fear well calibrated": (495, 9)}.items():
    label, table = network(happy_right, fear_right)
    right = (table.argmax(1) == label).astype(int)
    by_hand = abs(right.mean() - 0.9)  # all confidences are 0.9, so that one bin holds them all
    weighted = sum(len(right[answered]) / 1000 * abs(right[answered].mean() - 0.9)
                   for answered in (table.argmax(1) == HAPPY, table.argmax(1) == FEAR))
    seen[name] = [round(float(value), 3) for value in (
        top_label_ece(label, table, num_bins=15), expected_calibration_error(right, table.max(1), num_bins=15), by_hand,
        weighted, top_label_ece(label + 1, table, num_bins=15),
        top_label_ece(label + 1, table, num_bins=15, classes=np.arange(1, 8)))]
    print("{}: top_label_ece {}, expected_calibration_error {}, formula {}, by classes and weighted {}; labels from 1: {}, "
          "with classes {}".format(name, *seen[name]))
same = seen["happy well calibrated"] == [0.4, 0.008, 0.008, 0.008, 0.9, 0.4]
same &= seen["fear well calibrated"] == [0.2, 0.396, 0.396, 0.396, 0.9, 0.2]
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

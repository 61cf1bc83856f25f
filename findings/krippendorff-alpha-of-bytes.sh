#!/usr/bin/env bash
# krippendorff: alpha of the same ratings is 0.76 as integers and 0.09 as bytes, at the level "interval".
#
# Packages: krippendorff==0.9.0, numpy==2.4.6, Python 3.11.
# Input: two coders, eight faces, intensities from 1 to 5 that never differ by more than one step, as int64, float64,
#   int8 and uint8, at each level of measurement.
# Expected: one number for each level, whatever type holds the ratings.
# Seen 2026-11-28: nominal (0.091) and ordinal (0.782) are the same for all types. Interval is 0.755, but 0.086 for
#   uint8, and ratio 0.689, but -0.073. The distances are (v1 - v2) ** 2 in the type of the ratings, and 1 - 2 is 255
#   in uint8, so that the distance depends on which of the two is the larger one. Nothing is raised or warned.
# What it means: intensities of action units from 0 to 5, ages and ratings from 1 to 9 are commonly kept as uint8.
#   Good agreement is reported as next to none. Pass floats.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet krippendorff==0.9.0 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W error - <<'PY'
import krippendorff
import numpy as np

ratings = np.array([[3, 5, 2, 4, 1, 3, 5, 2], [4, 4, 2, 5, 2, 3, 4, 3]])
kinds = (np.int64, np.float64, np.int8, np.uint8)
alpha = {level: [krippendorff.alpha(reliability_data=ratings.astype(kind), level_of_measurement=level) for kind in kinds]
         for level in ("nominal", "ordinal", "interval", "ratio")}
for level, values in alpha.items():
    print(f"{level}: " + ", ".join(f"{value:.3f} as {kind.__name__}" for kind, value in zip(kinds, values, strict=True)))
same = all(np.ptp(alpha[level]) < 1e-9 for level in ("nominal", "ordinal"))
same &= all(np.ptp(alpha[level][:3]) < 1e-9 and alpha[level][0] - alpha[level][3] > 0.25 for level in ("interval", "ratio"))
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

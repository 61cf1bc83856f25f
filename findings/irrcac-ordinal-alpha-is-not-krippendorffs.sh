#!/usr/bin/env bash
# irrCAC: Krippendorff's alpha with ordinal weights is not Krippendorff's ordinal alpha, though all other levels
#   agree.
#
# Packages: irrCAC==0.4.4, krippendorff==0.9.0, Python 3.11.
# Input: Krippendorff's own worked example ("Computing Krippendorff's Alpha-Reliability"): four observers, twelve
#   units, values 1 to 5, some missing. He gives 0.743 nominal, 0.815 ordinal and 0.849 interval. CAC(ratings,
#   weights=..).krippendorff() with "identity", "ordinal" and "quadratic", and krippendorff.alpha.
# Expected: the three numbers from both.
# Seen 2026-11-28: krippendorff gives the three; irrCAC gives 0.743, 0.834 and 0.849. Its ordinal weights are those of
#   Gwet, which count pairs of categories, where Krippendorff's metric counts how often the values between two occur.
#   The result is called Krippendorff's Alpha all the same.
# What it means: two papers report "Krippendorff's alpha, ordinal" of the same ratings of intensity and differ, more
#   where the values are unevenly used: for 100 faces that are mostly 0, by three coders, 0.72 and 0.83, on either
#   side of the 0.8 that Krippendorff asks for.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet irrCAC==0.4.4 krippendorff==0.9.0 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import krippendorff
import numpy as np
import pandas as pd
from irrCAC.raw import CAC

none = np.nan
example = np.array([[1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
                    [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none]])
random = np.random.default_rng(0)
true = random.choice(6, 100, p=[0.7, 0.1, 0.08, 0.06, 0.04, 0.02])
uneven = np.stack([np.clip(true + random.choice([-1, 0, 1], 100, p=[0.2, 0.6, 0.2]), 0, 5) for _ in range(3)]).astype(float)
seen = {}
for name, ratings in (("example", example), ("uneven", uneven)):
    for weights, level in (("identity", "nominal"), ("ordinal", "ordinal"), ("quadratic", "interval")):
        mine = CAC(pd.DataFrame(ratings.T), weights=weights).krippendorff()["est"]["coefficient_value"]
        theirs = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
        seen[name, level] = float(mine), float(theirs)
        print(f"{name}, {level}: irrCAC {mine:.4f}, krippendorff {theirs:.4f}")
known = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}
same = all(abs(seen["example", level][1] - value) < 6e-4 for level, value in known.items())
same &= all(abs(a - b) < 1e-3 for (_, level), (a, b) in seen.items() if level != "ordinal")
same &= abs(seen["example", "ordinal"][0] - 0.834) < 6e-4 and abs(np.subtract(*seen["uneven", "ordinal"])) > 0.08
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

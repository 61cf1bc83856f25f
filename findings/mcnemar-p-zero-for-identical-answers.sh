#!/usr/bin/env bash
# McNemar's test of two networks that give the very same answers: p = 0 in statsmodels and in mlxtend.
#
# Packages: statsmodels==0.15.0, mlxtend==0.25.0, Python 3.11.
# Input: the 2 x 2 table of two networks on 100 faces with the same answer to each: 80 right by both, 20 wrong by both,
#   no face right by one alone. The chi-squared form with its default continuity correction, which is mlxtend's default
#   and exact=False in statsmodels.
# Expected: p = 1, as from the exact form: nothing speaks for a difference.
# Seen 2026-11-28: statistic inf, p 0.0 in both, the strongest significance there is: the correction makes (|0 - 0| -
#   1)^2 / 0. A RuntimeWarning of a division by zero is all that tells. Without the correction both give nan.
#   exact=True gives 1.
# What it means: two seeds or two exports of one network that agree on a small test set come out as "significantly
#   different", first in a table sorted by p. Use exact=True.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet statsmodels==0.15.0 mlxtend==0.25.0 2>/dev/null
MPLCONFIGDIR="$work" "$work/venv/bin/python" - <<'PY'
import math
import warnings

import numpy as np
from mlxtend.evaluate import mcnemar as of_mlxtend
from mlxtend.evaluate import mcnemar_table
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels

target = np.arange(100) % 7
answers = np.where(np.arange(100) < 80, target, (target + 1) % 7)
table = mcnemar_table(target, answers, answers)
print("table", table.tolist())


def p_values(**options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        both = [of_mlxtend(table, exact=options["exact"], corrected=options["corrected"])[1],
                of_statsmodels(table, exact=options["exact"], correction=options["corrected"]).pvalue]
    print(f"{options}: p {float(both[0])} (mlxtend), {float(both[1])} (statsmodels), "
          f"warnings {sorted({str(w.message).split(' encountered')[0] for w in said})}")
    return both


corrected = p_values(exact=False, corrected=True)
plain = p_values(exact=False, corrected=False)
exact = p_values(exact=True, corrected=True)
default = of_mlxtend.__defaults__
print("defaults of mlxtend: (corrected, exact) =", default)
same = corrected == [0, 0] and all(map(math.isnan, plain)) and exact == [1, 1] and default == (True, False)
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

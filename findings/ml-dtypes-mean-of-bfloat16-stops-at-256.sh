#!/usr/bin/env bash
# ml_dtypes: the sum of bfloat16 numbers stops growing at 256 ones, so that the mean of 900 right answers of 1000 is
#   0.256.
#
# Packages: ml_dtypes==0.6.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: which of 1000 and of 10,000 faces were answered right (90 %), and 1000 ones, as bfloat16, as np.asarray gives
#   what comes out of a network of mixed precision; .mean(), np.average and .sum(); the same as NumPy's own float16.
# Expected: 0.9 within the 3 digits of a bfloat16. NumPy's float16, of a similar size, gives it: "float32
#   intermediates", says the documentation of mean.
# Seen 2026-11-28: 0.256 for 1000 faces and 0.0256 for 10,000, and 0.256 for the ones too. The sum runs in bfloat16
#   one by one, and 256 + 1 is 256 there. float16 gives 0.9. No warning. mean(dtype=np.float32) is right.
# What it means: accuracies, losses and brightnesses of anything with more than some hundred elements are wrong, in a
#   way that depends on the size of the set: the same network looks ten times worse on ten times the faces.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ml_dtypes==0.6.0 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W error - <<'PY'
import ml_dtypes
import numpy as np

same = True
for faces, share, seen in ((1000, 0.9, 0.256), (10_000, 0.9, 0.0256), (1000, 1.0, 0.256), (100, 0.9, 0.9)):
    right = (np.arange(faces) % 10 < share * 10).astype(ml_dtypes.bfloat16)
    means = float(right.mean()), float(np.average(right))
    wide, half = float(right.mean(dtype=np.float32)), float(right.astype(np.float16).mean())
    print(f"{share:.0%} of {faces} right: mean {means[0]:.4f}, average {means[1]:.4f}, sum {float(right.sum()):.0f}; "
          f"with dtype=float32 {wide:.4f}, as float16 {half:.4f}")
    same &= all(abs(mean - seen) < 0.01 * seen for mean in means) and abs(wide - share) < 1e-6 and abs(half - share) < 1e-3
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

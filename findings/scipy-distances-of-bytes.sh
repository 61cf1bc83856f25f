#!/usr/bin/env bash
# scipy: two copies of a photo kept as bytes are a hundred times too far apart, and two unlike photos have a cosine
#   distance of 0.
#
# Packages: scipy==1.17.1, numpy==2.4.6, Python 3.11.
# Input: a picture of 48 x 48 random bytes, the same with noise of up to two levels, and a third that has nothing to do
#   with it, as uint8 and as float64, through euclidean, cityblock, chebyshev, sqeuclidean and cosine of
#   scipy.spatial.distance, and through cdist; and ttest_rel of two networks' intensities, 0 to 5, of twelve faces.
# Expected: the same numbers from both types, as cdist gives them and sqeuclidean too.
# Seen 2026-11-29: cdist and sqeuclidean are the same for both. As uint8 the near picture is 110 times as far by
#   euclidean and 81 times by cityblock, farther than the unlike one, for 1 - 2 is 255; chebyshev says 255 for 2. The cosine distance of the
#   unlike pictures is 0, as if they were one (their products wrap, the quotient goes beyond 1 and is cut); a
#   RuntimeWarning of an overflow is its only sign. ttest_rel has t = 2.81 and p = 0.017 for t = -0.90 and p = 0.39,
#   as it takes the differences in bytes as well; wilcoxon and ttest_ind are right.
# What it means: copies between training and test set are not found, or everything is one; two networks differ
#   "significantly". The same pixels through cdist, or a distance squared, hide it from a test. Cast to float first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from scipy.spatial import distance
from scipy.stats import ttest_ind, ttest_rel, wilcoxon

random = np.random.default_rng(0)
photo = random.integers(2, 254, 48 * 48).astype(np.uint8)
near = (photo + random.integers(-2, 3, photo.size)).astype(np.uint8)
unlike = random.integers(0, 256, photo.size).astype(np.uint8)
found = {}
for name in ("euclidean", "cityblock", "chebyshev", "sqeuclidean", "cosine"):
    measure = getattr(distance, name)
    for kind, other in (("near", near), ("unlike", unlike)):
        as_bytes, as_floats = measure(photo, other), measure(photo.astype(float), other.astype(float))
        by_cdist = distance.cdist(photo[None], other[None], name)[0, 0]
        found[name, kind] = float(as_bytes), float(as_floats), float(by_cdist)
        print(f"{name}, {kind}: {as_bytes:.4f} as bytes, {as_floats:.4f} as floats, {by_cdist:.4f} by cdist of bytes")
own = np.uint8([3, 5, 2, 4, 1, 3, 5, 2, 0, 4, 3, 2])
other = np.uint8([4, 4, 2, 5, 3, 3, 4, 3, 1, 4, 2, 2])
tests = {}
for test in (ttest_rel, ttest_ind, wilcoxon):
    tests[test.__name__] = [test(own.astype(kind), other.astype(kind)) for kind in (np.uint8, float)]
    print(test.__name__, "as bytes, as floats:", [f"{t.statistic:.2f} p {t.pvalue:.3f}" for t in tests[test.__name__]])

same = all(abs(by_cdist - as_floats) < 1e-6 * (1 + as_floats) for _, as_floats, by_cdist in found.values())
same &= all(found["sqeuclidean", kind][0] == found["sqeuclidean", kind][1] for kind in ("near", "unlike"))
same &= all(found[name, "near"][0] > 30 * found[name, "near"][1] for name in ("euclidean", "cityblock", "chebyshev"))
same &= found["cosine", "unlike"][0] == 0 and found["cosine", "unlike"][1] > 0.1
as_bytes, as_floats = tests["ttest_rel"]
same &= as_bytes.pvalue < 0.05 and as_floats.pvalue > 0.3 and as_bytes.statistic > 0 > as_floats.statistic
same &= all(np.isclose(*[t.pvalue for t in tests[name]]) for name in ("ttest_ind", "wilcoxon"))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# mahotas: of a picture that was turned or transposed in NumPy, the hit-or-miss transform and the local extrema are
#   elsewhere.
#
# Packages: mahotas==1.4.19, scipy==1.17.1, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a random picture of 30 x 40 bytes and the mask of its upper half of levels; as they are, and the same numbers
#   in Fortran's order, as picture.T or np.rot90 of a picture leave them; hitmiss with a corner of 3 x 3, regmax and
#   regmin; erode, dilate, label, distance, median_filter and gaussian_filter.
# Expected: the same result for equal arrays, however they lie in memory; of hitmiss what
#   scipy.ndimage.binary_hit_or_miss gives; maxima at pixels that are not below any of their neighbours.
# Seen 2026-11-29: of the array as it is hitmiss is scipy's, and no maximum has a higher neighbour. In Fortran's
#   order, of an array that numpy.array_equal calls equal, hitmiss finds 11 corners for 7, of which some are none, and
#   regmax and regmin mark 222 and 200 pixels for 260 and 258; 35 of the maxima have a higher neighbour. The others
#   are the same. Nothing is raised or warned.
# What it means: pupils, corners of the mouth or marks that were looked for in a photo after its EXIF orientation was
#   applied are elsewhere, and a count of them looks sound. np.ascontiguousarray() before the call helps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet mahotas==1.4.19 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import warnings

import mahotas
import numpy as np
from scipy import ndimage

random = np.random.default_rng(0)
corner = np.array([[0, 1, 2], [0, 1, 1], [2, 1, 1]])
levels = random.integers(0, 255, (30, 40)).astype(np.uint8)
mask = levels > 127
steps = {"hitmiss": (mask, lambda a: mahotas.hitmiss(a, corner)), "regmax": (levels, mahotas.regmax), "regmin": (levels, mahotas.regmin),
         "erode": (mask, mahotas.erode), "dilate": (mask, mahotas.dilate),
         "label": (mask, lambda a: mahotas.label(a)[0]), "distance": (mask, mahotas.distance),
         "median_filter": (levels, mahotas.median_filter), "gaussian_filter": (levels, lambda a: mahotas.gaussian_filter(a, 2))}
plain, turned, agree = {}, {}, {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name, (array, step) in steps.items():
        other = np.asfortranarray(array)
        assert np.array_equal(array, other)
        plain[name], turned[name] = np.array(step(array)), np.array(step(other))
        assert np.array_equal(step(np.ascontiguousarray(other)), plain[name])
        agree[name] = bool(np.array_equal(plain[name], turned[name]))
        print(f"{name}: {'the same' if agree[name] else 'other'} in Fortran's order; {np.mean(plain[name] != turned[name]):.1%} of the places differ,",
              f"{np.count_nonzero(plain[name])} and {np.count_nonzero(turned[name])} are not 0")
right = ndimage.binary_hit_or_miss(mask, corner == 1, corner == 0)
inside = (slice(1, -1), slice(1, -1))
hits = {kind: np.array_equal(found["hitmiss"][inside], right[inside]) for kind, found in (("plain", plain), ("turned", turned))}
print("hitmiss as scipy has it, inside:", hits)
peak = ndimage.grey_dilation(levels, footprint=[[0, 1, 0], [1, 1, 1], [0, 1, 0]]) == levels
low = {kind: int(np.count_nonzero(found["regmax"].astype(bool) & ~peak)) for kind, found in (("plain", plain), ("turned", turned))}
print("local maxima that have a higher neighbour:", low)
print("warnings:", [str(warning.message) for warning in caught])
wrong = {"hitmiss", "regmax", "regmin"}
same = not caught and all(agree[name] != (name in wrong) for name in steps)
counts = {name: (np.count_nonzero(plain[name]), np.count_nonzero(turned[name])) for name in wrong}
same &= counts == {"hitmiss": (7, 11), "regmax": (260, 222), "regmin": (258, 200)}
same &= hits == {"plain": True, "turned": False} and low["plain"] == 0 and low["turned"] == 35
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

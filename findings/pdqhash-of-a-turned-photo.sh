#!/usr/bin/env bash
# pdqhash: a photo turned upright with np.rot90 gets the hash of scrambled pixels.
#
# Packages: pdqhash==0.2.8, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: twelve pictures of 180 x 120 with waves in three colours, turned by np.rot90 by 0 to 3 quarters, and
#   transposed; pdqhash.compute() of each, and of np.ascontiguousarray() of each, which holds the same numbers.
# Expected: the same 256 bits from both; PDQ takes up to about 31 differing bits for the same picture.
# Seen 2026-11-28: by 0 and 2 quarters they are the same. By 1 and 3, and transposed, 104 to 152 of 256 bits differ,
#   as for two pictures that have nothing in common. These views lie column by column in memory; they are copied in
#   that order and read row by row. Nothing is raised or warned.
# What it means: photos whose EXIF orientation was applied in NumPy match neither their own copies nor each other, and
#   duplicates between training and test set are not found. np.ascontiguousarray() before hashing helps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pdqhash==0.2.8 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W error - <<'PY'
import numpy as np
import pdqhash

random = np.random.default_rng(0)
rows, columns = np.mgrid[:120, :180]


def picture():
    waves = [sum(random.normal() * np.sin(columns * random.random() / 9 + rows * random.random() / 9 + 6 * random.random())
                 for _ in range(12)) for _ in range(3)]
    stacked = np.stack(waves, -1)
    return ((stacked - stacked.min()) / np.ptp(stacked) * 255).astype(np.uint8)


pictures = [picture() for _ in range(12)]
ways = {f"{k} quarters": lambda photo, k=k: np.rot90(photo, k) for k in range(4)}
ways["transposed"] = lambda photo: photo.transpose(1, 0, 2)
same = True
for name, way in ways.items():
    bits = []
    for photo in pictures:
        view = way(photo)
        tidy = np.ascontiguousarray(view)
        assert (view == tidy).all()
        bits.append(int((pdqhash.compute(view)[0] != pdqhash.compute(tidy)[0]).sum()))
    print(f"{name}: {min(bits)} to {max(bits)} of 256 bits differ from those of the same pixels")
    same &= max(bits) == 0 if name in ("0 quarters", "2 quarters") else min(bits) > 80
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

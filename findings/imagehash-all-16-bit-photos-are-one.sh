#!/usr/bin/env bash
# ImageHash: all photos of 16 bits have one and the same hash, that of a white picture.
#
# Packages: ImageHash==4.3.2, pillow==13.0.0, numpy==2.4.6, Python 3.11.
# Input: twenty pictures of 48 x 48 with different waves, as gray PNG of 8 bits and, the same levels times 257 and times
#   16 (a sensor of 12 bits), as gray PNG of 16 bits; average_hash, phash, dhash and whash of each.
# Expected: a 16-bit picture has the hash of the same picture in 8 bits, within a bit or two; twenty pictures have about
#   twenty hashes.
# Seen 2026-11-29: in 8 bits all twenty differ. In 16 bits there is a single hash for all, by each of the four and by both
#   factors: all zeros (phash: 8 and zeros), which is that of a white picture. Each hash begins with convert("L"), and
#   Pillow cuts 16 bits off at 255 there instead of scaling them. Nothing is raised or warned. Dividing by 257 in NumPy
#   first gives the hashes of the 8 bits.
# What it means: infrared, thermal and depth pictures of faces are kept in 16 bits. A search for copies takes all of
#   them for one picture, so that removing "duplicates" leaves one, or finds every test face in the training set.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ImageHash==4.3.2 pillow==13.0.0 numpy==2.4.6 2>/dev/null
cd "$work"
"$work/venv/bin/python" -W error - <<'PY'
import imagehash
import numpy as np
from PIL import Image

random = np.random.default_rng(0)
rows, columns = np.mgrid[:48, :48]
pictures = []
for _ in range(20):
    wave = np.sin(columns / random.uniform(4, 9) + random.uniform(0, 6)) + np.cos(rows / random.uniform(4, 9) + columns / 11)
    pictures.append(np.round(127 + 55 * wave).astype(np.uint16))


def read(levels, name):
    Image.fromarray(levels).save(name)
    with Image.open(name) as picture:
        return picture.copy()


same = True
for way in ("average_hash", "phash", "dhash", "whash"):
    hashed = getattr(imagehash, way)
    eight = {str(hashed(read(picture.astype(np.uint8), "8.png"))) for picture in pictures}
    sixteen = {str(hashed(read(picture * factor, "16.png"))) for picture in pictures for factor in (257, 16)}
    white = str(hashed(Image.new("L", (48, 48), 255)))
    divided = {str(hashed(Image.fromarray((picture * 257 // 257).astype(np.uint8)))) for picture in pictures}
    print(f"{way}: {len(eight)} hashes in 8 bits, {len(sixteen)} in 16 bits, {sorted(sixteen)[0][:16]}; white {white[:16]}")
    same &= len(eight) == 20 and sixteen == {white} and divided == eight
print("mode of the 16-bit picture:", read(pictures[0] * 257, "16.png").mode)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# ncnn: a face cut out of a photo, or a picture with its channels put first, reaches the network scrambled.
#
# Packages: ncnn==1.0.20261020, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a photo of 12 x 16 bytes in three channels; the part photo[2:8, 3:11] as a detector gives it, through
#   ncnn.Mat.from_pixels(part, PIXEL_RGB, 8, 6); and float32 pictures through ncnn.Mat(): with transpose(2, 0, 1), a
#   part of a gray one, and copies of all three by np.ascontiguousarray().
# Expected: the numbers that were given, or an error for an array that does not lie in one piece.
# Seen 2026-11-29: shape and type are right, and copies come out as given. Of the part of the photo, the transposed
#   picture and the part of the gray one, most numbers are wrong: the array's first address is taken, and its memory is
#   read on from there as if it lay in one piece, so that the part holds what stands beside the face. No warning.
# What it means: "crop, channels first, Mat" is how a face gets into a network, and each of the first two makes such an
#   array. The network answers all the same. np.ascontiguousarray() before the Mat helps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ncnn==1.0.20261020 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import ncnn
import numpy as np

photo = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
part = photo[2:8, 3:11]
gray = photo[..., 0].astype(np.float32)


def pixels(picture):
    height, width, _ = picture.shape
    return ncnn.Mat.from_pixels(picture, ncnn.Mat.PixelType.PIXEL_RGB, width, height)


ways = {"from_pixels, part of a photo": (pixels, part, part.transpose(2, 0, 1)),
        "Mat, channels first": (ncnn.Mat, photo.astype(np.float32).transpose(2, 0, 1), None),
        "Mat, part of a gray picture": (ncnn.Mat, gray[2:8, 3:11], None)}
same = np.array_equal(np.array(pixels(photo)), photo.transpose(2, 0, 1))
for name, (way, given, wanted) in ways.items():
    wanted = given if wanted is None else wanted
    copy = np.ascontiguousarray(given)
    got = np.array(way(given))
    got_of_copy = np.array(way(copy))
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    wrong, wrong_of_copy = float((got != wanted).mean()), float((got_of_copy != wanted).mean())
    print(f"{name}: {wrong:.0%} of the numbers wrong, {wrong_of_copy:.0%} for a copy")
    same &= wrong > 0.5 and wrong_of_copy == 0
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

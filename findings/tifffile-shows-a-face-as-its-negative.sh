#!/usr/bin/env bash
# tifffile, imageio and scikit-image read a TIFF in which 0 is white as a negative, and one with a palette as its
#   numbers, where Pillow and OpenCV show the face.
#
# Packages: tifffile==2026.3.3, imageio==2.38.1, scikit-image==0.26.0, pillow==13.0.0,
#   opencv-python-headless==5.0.0.93, numpy==2.4.6, Python 3.11.
# Input: a gray picture of 48 x 48 with smooth waves, as TIFF with the photometric interpretation "black is zero",
#   with "white is zero" (the levels stored as 255 minus them, as scanners and fax programs do), with a palette of 64
#   grays as Pillow writes it, and the palette again as PNG; read by tifffile.imread, imageio.v3.imread,
#   skimage.io.imread, Pillow and cv2.imread.
# Expected: the same levels from all five, each time; the tag says what 0 means, and a palette in a PNG is applied by
#   imageio and scikit-image.
# Seen 2026-11-29: "black is zero" is the same for all. Of "white is zero" Pillow and OpenCV give the levels, the
#   other three 255 minus the levels; of the palette those three give the places in it, 0 to 63, as a dark gray picture
#   of two axes. PNG is right for imageio and scikit-image. Nothing is warned.
# What it means: photos for research, JAFFE's among them, are often TIFF. A network sees negatives, or noise, from one
#   reader and faces from another, in pictures of the same shape and type; a mix in one set passes all checks but a look
#   at it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tifffile==2026.3.3 imageio==2.38.1 scikit-image==0.26.0 pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6 2>/dev/null
export WORK="$work"
"$work/venv/bin/python" - <<'PY'
import os
from pathlib import Path

import cv2
import imageio.v3 as imageio
import numpy as np
import skimage.io
import tifffile
from PIL import Image

place = np.arange(48)
levels = (120 + 60 * np.sin(place / 5) + 50 * np.cos(place / 7)[:, None]).round().astype(np.uint8)
folder = Path(os.environ["WORK"])
tifffile.imwrite(folder / "black is zero.tif", levels, photometric="minisblack")
tifffile.imwrite(folder / "white is zero.tif", 255 - levels, photometric="miniswhite")
few = Image.fromarray(levels).quantize(64)
few.save(folder / "palette.tif")
few.save(folder / "palette.png")


def gray(picture):
    picture = np.asarray(picture).astype(float)
    return picture.mean(-1) if picture.ndim == 3 else picture


readers = {"Pillow": lambda path: Image.open(path).convert("L"), "OpenCV": lambda path: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE),
           "tifffile": tifffile.imread, "imageio": imageio.imread, "scikit-image": skimage.io.imread}
off = {}
for name in ("black is zero.tif", "white is zero.tif", "palette.tif", "palette.png"):
    for reader, read in readers.items():
        if name.endswith("png") and reader == "tifffile":
            continue
        picture = gray(read(folder / name))
        off[name, reader] = float(np.abs(picture - levels).mean())
        if name == "white is zero.tif" and reader not in ("Pillow", "OpenCV"):
            off["negative", reader] = float(np.abs(255 - picture - levels).max())
    print(f"{name}: off by", ", ".join(f"{reader} {value:.1f}" for (what, reader), value in off.items() if what == name))
wrong = {("white is zero.tif", reader) for reader in ("tifffile", "imageio", "scikit-image")}
wrong |= {("palette.tif", reader) for reader in ("tifffile", "imageio", "scikit-image")}
same = all(value > 30 if key in wrong else value < 3 for key, value in off.items())
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

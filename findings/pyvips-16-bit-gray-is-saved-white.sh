#!/usr/bin/env bash
# pyvips: a gray picture of 16 bits that comes from NumPy is saved as a white PNG, and as a right one in JPEG and
#   TIFF.
#
# Packages: pyvips==3.2.0, pyvips-binary==8.18.7, pillow==13.0.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a gray picture of 48 x 48 with smooth waves, levels from 10 to 230 times 257, as uint16, through
#   Image.new_from_array and write_to_buffer as PNG, JPEG and TIFF, and through thumbnail_image(24); the same in three
#   channels, and with interpretation="grey16" and "rgb16" given.
# Expected: the levels that were given, in 16 bits where the format has them, as TIFF shows them; pyvips knows that
#   the numbers are of 16 bits (format "ushort").
# Seen 2026-11-29: TIFF is right and JPEG to a level. The PNG has 8 bits and is 255 everywhere, and so is the
#   thumbnail, that of three channels too: the picture is called "b-w" or "srgb", which are of 8 bits, so that whatever
#   is above 255 is cut off; JPEG is written by another way, which divides. With "grey16" and "rgb16" given all are
#   right. Nothing is raised or warned.
# What it means: infrared and depth pictures of faces are kept in 16 bits. A test by JPEG or TIFF passes, and the data
#   set of PNGs, or the thumbnails for people to label, is white.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pyvips==3.2.0 pyvips-binary==8.18.7 pillow==13.0.0 numpy==2.4.6 2>/dev/null
"$work/venv/bin/python" -W ignore - <<'PY'
import io

import numpy as np
import pyvips
from PIL import Image

place = np.arange(48)
levels = (120 + 60 * np.sin(place / 5) + 50 * np.cos(place / 7)[:, None]).round()
deep = (levels * 257).astype(np.uint16)
same = True
for name, array, called in (("gray", deep, "grey16"), ("three channels", np.stack([deep] * 3, -1), "rgb16")):
    for told in (False, True):
        image = pyvips.Image.new_from_array(array, interpretation=called) if told else pyvips.Image.new_from_array(array)
        off = {}
        for ending in (".png", ".jpg", ".tif"):
            written = np.asarray(Image.open(io.BytesIO(image.write_to_buffer(ending)))).reshape(48, 48, -1)[..., 0]
            off[ending] = np.abs(written / (257 if written.dtype == np.uint16 else 1) - levels).mean()
            white = bool((written == 255).all())
            print(f"{name}, {image.interpretation} {image.format}, {ending}: {written.dtype}, off by {off[ending]:.1f} levels" + ", all 255" * white)
            same &= white == (ending == ".png" and name == "gray" and not told)
        small = image.thumbnail_image(24).numpy()
        print(f"{name}, {image.interpretation}, thumbnail: {small.dtype} from {small.min()} to {small.max()}")
        same &= bool((small == 255).all()) == (not told) and image.format == "ushort"
        same &= off[".jpg"] < 3 and off[".tif"] < 1 and (off[".png"] > 100 if name == "gray" and not told else off[".png"] < 1)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

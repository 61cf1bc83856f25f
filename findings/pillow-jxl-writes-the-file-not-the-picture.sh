#!/usr/bin/env bash
# pillow-jxl-plugin: a JPEG with a black box drawn over the face is saved as JPEG XL with the face, without the box.
#
# Packages: pillow-jxl-plugin==1.3.8, pillow==13.0.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: Image.open("photo.jpg"), changed in place by ImageDraw.rectangle, paste, putpixel or thumbnail, then
#   save("photo.jxl"), and the same with lossless_jpeg=True and False; and a changed copy.
# Expected: what was drawn, as every other writer of Pillow saves it.
# Seen 2026-11-28: the pixels of the file on the disk, in its full size: as long as image.format is "JPEG" and the
#   image has a file name, save() opens that file and packs it again, and looks at no pixel. With lossless_jpeg=True
#   nothing is said; without it a warning names "JPEG reconstruction" and a "lossless JXL image", not that changes are
#   lost. lossless_jpeg=False saves what was drawn, and so does a copy (its format is None).
# What it means: faces that were made unrecognisable are published, and a data set of thumbnails holds the full
#   photos. Call image.copy() before saving.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pillow-jxl-plugin==1.3.8 pillow==13.0.0 numpy==2.4.6 2>/dev/null
cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image, ImageDraw

rows, columns = np.mgrid[:64, :96]
waves = [128 + 80 * np.sin(columns / 7), 128 + 60 * np.cos(rows / 9), 128 + 50 * np.sin((rows + columns) / 11)]
Image.fromarray(np.stack(waves, -1).astype("uint8")).save("photo.jpg", quality=92)
photo = np.asarray(Image.open("photo.jpg"), float)
changes = {
    "ImageDraw.rectangle": lambda image: ImageDraw.Draw(image).rectangle((0, 0, 95, 63), fill=(0, 0, 0)),
    "paste": lambda image: image.paste((0, 0, 0), (0, 0, 96, 64)),
    "putpixel": lambda image: [image.putpixel((x, y), (0, 0, 0)) for x in range(96) for y in range(64)],
    "thumbnail": lambda image: image.thumbnail((48, 48)),
}
same = True
for name, change in changes.items():
    for how in ("default", "lossless_jpeg=True", "lossless_jpeg=False", "copy"):
        image = Image.open("photo.jpg")
        change(image)
        drawn = np.asarray(image, float)
        if how == "copy":
            image = image.copy()
        options = {"lossless_jpeg": how.endswith("True")} if "=" in how else {}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            image.save("photo.jxl", **options)
        saved = np.asarray(Image.open("photo.jxl"), float)
        old = saved.shape == photo.shape and np.abs(saved - photo).mean() < 3
        new = saved.shape == drawn.shape and np.abs(saved - drawn).mean() < 3
        print(f"{name}, {how}: saved {saved.shape[1]} x {saved.shape[0]}, "
              f"{'the file as it was' if old else 'what was drawn' if new else 'neither'}, {len(said)} warnings")
        same &= (old, new) == ((True, False) if how in ("default", "lossless_jpeg=True") else (False, True))
        same &= len(said) == (how == "default")
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

#!/usr/bin/env bash
# pillow-heif: save(exif=image.getexif()) of an upright phone photo writes a HEIC that lies on its side and says it
#   does not.
#
# Packages: pillow-heif==1.8.1, pillow==13.0.0, Python 3.11, Linux x86_64.
# Input: a JPEG of 96 x 48 pixels with EXIF orientation 6, as phones write it (upright it is 48 x 96), saved as HEIC
#   without exif=, with exif=image.info["exif"] (bytes), and with exif=image.getexif() (the object), which Pillow's own
#   writers take alike; and as AVIF by Pillow with the object.
# Expected: upright (48 x 96 after ImageOps.exif_transpose) each time.
# Seen 2026-11-28: upright without exif= and with the bytes: the file has a rotation (irot). With the object the tag 6
#   is written but no rotation. On reading, pillow-heif takes the rotation for done and sets the tag to 1, so the
#   picture is 96 x 48, on its side, and exif_transpose() has nothing to go by; the 6 is in
#   info["original_orientation"] alone. Pillow's AVIF writer, given the object, is upright. The encoder looks for the
#   tag in bytes and passes over the error that an object gives.
# What it means: a face on its side is often not found, or read wrongly. Pass exif=image.getexif().tobytes().
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pillow-heif==1.8.1 pillow==13.0.0 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import io

import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
tag = 0x0112
exif = Image.Exif()
exif[tag] = 6
jpeg = io.BytesIO()
Image.new("RGB", (96, 48), "red").save(jpeg, "JPEG", exif=exif)

ways = {
    "HEIF, without exif=": ("HEIF", lambda photo: {}, (48, 96)),
    "HEIF, exif= bytes": ("HEIF", lambda photo: {"exif": photo.info["exif"]}, (48, 96)),
    "HEIF, exif= getexif().tobytes()": ("HEIF", lambda photo: {"exif": photo.getexif().tobytes()}, (48, 96)),
    "HEIF, exif= getexif()": ("HEIF", lambda photo: {"exif": photo.getexif()}, (96, 48)),
    "AVIF, exif= getexif()": ("AVIF", lambda photo: {"exif": photo.getexif()}, (48, 96)),
}
same = True
for name, (form, options, size) in ways.items():
    photo, file = Image.open(io.BytesIO(jpeg.getvalue())), io.BytesIO()
    photo.save(file, form, **options(photo))
    back = Image.open(io.BytesIO(file.getvalue()))
    shown = ImageOps.exif_transpose(back).size
    print(f"{name}: irot {b'irot' in file.getvalue()}, read as {back.size} with tag {back.getexif().get(tag)}, "
          f"original_orientation {back.info.get('original_orientation')}, shown {shown}")
    same &= shown == size and (b"irot" in file.getvalue()) == (size == (48, 96))
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

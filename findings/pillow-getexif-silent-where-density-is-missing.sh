#!/usr/bin/env bash
# Whether Pillow says that a JPEG's EXIF block cannot be read depends on whether the JPEG states a density.
#
# Package: pillow==13.0.0, Python 3.11.
# Input: two JPEGs with the same EXIF block, text that is no TIFF header; one saved with dpi, the other without.
# Expected: getexif() of both raises "not a TIFF file", or of neither.
# Seen 2026-11-28: with a density it raises SyntaxError. Without one, opening looks for the density in the EXIF, swallows the error, and
#   getexif() then gives an empty Exif as if there were none: a lost orientation is not noticed.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pillow==13.0.0 2>/dev/null
"$work/venv/bin/python" - <<'PY'
import io

from PIL import Image

seen = {}
for name, options in {"with a density": {"dpi": (72, 72)}, "without": {}}.items():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=b"Exif\0\0no block of this kind", **options)
    try:
        seen[name] = f"{len(Image.open(file).getexif())} entries"
    except SyntaxError as error:
        seen[name] = f"SyntaxError: {error}"
    print(f"{name}: {seen[name]}")
same = seen["with a density"].startswith("SyntaxError: not a TIFF file") and seen["without"] == "0 entries"
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

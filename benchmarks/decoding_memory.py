"""How much memory decoding takes, beside what mien reckons before it decodes. Linux only.

    python benchmarks/decoding_memory.py --megapixels 48

A table of formats and modes: bytes a pixel that were seen (largest resident memory while `read_image` ran, less what
the process had before) and that were reckoned (`mien.decoding.decoding_bytes`). Exit code 1 when more was seen. Takes
about a minute at 48 megapixels and writes 1 GB to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image as pillow

MEASURE = """
import sys
from PIL import Image as pillow
from mien.decoding import decoding_bytes
from mien.images import _reduction, read_image

def resident(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what)) * 1024

pillow.MAX_IMAGE_PIXELS = None
try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:
    pass
for path in sys.argv[1:]:
    with pillow.open(path) as image:
        reckoned = decoding_bytes(image, _reduction(*image.size, ""))
    open("/proc/self/clear_refs", "w").write("5")
    before = resident("VmRSS")
    read_image(path, max_pixels=10**10)
    print(resident("VmHWM") - before, reckoned)
"""
# Allocators and threads of decoders, whatever the size.
_SLACK_BYTES = 6_000_000


def pictures(width: int, height: int) -> Iterator[tuple[str, str, pillow.Image, dict[str, object]]]:
    """Name, format, picture and options of every form that is measured."""
    ramp = np.linspace(0, 255, width, dtype=np.float32) + np.linspace(0, 20, height, dtype=np.float32)[:, None]
    values = (ramp % 256).astype(np.uint8)
    gray = pillow.fromarray(values)
    colour = pillow.merge("RGB", (gray, gray.transpose(pillow.Transpose.FLIP_LEFT_RIGHT), gray))
    clear = colour.copy()
    clear.putalpha(gray)
    deep = pillow.fromarray(values.astype(np.uint16) * 200)
    palette = colour.quantize(64)
    yield "JPEG", "JPEG", colour, {}
    yield "JPEG, gray", "JPEG", gray, {}
    yield "JPEG, CMYK", "JPEG", colour.convert("CMYK"), {}
    yield "JPEG, progressive", "JPEG", colour, {"progressive": True, "subsampling": 0}
    for name, image in {"gray": gray, "RGB": colour, "RGBA": clear, "16 bits": deep, "palette": palette}.items():
        yield f"PNG, {name}", "PNG", image, {"compress_level": 1}
    yield "PNG, transparent palette", "PNG", palette, {"compress_level": 1, "transparency": 3}
    yield "WebP", "WEBP", colour, {"method": 0}
    yield "WebP, RGBA, lossless", "WEBP", clear, {"method": 0, "lossless": True}
    yield "WebP, one colour", "WEBP", pillow.new("RGB", gray.size, (9, 9, 9)), {"method": 0}
    yield "AVIF", "AVIF", colour, {"speed": 10}
    yield "AVIF, RGBA", "AVIF", clear, {"speed": 10}
    floats = pillow.fromarray(values.astype(np.float32))
    for name, image in {"gray": gray, "RGB": colour, "16 bits": deep, "float": floats}.items():
        yield f"TIFF, {name}", "TIFF", image, {"compression": "tiff_deflate"}
    yield "GIF", "GIF", palette, {}
    yield "BMP", "BMP", colour, {}
    yield "PPM", "PPM", colour, {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=48)
    width = round((parser.parse_args().megapixels * 1e6 * 4 / 3) ** 0.5)
    height = width * 3 // 4
    if width > 8 * 16383:
        raise SystemExit("WebP has at most 16,383 pixels a side.")
    print(f"{width} x {height} pixels; Pillow {version('pillow')}")
    excess = 0
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "warm.png")]
        pillow.new("L", (8, 8)).save(files[0])
        names = []
        for name, form, image, options in pictures(width, height):
            names.append(name)
            files.append(Path(folder, f"{len(names)}.img"))
            image.save(files[-1], form, **options)
        # What is freed goes back to the system at once, so that one process can measure all.
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
        answer = subprocess.run(
            [sys.executable, "-c", MEASURE, *map(str, files)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=environment,
        )
    for name, line in zip(names, answer.stdout.splitlines()[1:], strict=True):
        seen, reckoned = map(int, line.split())
        mark = "" if seen <= reckoned + _SLACK_BYTES else "  MORE THAN RECKONED"
        excess += bool(mark)
        pixels = width * height
        print(f"{name:26} {seen / pixels:6.2f} of {reckoned / pixels:6.2f} bytes a pixel{mark}", flush=True)
    return 1 if excess else 0


if __name__ == "__main__":
    sys.exit(main())

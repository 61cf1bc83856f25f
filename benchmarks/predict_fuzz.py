"""Are damaged image files harmless? 2,000 mutations of small photos through reading and face detection.

    python benchmarks/predict_fuzz.py [--count 2000] [--folder FOLDER]

Expected: five minutes on two cores, most of it face detection; "2,000 files: 0 crashes", slowest file below 5 s, peak
memory (as Linux counts it) below 1 GiB. Mutations: bits flipped, bytes set, cut, spliced with another file, a part left
out or doubled, and headers that lie about the size. The originals are drawn here; with --folder also the photos of a
folder.
"""

from __future__ import annotations

import argparse
import io
import resource
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image as pillow

from mien.errors import ImageError
from mien.images import read_image
from mien.inference.batch import find_photos
from mien.inference.detector import Detector
from mien.randomness import generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    originals = drawn_files()
    if arguments.folder:
        originals += [photo.path.read_bytes() for photo in find_photos([arguments.folder])]
    random = generator(0, "fuzz")
    detector = Detector()
    outcomes: Counter[str] = Counter()
    slowest, failures = (0.0, 0.0, ""), []
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *_: failures.append(f"a warning leaks: {message}")
    for number in range(arguments.count):
        content = mutated(originals, random)
        start, start_cpu, size = time.perf_counter(), time.process_time(), "refused"
        try:
            image = read_image(content)
            size = "{} x {}".format(*image.photo_size)
            detector.detect(image)
            outcomes["read, with remarks" if image.notes else "read"] += 1
        except ImageError as error:
            outcomes["refused: " + str(error).removeprefix("bytes ")[:24]] += 1
        except Exception as error:  # the finding that this script looks for
            failures.append(f"file {number}: {type(error).__name__} {error}")
        slowest = max(slowest, (time.perf_counter() - start, time.process_time() - start_cpu, size))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{arguments.count:,} files: {len(failures)} crashes, peak {peak:.2f} GiB")
    print("slowest: {:.2f} s, {:.2f} s of computing, a file of {}".format(*slowest))
    for outcome, count in outcomes.most_common(12):
        print(f"{count:6,}  {outcome}")
    print("\n".join(failures))
    sys.exit(bool(failures) or slowest[0] > 5 or peak > 1)


def drawn_files() -> list[bytes]:
    random = generator(0, "fuzz originals")
    small = random.integers(0, 256, (12, 16, 3)).astype(np.uint8)
    photo = pillow.fromarray(small).resize((320, 240), pillow.Resampling.BICUBIC)
    exif = pillow.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "camera"
    frames = [photo.convert("P"), photo.rotate(90).convert("P")]
    deep = pillow.fromarray((random.random((60, 80)) * 65535).astype(np.uint16))
    alpha = photo.copy()
    alpha.putalpha(100)
    return [
        encoded(photo, "JPEG", exif=exif),
        encoded(photo, "JPEG", progressive=True),
        encoded(photo.convert("L"), "JPEG"),
        encoded(photo.convert("CMYK"), "JPEG"),
        encoded(photo, "PNG"),
        encoded(alpha, "PNG", exif=exif),
        encoded(deep, "PNG"),
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        encoded(photo, "BMP"),
        encoded(photo, "WEBP", exif=exif),
        encoded(photo, "AVIF"),
        encoded(photo, "TIFF", compression="tiff_lzw", exif=exif),
        encoded(photo, "TIFF", compression="jpeg"),
        encoded(photo, "PPM"),
    ]


def encoded(photo: pillow.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, form, **options)
    return buffer.getvalue()


def mutated(originals: list[bytes], random: np.random.Generator) -> bytes:
    content = bytearray(originals[random.integers(len(originals))])
    kind = random.integers(6)
    # Half of the mutations hit the first 200 bytes, where sizes and types are.
    reach = len(content) if random.random() < 0.5 else min(200, len(content))
    place = int(random.integers(reach))
    length = int(random.integers(1, max(2, min(4000, len(content) - place))))
    if kind == 0:
        for spot in random.integers(0, reach, random.integers(1, 12)):
            content[spot] ^= 1 << int(random.integers(8))
    elif kind == 1:
        content[place : place + 4] = random.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
    elif kind == 2:
        content = content[:place]
    elif kind == 3:
        content = content[:place] + originals[random.integers(len(originals))][place:]
    elif kind == 4:
        part = content[place : place + length]
        content[place : place + length] = part * int(random.choice([0, 2]))
    else:
        lie_about_size(content, random)
    return bytes(content)


def lie_about_size(content: bytearray, random: np.random.Generator) -> None:
    """Put another width and height in the header of a JPEG, PNG, GIF or BMP; elsewhere into any place."""
    width, height = (int(2 ** random.uniform(0, 16)) for _ in range(2))
    if content[:2] == b"\xff\xd8":
        frame = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
        content[frame + 5 : frame + 9] = struct.pack(">HH", min(height, 65535), min(width, 65535))
    elif content[:4] == b"\x89PNG":
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif content[:3] == b"GIF":
        content[6:10] = struct.pack("<HH", min(width, 65535), min(height, 65535))
    elif content[:2] == b"BM":
        content[18:26] = struct.pack("<ii", width, height)
    else:
        place = int(random.integers(max(1, min(200, len(content) - 4))))
        content[place : place + 4] = struct.pack("<I", width)


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# imageio with imageio-ffmpeg gives 97 frames of a video that has 6, if they are unevenly spaced, as phones film.
#
# Packages: imageio==2.38.1, imageio-ffmpeg==0.8.1, av==18.1.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: an H.264 video of six frames at 0, 0.04, 0.08, 1, 1.04 and 3 seconds, each of its own gray, made by PyAV;
#   read by imageio.v2.get_reader(path, "ffmpeg"), by imageio.v3.imiter(path, plugin="pyav") and by PyAV; the same with
#   six frames at 0, 0.04, .. 0.2.
# Expected: six frames, in both, from each of the three.
# Seen 2026-11-29: evenly spaced it is six from each. Unevenly PyAV and plugin="pyav" give six, and "ffmpeg" 97: the
#   first two once each, the others 22 to 26 times, as FFmpeg fills the gaps between them to an even rate.
#   get_meta_data() says 5.36 frames a second, by which 97 frames last 18 seconds where the film has 3. get_reader(path)
#   without a name chooses "ffmpeg". Nothing is said.
# What it means: phones film with uneven spaces, more so in the dark. Shares of frames by expression count one frame
#   twenty times, "frames" of training and test sets are copies of each other, and the time of an answer cannot be told
#   from its number. Read with PyAV and take each frame's own time.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet imageio==2.38.1 imageio-ffmpeg==0.8.1 av==18.1.0 numpy==2.4.6 2>/dev/null
export WORK="$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import collections
import os
from fractions import Fraction

import av
import imageio.v2
import imageio.v3
import numpy as np

grays = [10, 50, 90, 130, 170, 210]


def film(path, times):
    with av.open(path, "w") as video:
        stream = video.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, gray in zip(times, grays, strict=True):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), gray, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            video.mux(stream.encode(frame))
        video.mux(stream.encode())


def counted(frames):
    near = [grays[int(np.abs(np.array(grays) - frame.mean()).argmin())] for frame in frames]
    return list(collections.Counter(near).values()), len(near)


same = True
for name, times in (("even", [0, 40, 80, 120, 160, 200]), ("uneven", [0, 40, 80, 1000, 1040, 3000])):
    path = os.path.join(os.environ["WORK"], name + ".mp4")
    film(path, times)
    with av.open(path) as video:
        by_av = counted(frame.to_ndarray(format="rgb24") for frame in video.decode(video=0))
    by_pyav = counted(imageio.v3.imiter(path, plugin="pyav"))
    with imageio.v2.get_reader(path, "ffmpeg") as reader:
        by_ffmpeg, rate = counted(reader), reader.get_meta_data()["fps"]
    with imageio.v2.get_reader(path) as reader:
        default = counted(reader)
    print(f"{name}: PyAV {by_av}, imageio with PyAV {by_pyav}, imageio with ffmpeg {by_ffmpeg} at {rate} a second, imageio's own choice {default}")
    same &= by_av == by_pyav == ([1] * 6, 6) and (by_ffmpeg == ([1] * 6, 6)) == (name == "even")
    if name == "uneven":
        same &= by_ffmpeg[1] > 50 and default == by_ffmpeg
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

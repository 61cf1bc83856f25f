#!/usr/bin/env bash
# albumentations: AutoContrast overwrites the gray picture that it is given: after a few epochs the data set itself is
#   another one.
#
# Packages: albumentations==2.0.8, opencv-python-headless==5.0.0.93, numpy==2.4.6, Python 3.11.
# Input: an array of 200 gray faces of 48 x 48 bytes, as FER2013 is read, with levels from about 60 to 190; ten epochs
#   of Compose([AutoContrast(p=0.2)])(image=faces[i]), the result of which is thrown away; AutoContrast with
#   method="pil", the same faces as 48 x 48 x 1, as three channels and as float32; and seven other transforms of
#   contrast and brightness.
# Expected: faces as it was; a transform gives a new picture, as its example has it.
# Seen 2026-11-29: after one epoch 16 % of the faces are stretched to 0..255 in the array, after ten 87 %, by both
#   methods. With a third axis, with three channels, as float32 and by the other transforms nothing is overwritten: for
#   a picture of two axes the table is applied into the channel, and the only channel is the picture given. Nothing is
#   said.
# What it means: "with a probability of 0.2" becomes "always" in the course of a training, a picture that is kept for
#   validation or for a second run is no longer the one that was read, and training after a restart differs from
#   training on. Give it a copy, or a third axis.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet albumentations==2.0.8 opencv-python-headless==5.0.0.93 numpy==2.4.6 2>/dev/null
export NO_ALBUMENTATIONS_UPDATE=1
"$work/venv/bin/python" -W ignore - <<'PY'
import albumentations as augment
import numpy as np

random = np.random.default_rng(0)
rows, columns = np.mgrid[:48, :48]
waves = [np.sin(columns / random.uniform(4, 9) + rows / random.uniform(4, 9) + random.uniform(0, 6)) for _ in range(200)]
read = np.stack([125 + 60 * wave for wave in waves]).round().astype(np.uint8)


def overwritten(transform, faces, epochs):
    """Share of the faces that are no longer as they were, after each epoch."""
    kept, shares = faces.copy(), []
    way = augment.Compose([transform], seed=0)
    for _ in range(epochs):
        for face in faces:
            way(image=face)
        shares.append(float(np.mean(np.any((faces != kept).reshape(len(faces), -1), axis=1))))
    return shares


seen = {}
for method in ("cdf", "pil"):
    faces = read.copy()
    seen[method] = overwritten(augment.AutoContrast(method=method, p=0.2), faces, 10)
    print(f"method={method}: {[f'{share:.0%}' for share in seen[method]]} of the faces overwritten after each epoch; "
          f"levels were {read.min()} to {read.max()}, are {faces.min()} to {faces.max()}")
others = {name: overwritten(augment.AutoContrast(p=1), faces, 1)[0] for name, faces in
          {"third axis": read[..., None].copy(), "three channels": np.repeat(read[..., None], 3, axis=3),
           "float32": read.astype(np.float32) / 255}.items()}
for name in ("Equalize", "CLAHE", "RandomGamma", "RandomBrightnessContrast", "RandomToneCurve", "Solarize", "InvertImg"):
    others[name] = overwritten(getattr(augment, name)(p=1), read.copy(), 1)[0]
print("others:", others)
same = all(0.1 < shares[0] < 0.3 and shares[-1] > 0.8 for shares in seen.values()) and not any(others.values())
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

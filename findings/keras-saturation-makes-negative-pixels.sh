#!/usr/bin/env bash
# Keras' RandomSaturation makes pixels of -765 out of pictures in 0..255, and right ones out of the same pictures in 0..1.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, on the processor.
# Input: four colours, a red of (255, 0, 0) and two of skin among them, through RandomSaturation((factor, factor)) for
#   factors of 0.25 to 0.9; as floats in 0..255 with the layer's default value_range of (0, 255), and divided by 255 with
#   value_range=(0, 1).
# Expected: the same colours from both, in 0..255, with 0.5 changing nothing and 1 giving the full saturation.
# Seen 2026-11-28: up to 0.5 they are the same. Above it, in 0..255 alone, (200, 120, 100) becomes (200, -120, -200) at 0.8
#   and (255, 0, 0) becomes (255, -765, -765), at 0.9 -2040. The saturation is a number in 0..1 whatever the range of the
#   pixels, and is cut off at value_range's end instead of at 1. Nothing is raised or warned.
# What it means: a network is trained on values that no photo has, on the layer's defaults, and learns less with "more
#   augmentation". Give it pictures in 0..1, or clip after it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work" "$work/venv/bin/python" - 2>/dev/null <<'PY'
import keras
import numpy as np

colours = np.array([[[[200, 120, 100], [220, 180, 160], [128, 128, 128], [255, 0, 0]]]], "float32")


def saturated(pixels, factor, **options):
    return np.asarray(keras.layers.RandomSaturation((factor, factor), **options)(pixels, training=True))


same = True
for factor in (0.25, 0.5, 0.7, 0.8, 0.9):
    bytes_, unit = saturated(colours, factor), saturated(colours / 255, factor, value_range=(0, 1)) * 255
    print(f"factor {factor}: in 0..255 down to {bytes_.min():.0f}, in 0..1 down to {unit.min():.0f}; "
          f"skin {bytes_[0, 0, 0].round().tolist()} and {unit[0, 0, 0].round().tolist()}")
    alike = np.allclose(bytes_, unit, atol=0.01)
    same &= unit.min() >= -0.01 and (alike if factor <= 0.5 else bytes_.min() < -300)
same &= np.allclose(saturated(colours, 0.8)[0, 0, 3], [255, -765, -765], atol=1)
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

#!/usr/bin/env bash
# Keras: RandomBrightness of a picture kept as bytes makes its light parts dark, and never makes it darker.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, on the processor.
# Input: a picture with each level from 0 to 255 once, as uint8, as int32 and as float32, through
#   RandomBrightness((factor, factor))(picture, training=True) for factors of -0.3, 0.05 and 0.3.
# Expected: the picture of the floats, cut off at 0 and 255: the docstring asks for "float or int dtype", says that the
#   layer "will output floats" and that the value is clipped to the range.
# Seen 2026-11-29: int32 is the floats to within a level (it stays int32). uint8 stays uint8: at 0.3 a level of 200
#   becomes 20 where 255 is expected, at 0.05 one of 250 becomes 6, and at -0.3 the picture stays as it is. The shift is
#   cast to a byte first (-76.5 to 0 on JAX, elsewhere to 180, which wraps), the sum is made in bytes, and the clipping to
#   0..255 comes after it. Inside a model whose Input is uint8 it is no different. Nothing is raised or warned.
# What it means: an image read from a file is uint8, and a tf.data or grain map() hands it to the layer as such;
#   "brighter and darker" training pictures are then as they were, or have black blots for highlights. Cast to float32.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work/keras"
"$work/venv/bin/python" - <<'PY'
import keras
import numpy as np

levels = np.arange(256).reshape(16, 16, 1).repeat(3, -1)
same = True
for factor in (-0.3, 0.05, 0.3):
    made = {}
    for kind in ("float32", "int32", "uint8"):
        made[kind] = np.asarray(keras.layers.RandomBrightness((factor, factor))(levels.astype(kind), training=True))
    named = {kind: [round(float(picture[..., 0].ravel()[level])) for level in (0, 100, 200, 250)] for kind, picture in made.items()}
    away = {kind: np.abs(made[kind].astype(float) - made["float32"]) for kind in ("int32", "uint8")}
    print(f"factor {factor}: levels 0, 100, 200 and 250 become {named}; wrong by more than a level: "
          + ", ".join(f"{(off > 1).mean():.0%} as {kind}" for kind, off in away.items()))
    same &= made["uint8"].dtype == np.uint8 and float(away["int32"].max()) <= 1
    same &= (made["uint8"] == levels).all() if factor < 0 else float(away["uint8"].max()) > 200
inputs = keras.Input((16, 16, 3), dtype="uint8")
model = keras.Model(inputs, keras.layers.RandomBrightness((0.3, 0.3))(inputs))
inside = np.asarray(model(levels[None].astype(np.uint8), training=True))
print("inside a model with an input of uint8:", inside.dtype, [round(float(inside[0, ..., 0].ravel()[level])) for level in (0, 100, 200, 250)])
same &= (inside[0] == made["uint8"]).all()
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

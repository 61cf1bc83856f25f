#!/usr/bin/env bash
# The decay of batch normalisation's moving averages runs from 0.9 to 0.9997 over the families of Keras Applications.
#
# Packages: keras==3.15.1, tensorflow-cpu==2.21.0, Python 3.11.
# Expected: one decay, Keras' own default of 0.99, so that evaluate() after a short fit() means the same for each network.
# Seen 2026-11-28: 0.9997 in NASNetMobile (192 layers; after an epoch of 237 steps 93 % of the start values are left, after ten
#   epochs of 442 steps 27 %), 0.999 in MobileNetV2 and V3 (79 % after 237 steps), 0.99 in ResNetV2, DenseNet and Inception
#   (9 %), 0.9 in EfficientNetV2 (0 %). A short training of NASNetMobile is evaluated with averages near mean 0, variance 1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 tensorflow-cpu==2.21.0 2>/dev/null
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" - 2>/dev/null <<'PY'
import keras

seen = {"NASNetMobile": (192, 0.9997), "MobileNetV2": (52, 0.999), "MobileNetV3Small": (34, 0.999),
        "DenseNet121": (121, 0.99), "ResNet50V2": (49, 0.99), "EfficientNetV2B0": (59, 0.9), "VGG16": (0, None)}
same = True
for name, (layers, decay) in seen.items():
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(48, 48, 3))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    decays = {layer.momentum for layer in norms}
    left = "" if decay is None else f", {decay**237:.0%} of the start values left after 237 steps"
    print(f"{name}: {len(norms)} layers, decay {sorted(decays)}{left}")
    same &= len(norms) == layers and decays == ({decay} if decay else set())
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

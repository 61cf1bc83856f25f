#!/usr/bin/env bash
# OpenCV's dnn: the padding that TensorFlow's networks ask for is put at the other end since OpenCV 5, and each of its
#   halving layers looks one pixel beside; in OpenCV 4 it is the other mode that is wrong.
#
# Packages: opencv-python-headless==5.0.0.93 and ==4.14.0.94, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6,
#   Python 3.11, Linux x86_64.
# Input: networks of one layer, 3 x 3 with strides of 2, on a picture of 48 x 48 and of 47 x 47: a convolution that
#   takes the middle pixel, another with nine weights, MaxPool and AveragePool; with auto_pad SAME_UPPER (padding="same"
#   in Keras and TensorFlow), with SAME_LOWER, and with the same padding written out as pads.
# Expected: the numbers of ONNX Runtime, each time. For 48 pixels one row of padding is needed: the standard puts it
#   at the end for SAME_UPPER, and at the beginning for SAME_LOWER.
# Seen 2026-11-29: OpenCV 4.14 puts it at the end for both modes. So does the older engine of OpenCV 5; the new one,
#   which is taken where none is named, puts it at the beginning for both. For SAME_UPPER the middle pixels are those at
#   0, 2, 4 .. in OpenCV 5, where they are those at 1, 3, 5 .. The shape is right, nothing is said. With 47 pixels, where
#   both ends get one row, and with pads all is right.
# What it means: a network that was converted from TensorFlow and ran in OpenCV 4 answers otherwise in OpenCV 5: at each
#   halving of its size it is shifted by a pixel more. Write the padding out, or compare with another runtime first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/five"
"$work/five/bin/pip" install --quiet opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
python3 -m venv "$work/four"
"$work/four/bin/pip" install --quiet opencv-python-headless==4.14.0.94 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/five/bin/python" - "$work" <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

folder = sys.argv[1]
random = np.random.default_rng(0)
middle = np.zeros((1, 1, 3, 3), np.float32)
middle[0, 0, 1, 1] = 1
weights = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
cases = {}
for size in (48, 47):
    picture = random.normal(size=(1, 1, size, size)).astype(np.float32)
    rest = (-(-size // 2) - 1) * 2 + 3 - size
    for layer, weight in (("Conv", middle), ("Conv", weights), ("MaxPool", None), ("AveragePool", None)):
        kind = "middle" if weight is middle else layer
        for mode in ("SAME_UPPER", "SAME_LOWER"):
            first = rest // 2 if mode == "SAME_UPPER" else rest - rest // 2
            for way, padding in (("auto", {"auto_pad": mode}), ("pads", {"pads": [first, first, rest - first, rest - first]})):
                node = helper.make_node(layer, ["x"] if weight is None else ["x", "w"], ["y"], strides=[2, 2],
                                        kernel_shape=[3, 3], **padding)
                graph = helper.make_graph([node], "layer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, picture.shape)],
                                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, None, None])],
                                          [] if weight is None else [numpy_helper.from_array(weight, "w")])
                model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
                onnx.checker.check_model(model, full_check=True)
                name = f"{kind},{mode},{way},{size}"
                onnx.save(model, f"{folder}/{name}.onnx")
                session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
                cases[name] = session.run(None, {"x": picture})[0]
    cases[f"picture,{size}"] = picture
right = cases["middle,SAME_UPPER,auto,48"][0, 0]
picture = cases["picture,48"][0, 0]
by_hand = np.array_equal(right, picture[1::2, 1::2]) and np.array_equal(cases["middle,SAME_LOWER,auto,48"][0, 0], picture[::2, ::2])
np.savez(f"{folder}/right.npz", **cases)
raise SystemExit(0 if by_hand else "ONNX Runtime, too, has changed since 2026-11-29")
PY
cat > "$work/look.py" <<'PY'
import sys

import cv2
import numpy as np

(folder,) = sys.argv[1:]
cases = dict(np.load(f"{folder}/right.npz"))
five = hasattr(cv2.dnn, "ENGINE_NEW")
engines = {"classic": cv2.dnn.ENGINE_CLASSIC, "new": cv2.dnn.ENGINE_NEW} if five else {}
wrong = {}
for name, right in cases.items():
    if name.startswith("picture"):
        continue
    kind, mode, way, size = name.split(",")
    for engine in ("none named", *engines):
        net = cv2.dnn.readNetFromONNX(f"{folder}/{name}.onnx", *([engines[engine]] if engine in engines else []))
        net.setInput(cases[f"picture,{size}"], "x")
        found = net.forward()
        off = float(np.abs(found - right).max()) if found.shape == right.shape else np.inf
        if off > 1e-4:
            wrong.setdefault((engine, mode, way, size), set()).add(kind)
        if kind == "middle" and way == "auto" and size == "48":
            picture = cases["picture,48"][0, 0]
            start = next((i for i in (0, 1) if np.array_equal(found[0, 0], picture[i::2, i::2])), None)
            print(f"OpenCV {cv2.__version__}, engine {engine}, {mode}: the middle pixels are those from {start} on")
for (engine, mode, way, size), kinds in wrong.items():
    print(f"OpenCV {cv2.__version__}, engine {engine}, is wrong for {mode} as {way}, {size} pixels: {', '.join(sorted(kinds))}")
all_kinds = {"middle", "Conv", "MaxPool", "AveragePool"}
expected = {("none named", "SAME_UPPER" if five else "SAME_LOWER", "auto", "48"): all_kinds}
if five:
    expected |= {("new", "SAME_UPPER", "auto", "48"): all_kinds, ("classic", "SAME_LOWER", "auto", "48"): all_kinds}
raise SystemExit(0 if wrong == expected else "changed since 2026-11-29")
PY
"$work/five/bin/python" "$work/look.py" "$work"
"$work/four/bin/python" "$work/look.py" "$work"
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# ONNX Runtime: a linear Resize of a uint8 picture cuts the fraction off, so that each resize makes it half a level darker.
#
# Packages: onnxruntime==1.32.0, onnx==1.23.2, numpy==2.4.6, Python 3.11, CPU provider.
# Input: a picture of 64x64 random bytes in three channels, channels first, through a model of one Resize (opset 18, linear,
#   half_pixel) to 40x40 and to 100x100, as uint8 and, the same bytes, as float32; each with antialias 0 and 1.
# Expected: the uint8 result is the float32 result rounded to the nearest level, with a mean difference of about 0.
# Seen 2026-11-28: with antialias=0, ONNX's default, each byte is the float32 result rounded down: on average 0.49 to
#   0.50 levels too dark, and one byte in two is not the nearest one. With antialias=1 the mean difference is below 0.03.
#   The description of Resize in opset 18 does not say how a byte is rounded.
# What it means: a network whose first node resizes the bytes of a photo sees it about 0.2 % of the range darker than one
#   that casts to float first, and two such nodes make a whole level: a shift over the whole picture, not noise. Tests that
#   compare to within one level pass. A Cast to float32 before Resize helps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 2>/dev/null
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

picture = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)


def resized(given, kind, side, antialias):
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=antialias)
    graph = helper.make_graph([node], "resize", [helper.make_tensor_value_info("x", kind, [1, 3, 64, 64])],
                              [helper.make_tensor_value_info("y", kind, [1, 3, side, side])],
                              [helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 3, side, side])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": given})[0]


same = True
for antialias in (0, 1):
    for side in (40, 100):
        as_bytes = resized(picture, TensorProto.UINT8, side, antialias)
        as_floats = resized(picture.astype("float32"), TensorProto.FLOAT, side, antialias)
        mean = float(np.mean(as_bytes - as_floats.astype("float64")))
        down = float(np.mean(as_bytes == np.floor(as_floats)))
        nearest = float(np.mean(as_bytes == np.rint(as_floats)))
        print(f"antialias={antialias}, 64 to {side}: bytes - floats = {mean:+.3f} on average,",
              f"{down:.1%} rounded down, {nearest:.1%} to the nearest")
        same &= (mean < -0.48 and down > 0.999 and nearest < 0.55) if antialias == 0 else abs(mean) < 0.03
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

#!/usr/bin/env bash
# OpenCV's dnn: a picture that the network resizes by 0.77 is resized by 0.766 across and 0.75 down, as the whole
#   pixels come out, and half_pixel_symmetric, made for just this case, is taken for "asymmetric".
#
# Packages: opencv-python-headless==5.0.0.93, onnx==1.23.2, onnxruntime==1.32.0, openvino==2026.4.1, numpy==2.4.6,
#   Python 3.11, Linux x86_64.
# Input: a network of one Resize (opset 18 and 19) of a ramp from 0 to 63 in 64 columns and 40 rows, nearest, linear
#   and cubic: by scales of 0.77 and 1.03, which give 49 and 65 columns; by scales of 0.5; by sizes; and by sizes with
#   coordinate_transformation_mode "half_pixel_symmetric".
# Expected: x_original = (x + 0.5) / scale - 0.5 with the scale that was given (ONNX, Resize), so that neighbours of
#   the resized ramp are 1 / 0.77 = 1.2987 apart, in ONNX Runtime as in OpenVINO. "half_pixel_symmetric" is
#   half_pixel, moved so that the middle stays in the middle; for sizes, where nothing is cut off, it is half_pixel
#   itself.
# Seen 2026-11-29: with sizes and with a scale of 0.5 all is right. With 0.77 the neighbours are 64 / 49 = 1.3061
#   apart: OpenCV divides the sizes, and at the right end of the face it looks 0.36 of a pixel further right; the rows
#   have another factor than the columns (40 / 30). half_pixel_symmetric is "asymmetric": the picture moves by up to
#   0.8 of a pixel. Nothing is raised or warned, and the shapes are right.
# What it means: a landmark or heat map of such a network lies beside its face, the more the larger the picture; the
#   other runtimes put it right. Give sizes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 \
  openvino==2026.4.1 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1 OPENCV_LOG_LEVEL=SILENT
"$work/venv/bin/python" -W ignore - <<'PY'
import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

core = openvino.Core()
ramp = np.arange(64, dtype=np.float32)[None, None, None].repeat(40, 2)


def resized(opset, mode, scales=None, sizes=None, **how):
    names, array = (["x", "", "s"], np.float32([1, 1, *scales])) if scales else (["x", "", "", "s"], np.int64([1, 1, *sizes]))
    graph = helper.make_graph([helper.make_node("Resize", names, ["y"], mode=mode, **how)], "resize",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ramp.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(array, "s")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    runtime = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": ramp})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    network.setInput(ramp, "x")
    opencv = network.forward("y")
    assert opencv.shape == runtime.shape
    if how:
        return runtime[0, 0, 0], opencv[0, 0, 0]
    other = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([ramp])[0]
    assert np.allclose(other, runtime, atol=1e-3)
    return runtime[0, 0, 0], opencv[0, 0, 0]


same = True
for opset in (18, 19):
    for mode in ("nearest", "linear", "cubic"):
        for scale in (0.5, 0.77, 1.03):
            runtime, opencv = resized(opset, mode, scales=(scale, scale))
            by_sizes, _ = resized(opset, mode, sizes=(int(40 * scale), len(runtime)))
            inner = slice(3, -3)
            steps = [float(np.diff(row[inner]).mean()) for row in (runtime, opencv)]
            off = float(np.abs(runtime - opencv).max())
            print(f"opset {opset}, {mode}, scale {scale}: steps of {steps[0]:.4f} in ONNX Runtime, {steps[1]:.4f} in OpenCV, off by {off:.2f}")
            same &= bool(np.allclose(opencv, by_sizes, atol=1e-3))
            same &= off < 1e-3 if scale == 0.5 else off > 0.2
            if mode == "linear":
                same &= abs(steps[0] - 1 / scale) < 1e-3 and abs(steps[1] - 64 / len(opencv)) < 1e-3
                hand = np.clip((np.arange(len(runtime)) + 0.5) / np.float32(scale) - 0.5, 0, 63)
                same &= bool(np.allclose(runtime, hand, atol=1e-3))
for mode in ("nearest", "linear", "cubic"):
    for columns in (48, 24, 100):
        sizes = (40 * columns // 64, columns)
        runtime, opencv = resized(19, mode, sizes=sizes, coordinate_transformation_mode="half_pixel_symmetric")
        asymmetric, right = resized(19, mode, sizes=sizes, coordinate_transformation_mode="asymmetric")
        half_pixel, _ = resized(19, mode, sizes=sizes, coordinate_transformation_mode="half_pixel")
        print(f"{mode}, half_pixel_symmetric to {columns} columns: off by {np.abs(runtime - opencv).max():.2f}")
        same &= bool(np.allclose(runtime, half_pixel, atol=1e-3)) and bool(np.allclose(right, asymmetric, atol=1e-3))
        same &= bool(np.allclose(opencv, asymmetric, atol=1e-3)) and (bool(np.abs(runtime - opencv).max() > 0.1) or (mode, columns) == ("nearest", 48))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

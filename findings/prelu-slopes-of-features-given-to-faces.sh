#!/usr/bin/env bash
# OpenCV and OpenVINO: the slopes of a PReLU, one for each feature, are given to the faces of a photo, in OpenVINO
#   only if there are as many faces as features.
#
# Packages: openvino==2026.4.1, opencv-python-headless==5.0.0.93, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6,
#   Python 3.11, Linux x86_64.
# Input: PRelu (opset 16) with slopes of the shape (8,) on (photos, faces, 8 features) for 5 to 8 faces, on (faces,
#   8), and on maps with their channels last, (1, rows, columns, 8) with 6 and 8 rows; the same with slopes of the
#   shape (1, 1, 8) and (1, 1, 1, 8).
# Expected: "unidirectional broadcasting (tensor slope should be unidirectional broadcastable to input tensor X)"
#   (ONNX, PRelu): a slope of the shape (8,) belongs to the last axis, whatever the others are, as ONNX Runtime and
#   NumPy have it.
# Seen 2026-11-29: with 8 faces, and with 8 rows, OpenVINO gives each face, or row, one slope for all its features;
#   with 5 to 7, and with slopes of the full number of axes, it is right. OpenCV does it always: five faces get the
#   first five slopes, whatever the shape of the slopes. (faces, 8) is right in both. Nothing is raised or warned.
# What it means: in OpenVINO photos of just one number of faces are answered otherwise, so that a test of others shows
#   nothing. Give the slopes the shape (1, 1, 8) there; for OpenCV put the photos' faces into one axis before.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 opencv-python-headless==5.0.0.93 onnx==1.23.2 \
  onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1 OPENCV_LOG_LEVEL=SILENT
"$work/venv/bin/python" -W ignore - <<'PY'
import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

core = openvino.Core()
random = np.random.default_rng(0)
slopes = np.linspace(0.1, 0.8, 8, dtype=np.float32)


def answers(features, shaped):
    graph = helper.make_graph([helper.make_node("PRelu", ["x", "slopes"], ["y"])], "prelu",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, features.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, features.shape)],
                              [numpy_helper.from_array(shaped, "slopes")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    runtime = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": features})[0]
    vino = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([features])[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    network.setInput(features, "x")
    return runtime, vino, network.forward("y")


same = True
for shape in ((3, 8), (8, 8), (2, 5, 8), (2, 6, 8), (2, 7, 8), (2, 8, 8), (1, 6, 9, 8), (1, 8, 9, 8)):
    for full in (False, True):
        features = random.normal(size=shape).astype(np.float32)
        shaped = slopes.reshape((1,) * (len(shape) - 1) + (8,)) if full else slopes
        right = np.where(features < 0, features * slopes, features)
        swapped = right
        if len(shape) > 2:
            swapped = np.where(features < 0, features * slopes[:shape[1]].reshape(1, -1, *(1,) * (len(shape) - 2)), features)
        runtime, vino, opencv = answers(features, shaped)
        same &= bool(np.allclose(runtime, right, atol=1e-6))
        said = {}
        for name, given in (("OpenVINO", vino), ("OpenCV", opencv)):
            said[name] = "right" if np.allclose(given, right, atol=1e-6) else "by the second axis" if np.allclose(given, swapped, atol=1e-6) else "wrong"
        print(f"{shape}, slopes {shaped.shape}: OpenVINO {said['OpenVINO']}, OpenCV {said['OpenCV']}")
        same &= said["OpenCV"] == ("right" if len(shape) == 2 else "by the second axis")
        same &= said["OpenVINO"] == ("by the second axis" if len(shape) > 2 and shape[1] == 8 and not full else "right")
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

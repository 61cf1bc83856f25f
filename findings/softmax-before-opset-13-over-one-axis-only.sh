#!/usr/bin/env bash
# ONNX's reference, OpenCV and OpenVINO: in networks before opset 13 each pixel or each face of a photo gets
#   probabilities of its own, where the standard asks for one softmax over all of them.
#
# Packages: onnx==1.23.2, onnxruntime==1.32.0, openvino==2026.4.1, opencv-python-headless==5.0.0.93, numpy==2.4.6,
#   Python 3.11, Linux x86_64.
# Input: networks of one Softmax or LogSoftmax with axis=1 and of Softmax at its defaults, at opset 11 and 13, on
#   scores of the shape (3, 7) (faces, expressions), (2, 3, 7) (photos, faces, expressions) and (2, 7, 5, 5) (a map).
# Expected: before opset 13 "the input does not need to explicitly be a 2D vector; rather, it will be coerced into
#   one", all axes from the given one on in a row (ONNX' changelog, Softmax-11; its default axis is 1): the
#   probabilities of all faces of a photo, or of all pixels of a map, have the sum of 1. From 13 on it is the one
#   axis.
# Seen 2026-11-29: ONNX Runtime does as it is written. onnx.reference.ReferenceEvaluator, OpenCV and OpenVINO take the
#   one axis: each pixel's probabilities have the sum of 1, those of a map 25, and the numbers are tens of times too
#   large. At the defaults OpenCV and OpenVINO take axis 1 alone, the reference the last one, the default since 13.
#   With (3, 7) all agree. OpenVINO is right in LogSoftmax, so that its logarithm is not that of its Softmax. Nothing
#   is raised or warned.
# What it means: older exported networks with a map or a list of faces at their end answer otherwise in each runtime;
#   a threshold on them fits one alone. A test on a single row of scores shows nothing. Convert to opset 13 first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 \
  opencv-python-headless==5.0.0.93 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1 OPENCV_LOG_LEVEL=SILENT
"$work/venv/bin/python" -W ignore - <<'PY'
import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

core = openvino.Core()
random = np.random.default_rng(0)


def as_written(scores, axis, opset, logarithm):
    if opset < 13:
        rows = scores.reshape(int(np.prod(scores.shape[:axis])), -1).astype(np.float64)
        shares = np.exp(rows - rows.max(1, keepdims=True))
        shares = (shares / shares.sum(1, keepdims=True)).reshape(scores.shape)
    else:
        shares = np.exp(scores.astype(np.float64) - scores.max(axis, keepdims=True))
        shares /= shares.sum(axis, keepdims=True)
    return np.log(shares) if logarithm else shares


def answers(operator, opset, axis, scores):
    node = helper.make_node(operator, ["x"], ["y"], **({} if axis is None else {"axis": axis}))
    graph = helper.make_graph([node], "head", [helper.make_tensor_value_info("x", TensorProto.FLOAT, scores.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, scores.shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    yield "onnxruntime", onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": scores})[0]
    yield "reference", ReferenceEvaluator(model).run(None, {"x": scores})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    network.setInput(scores, "x")
    yield "OpenCV", network.forward("y")
    yield "OpenVINO", core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([scores])[0]


same = True
for operator in ("Softmax", "LogSoftmax"):
    for opset in (11, 13):
        for axis in (1, None):
            for shape in ((3, 7), (2, 3, 7), (2, 7, 5, 5)):
                scores = random.normal(0, 2, shape).astype(np.float32)
                place = axis if axis is not None else 1 if opset < 13 else -1
                right = as_written(scores, place, opset, operator == "LogSoftmax")
                for name, given in answers(operator, opset, axis, scores):
                    agree = given.shape == shape and bool(np.allclose(given, right, atol=1e-4))
                    wrong = opset == 11 and len(shape) > 2 and name != "onnxruntime"
                    wrong &= (operator, name) != ("LogSoftmax", "OpenVINO")
                    same &= agree != wrong
                    if wrong:
                        shares = np.exp(given) if operator == "LogSoftmax" else given
                        total = float(shares.reshape(shape[0], -1).sum(1)[0])
                        newer = as_written(scores, -1 if axis is None and name == "reference" else 1, 13, operator == "LogSoftmax")
                        print(f"{operator}, opset {opset}, axis {axis}, {shape}, {name}: sum of a photo's probabilities {total:.1f}",
                              "in place of 1" if not agree else "")
                        same &= bool(np.allclose(given, newer, atol=1e-4))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

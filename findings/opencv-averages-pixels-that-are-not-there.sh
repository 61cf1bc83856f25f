#!/usr/bin/env bash
# OpenCV's dnn: at the right and lower border of a map whose size is odd the average of two pixels is divided by four,
#   where nothing is padded.
#
# Packages: opencv-python-headless==5.0.0.93, onnx==1.23.2, onnxruntime==1.32.0, openvino==2026.4.1, numpy==2.4.6,
#   Python 3.11, Linux x86_64.
# Input: AveragePool (opset 19) with ceil_mode=1, 2 x 2 and 3 x 3 in steps of 2, no pads, count_include_pad 0 and 1 (1
#   is what a pooling exported from PyTorch has unless it was told otherwise), on maps of 7 x 7, 8 x 8 and 14 x 14;
#   and 3 x 3 with pads of 1 on 7 x 7 and 8 x 8.
# Expected: count_include_pad is "whether include pad pixels when calculating values for the edges" (ONNX,
#   AveragePool): without pads it changes nothing, and the mean of a map of ones is 1 everywhere, as ONNX Runtime,
#   OpenVINO and ONNX' reference have it.
# Seen 2026-11-29: with count_include_pad=0 OpenCV is right. With 1 a map of ones has 0.5 along two borders and 0.25
#   in the corner for 2 x 2 (two thirds and four ninths for 3 x 3), wherever the last window reaches beyond the map.
#   With pads of 1 on 8 x 8 OpenVINO divides by nine at these borders too, where ONNX Runtime and the reference count
#   the padded ones only, and six are there. Nothing is raised or warned.
# What it means: the last row and column of a map count half in OpenCV, which in networks that halve 7 x 7 so, as
#   variants of ResNet do, is the lower part of the face. Set count_include_pad to 0 where there are no pads.
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

core = openvino.Core()


def answers(image, kernel, pad, include):
    node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[kernel] * 2, strides=[2, 2], pads=[pad] * 4,
                            ceil_mode=1, count_include_pad=include)
    graph = helper.make_graph([node], "halve", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    network.setInput(image, "x")
    return {"ONNX Runtime": onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": image})[0][0, 0],
            "reference": ReferenceEvaluator(model).run(None, {"x": image})[0][0, 0],
            "OpenVINO": core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image])[0][0, 0],
            "OpenCV": network.forward("y")[0, 0]}


def means(image, kernel, pad, include, places, beyond):
    """By hand; beyond: whether pixels outside of map and padding are counted."""
    size = len(image)
    result = np.zeros((places, places))
    for row in range(places):
        for column in range(places):
            top, left = 2 * row - pad, 2 * column - pad
            window = image[max(top, 0):top + kernel, max(left, 0):left + kernel]
            ends = [start + kernel if beyond else min(start + kernel, size + pad) for start in (top, left)]
            count = (ends[0] - top) * (ends[1] - left) if include else window.size
            result[row, column] = window.sum() / count
    return result


same = True
random = np.random.default_rng(0)
for size, kernel, pad in ((7, 2, 0), (8, 2, 0), (14, 2, 0), (7, 3, 0), (8, 3, 0), (14, 3, 0), (7, 3, 1), (8, 3, 1)):
    for include in (0, 1):
        ones = answers(np.ones((1, 1, size, size), np.float32), kernel, pad, include)
        image = random.normal(size=(1, 1, size, size)).astype(np.float32)
        found = answers(image, kernel, pad, include)
        places = len(found["ONNX Runtime"])
        right, beyond = (means(image[0, 0], kernel, pad, include, places, further) for further in (False, True))
        over = not np.allclose(right, beyond)
        agree = {name: bool(np.allclose(given, right, atol=1e-5)) for name, given in found.items()}
        print(f"{size} x {size}, {kernel} x {kernel}, pads {pad}, count_include_pad {include}:", agree,
              "last row of ones in OpenCV", ones["OpenCV"][-1].round(2).tolist())
        same &= agree["ONNX Runtime"] and agree["reference"]
        same &= bool(np.allclose(found["OpenCV"], beyond, atol=1e-5))
        same &= bool(np.allclose(found["OpenVINO"], beyond if pad else right, atol=1e-5))
        if include and over and not pad:
            same &= bool(np.isclose(ones["OpenCV"][-1, -1], 0.25 if kernel == 2 else 4 / 9))
        same &= over == (include == 1 and (size, kernel, pad) in ((7, 2, 0), (8, 3, 0), (14, 3, 0), (8, 3, 1)))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

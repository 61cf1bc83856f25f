#!/usr/bin/env bash
# OpenVINO and tract: a transposed convolution to a given size puts the enlarged map one pixel aside, and OpenCV makes
#   it of another size.
#
# Packages: openvino==2026.4.1, tract==0.23.9, opencv-python-headless==5.0.0.93, onnx==1.23.2, onnxruntime==1.32.0,
#   numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: ConvTranspose of 3 x 3 and 4 x 4 with strides of 2, from 8 x 8 to output_shape (16, 16), (15, 15) and (17,
#   17), as a network for masks, heat maps or larger faces enlarges; with auto_pad left out, SAME_UPPER and
#   SAME_LOWER.
# Expected: what is too much is cut off at both ends; where it is an odd number of pixels, the one more goes at the
#   end for SAME_UPPER (pads[start] is total_padding / 2, cut to a whole number) and at the beginning otherwise
#   (total_padding - total_padding / 2; ONNX, ConvTranspose). So NumPy and ONNX Runtime compute it.
# Seen 2026-11-29: OpenVINO cuts SAME_UPPER as SAME_LOWER, so that the map lies one pixel further up and to the left;
#   the others are right there. tract, which refuses SAME_*, cuts nothing at the beginning without auto_pad, however
#   much is to go. OpenCV takes no notice of the size that is asked for and gives 18 or 19 pixels each time, one more
#   than the kernel reaches; SAME_* with a size it refuses. Else nothing is raised or warned.
# What it means: a landmark from such a heat map is one pixel of the map off, several of the photo, in one runtime.
#   Write the padding out as pads.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 tract==0.23.9 opencv-python-headless==5.0.0.93 onnx==1.23.2 \
  onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1 OPENCV_LOG_LEVEL=SILENT
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
import tract
from onnx import TensorProto, helper, numpy_helper

core = openvino.Core()
random = np.random.default_rng(0)


def answers(kernel, size, mode):
    image = random.normal(size=(1, 1, 8, 8)).astype(np.float32)
    weights = random.normal(size=(1, 1, kernel, kernel)).astype(np.float32)
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], output_shape=[size, size],
                            **({"auto_pad": mode} if mode else {}))
    graph = helper.make_graph([node], "enlarge", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    full = np.zeros((14 + kernel, 14 + kernel))
    for row in range(8):
        for column in range(8):
            full[2 * row:2 * row + kernel, 2 * column:2 * column + kernel] += image[0, 0, row, column] * weights[0, 0]
    found = {"ONNX Runtime": onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": image})[0],
             "OpenVINO": core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image])[0]}
    if not mode:
        onnx.save(model, "enlarge.onnx")
        found["tract"] = tract.onnx().load("enlarge.onnx").into_model().into_runnable().run([image])[0].to_numpy()
        network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
        network.setInput(image, "x")
        found["OpenCV"] = network.forward("y")
    return full, {name: given[0, 0] for name, given in found.items()}


def cut_at(full, given):
    """How many rows and columns are cut off at the beginning."""
    return [start for start in range(len(full) - len(given) + 1)
            if np.allclose(full[start:start + len(given), start:start + len(given)], given, atol=1e-4)]


same = True
for kernel, size in ((3, 17), (3, 16), (3, 15), (4, 17), (4, 16), (4, 15)):
    for mode in ("", "SAME_UPPER", "SAME_LOWER"):
        full, found = answers(kernel, size, mode)
        total = len(full) - size
        right = total // 2 if mode == "SAME_UPPER" else total - total // 2
        lower = total - total // 2
        cuts = {name: cut_at(full, given) for name, given in found.items()}
        print(f"{kernel} x {kernel} to {size}, {mode or 'no auto_pad'}: {total} too much, at the beginning", right, end=";")
        print("", *(f" {name} {cuts[name]} of {len(given)} pixels" for name, given in found.items()))
        same &= cuts["ONNX Runtime"] == [right] and cuts["OpenVINO"] == [lower]
        if not mode:
            same &= cuts["tract"] == [0] and len(found["tract"]) == size
            same &= len(found["OpenCV"]) == len(full) + 1 and bool(np.allclose(found["OpenCV"][:-1, :-1], full, atol=1e-4))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# ONNX Runtime: quantize_static in the format QOperator leaves a ReLU out, if a reshape, a transpose or a pooling stands
#   before it.
#
# Packages: onnxruntime==1.32.0, onnx==1.23.2, sympy==1.14.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: small networks of a convolution, one step that moves or copies numbers (Transpose, Flatten, Reshape, Squeeze,
#   Split, Pad, Resize, MaxPool) and a ReLU; a convolution and a ReLU whose sum is taken; and a convolution and a ReLU
#   alone, with Add, Concat or AveragePool between them. quantize_static with QuantFormat.QOperator and QuantFormat.QDQ,
#   unsigned bytes, calibrated on the sixteen arrays that are compared.
# Expected: both formats give the numbers of the network within a step or two of 256; the two formats are two ways to
#   write the same.
# Seen 2026-11-29: in QDQ all are right to about 1 %. In QOperator there is no ReLU and no other bound left in the first
#   kind: outputs go down to -8.6, where the network has no number below 0, and the error is half the spread of the
#   outputs or more (behind MaxPool few numbers are negative, so that it is 4 %). The tool takes a ReLU away if what
#   comes before it is quantised, as its range then begins at 0; that holds where the step before has a range of its
#   own, and not where it hands on that of the convolution. In the sum the plain output gets no ReLU, the second both.
#   Nothing is said.
# What it means: a network that normalises or rearranges before it activates (flatten, then ReLU, as heads are written)
#   has lost its bends once it is quantised. Take QDQ, or keep "Relu" out of op_types_to_quantize, and compare.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 sympy==1.14.0 numpy==2.4.6 2>/dev/null
cd "$work"
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'PY'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable(logging.CRITICAL)
onnxruntime.set_default_logger_severity(3)
random = np.random.default_rng(0)
weights = random.normal(size=(4, 4, 1, 1)).astype(np.float32)
faces = [random.normal(size=(1, 4, 8, 8)).astype(np.float32) for _ in range(16)]
whole = np.array
node = helper.make_node
steps = {
    "nothing": ([], {}),
    "Add": ([node("Add", ["a", "x"], ["b"])], {}),
    "Concat": ([node("Concat", ["a", "x"], ["b"], axis=1)], {}),
    "AveragePool": ([node("AveragePool", ["a"], ["b"], kernel_shape=[2, 2])], {}),
    "Transpose": ([node("Transpose", ["a"], ["b"], perm=[0, 2, 3, 1])], {}),
    "Flatten": ([node("Flatten", ["a"], ["b"])], {}),
    "Reshape": ([node("Reshape", ["a", "to"], ["b"])], {"to": whole([-1, 256])}),
    "Squeeze": ([node("GlobalAveragePool", ["a"], ["e"]), node("Squeeze", ["e", "to"], ["b"])], {"to": whole([2, 3])}),
    "Split": ([node("Split", ["a"], ["b", "c"], axis=1)], {}),
    "Pad": ([node("Pad", ["a", "to"], ["b"])], {"to": whole([0, 0, 1, 1, 0, 0, 1, 1])}),
    "Resize": ([node("Resize", ["a", "", "to"], ["b"])], {"to": np.array([1, 1, 2, 2], np.float32)}),
    "MaxPool": ([node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2])], {}),
}


class Reader(CalibrationDataReader):
    def __init__(self):
        self.left = iter(faces)

    def get_next(self):
        face = next(self.left, None)
        return None if face is None else {"x": face}


def answers(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": face})[0] for face in faces])


def look(nodes, constants):
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in {"w": weights, **constants}.items()]
    graph = helper.make_graph([node("Conv", ["x", "w"], ["a"]), *nodes], "network",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors)
    model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "float.onnx")
    right, found = answers("float.onnx"), {}
    for layout in (QuantFormat.QDQ, QuantFormat.QOperator):
        quantize_static("float.onnx", "whole.onnx", Reader(), quant_format=layout, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)
        got = answers("whole.onnx")
        found[layout.name] = float(np.abs(got - right).mean() / right.std()), float(got.min())
    return found


seen = {name: look([*nodes, node("Relu", ["b" if nodes else "a"], ["y"])], constants) for name, (nodes, constants) in steps.items()}
both = look([node("Relu", ["a"], ["b"]), node("Add", ["a", "b"], ["y"])], {})
for name, found in {**seen, "the sum of both": both}.items():
    print(f"{name}:", *(f"{layout} off by {off:.3f}, least {least:.2f}" for layout, (off, least) in found.items()), sep="  ")
fine = ("nothing", "Add", "Concat", "AveragePool")
same = all(found["QDQ"][0] < 0.03 and found["QDQ"][1] > -0.01 for found in seen.values())
same &= all(seen[name]["QOperator"][0] < 0.03 for name in fine)
same &= all(seen[name]["QOperator"][0] > 0.4 for name in steps if name not in (*fine, "MaxPool"))
same &= all(seen[name]["QOperator"][1] < -0.5 for name in steps if name not in fine)
same &= both["QDQ"][0] < 0.03 and both["QOperator"][0] > 0.2
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

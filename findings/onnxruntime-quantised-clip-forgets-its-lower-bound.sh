#!/usr/bin/env bash
# ONNX Runtime: quantize_static takes a Clip away whose lower bound is above 0, and a logarithm behind it gives minus
#   infinity.
#
# Packages: onnxruntime==1.32.0, onnx==1.23.2, sympy==1.14.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a convolution and a Clip, with bounds of 0 to 6, 0.5 and up, 2 and up, -0.5 and down; and a convolution, a
#   Sigmoid, a Clip at 0.05 and a logarithm, as networks keep a logarithm from 0. quantize_static of "Conv", "Clip" and
#   "Sigmoid" in the formats QDQ and QOperator; the same with extra_options={"QDQKeepRemovableActivations": True}.
# Expected: no number beyond the bounds, as in the network itself, but for half a step of 256.
# Seen 2026-11-29: with 0 to 6 that is so. With the other bounds both formats leave the Clip out: the bytes of the step
#   before get the range of what comes after the Clip, stretched so that it has 0 in it, and between 0 and the bound
#   nothing holds. Numbers are as low as 0 where the network's least is 0.5 or 2; the logarithm gives -inf where the
#   network's least is -3. Nothing is said. With QDQKeepRemovableActivations all bounds hold, in QDQ.
# What it means: a loss, an energy or a log-probability inside the network is infinite for some faces only, and not for
#   those that happened to be compared. Ask for QDQKeepRemovableActivations, or keep "Clip" out of op_types_to_quantize.
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
node = helper.make_node


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
    tensors = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in {"w": weights, **constants}.items()]
    graph = helper.make_graph([node("Conv", ["x", "w"], ["a"]), *nodes], "network",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4, 8, 8])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "float.onnx")
    found = {"network": answers("float.onnx")}
    for name, layout, options in (("QDQ", QuantFormat.QDQ, {}), ("QOperator", QuantFormat.QOperator, {}),
                                  ("QDQ, kept", QuantFormat.QDQ, {"QDQKeepRemovableActivations": True})):
        quantize_static("float.onnx", "whole.onnx", Reader(), quant_format=layout, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Clip", "Sigmoid"], extra_options=options)
        found[name] = answers("whole.onnx")
    return {name: (float(numbers.min()), float(numbers.max())) for name, numbers in found.items()}


seen = {"0 to 6": look([node("Clip", ["a", "low", "high"], ["y"])], {"low": 0, "high": 6}),
        "from 0.5": look([node("Clip", ["a", "low"], ["y"])], {"low": 0.5}),
        "from 2": look([node("Clip", ["a", "low"], ["y"])], {"low": 2}),
        "up to -0.5": look([node("Clip", ["a", "", "high"], ["y"])], {"high": -0.5}),
        "log": look([node("Sigmoid", ["a"], ["b"]), node("Clip", ["b", "low"], ["c"]), node("Log", ["c"], ["y"])], {"low": 0.05})}
for name, found in seen.items():
    print(f"{name}:", *(f"{way} {low:.2f} .. {high:.2f}" for way, (low, high) in found.items()), sep="  ")
same = all(abs(end - right) < 0.1 for ends in seen["0 to 6"].values() for end, right in zip(ends, (0, 6)))
for name, end, bound in (("from 0.5", 0, 0.5), ("from 2", 0, 2), ("up to -0.5", 1, -0.5)):
    same &= abs(seen[name]["network"][end] - bound) < 1e-6 and abs(seen[name]["QDQ, kept"][end] - bound) < 0.1
    same &= seen[name]["QDQ"][end] == 0 and seen[name]["QOperator"][end] == 0
same &= abs(seen["log"]["network"][0] - np.log(0.05)) < 1e-4 and abs(seen["log"]["QDQ, kept"][0] - np.log(0.05)) < 0.1
same &= seen["log"]["QDQ"][0] == -np.inf and seen["log"]["QOperator"][0] == -np.inf
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

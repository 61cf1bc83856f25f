#!/usr/bin/env bash
# onnx: the reference evaluator's LpNormalization with p = 1 divides by the sum, not by the sum of the absolute
#   values: shares grow without bound and change their sign.
#
# Packages: onnx==1.23.2, onnxruntime==1.32.0, openvino==2026.4.1, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: LpNormalization of opset 1 with p = 1 and p = 2 over the seven numbers of each of 1000 faces, normally
#   distributed and, the same without their sign, as votes are; ONNX' reference, ONNX Runtime, OpenVINO and NumPy.
# Expected: "output = input / Lp_norm(input, axis)" (ONNX, LpNormalization), and the norm of p = 1 is the sum of the
#   absolute values, so that no number is beyond -1 and 1.
# Seen 2026-11-29: ONNX Runtime, OpenVINO and NumPy agree. The reference is right with p = 2 and without negative
#   numbers. With them and p = 1 a face's numbers have the sum of 1, whatever they are: (3, -1, 4) becomes (0.5,
#   -0.17, 0.67) for (0.375, -0.125, 0.5), and (1, 2, -3.5) becomes (-2, -4, 7): the greatest is the least and the
#   other way round, for half of the faces. Nothing is raised or warned.
# What it means: labels read off it are those of other classes, and a test of a runtime or a converter against the
#   reference fails for the wrong reason, or passes as long as its numbers come from a ReLU.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

core = openvino.Core()


def answers(numbers, p):
    node = helper.make_node("LpNormalization", ["x"], ["y"], axis=1, p=p)
    graph = helper.make_graph([node], "shares", [helper.make_tensor_value_info("x", TensorProto.FLOAT, numbers.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, numbers.shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    runtime = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": numbers})[0]
    vino = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([numbers])[0]
    return runtime, vino, ReferenceEvaluator(model).run(None, {"x": numbers})[0]


two = np.float32([[3, -1, 4], [1, 2, -3.5]])
for name, given in zip(("ONNX Runtime", "OpenVINO", "reference"), answers(two, 1), strict=True):
    print(name, given.round(3).tolist())
scores = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32)
same = True
for kind, numbers in (("scores", scores), ("without sign", np.abs(scores))):
    for p in (1, 2):
        right = numbers / np.linalg.norm(numbers, p, axis=1, keepdims=True)
        runtime, vino, reference = answers(numbers, p)
        others = float(np.mean(reference.argmax(1) != numbers.argmax(1)))
        print(f"{kind}, p = {p}: reference off by {np.abs(reference - right).max():.3f}, another class is greatest for {others:.1%}")
        same &= all(bool(np.allclose(given, right, atol=1e-5)) for given in (runtime, vino))
        if (kind, p) == ("scores", 1):
            same &= bool(np.allclose(reference, numbers / numbers.sum(1, keepdims=True), rtol=1e-3, atol=1e-4)) and 0.4 < others < 0.6
        else:
            same &= bool(np.allclose(reference, right, atol=1e-5)) and others == 0
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

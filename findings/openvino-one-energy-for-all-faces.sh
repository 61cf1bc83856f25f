#!/usr/bin/env bash
# OpenVINO: the log-sum-exp of each face's scores becomes one number for the whole batch, in networks before opset 18.
#
# Packages: openvino==2026.4.1, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: scores of seven expressions of four faces, and ReduceLogSumExp over the expressions (the "energy" by which
#   crops that are no face are told), alone and taken from the scores, which are log-probabilities then; ReduceLogSum
#   and ReduceL1 as well, and ReduceL2, ReduceMax, ReduceMean and ReduceSumSquare; with axes as an attribute (opset 13
#   and 17) and as an input (18); and all of it for one face.
# Expected: four energies; log-probabilities of which the probabilities have the sum of 1.
# Seen 2026-11-29: with opset 18 all is right, and so are the last four. Before, ReduceLogSumExp, ReduceLogSum and
#   ReduceL1 look at no axes and reduce over all: one energy for the four faces, of the shape (1, 1). Taken from the
#   scores it fits by broadcasting: probabilities of a face have sums of 0.19 to 0.35 instead of 1. With one face the
#   numbers are right. Nothing is raised or warned.
# What it means: a test of one face passes; in a photo of several each face's number depends on its neighbours, and
#   the more there are the less sure the network seems. Save with opset 18 or later.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

scores = np.abs(np.random.default_rng(0).normal(0, 1, (4, 7))).astype(np.float32)
core = openvino.Core()


def both(operator, opset, x):
    if opset >= 18:
        node, more = helper.make_node(operator, ["x", "axes"], ["energy"]), [numpy_helper.from_array(np.int64([1]), "axes")]
    else:
        node, more = helper.make_node(operator, ["x"], ["energy"], axes=[1]), []
    graph = helper.make_graph([node, helper.make_node("Sub", ["x", "energy"], ["rest"])], "energy",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["faces", 7])],
                              [helper.make_tensor_value_info("energy", TensorProto.FLOAT, ["faces", 1]),
                               helper.make_tensor_value_info("rest", TensorProto.FLOAT, ["faces", 7])], more)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = compiled([x])
    return session.run(None, {"x": x}), [given[0], given[1]]


same = True
wrong = ("ReduceLogSumExp", "ReduceLogSum", "ReduceL1")
for operator in (*wrong, "ReduceL2", "ReduceMax", "ReduceMean", "ReduceSumSquare"):
    for opset in (13, 17, 18):
        right, given = both(operator, opset, scores)
        agree = right[0].shape == given[0].shape and np.allclose(right[0], given[0], atol=1e-4)
        print(f"{operator}, opset {opset}: onnxruntime {right[0].ravel().round(2).tolist()}, OpenVINO {given[0].ravel().round(2).tolist()}")
        same &= bool(agree) == (opset == 18 or operator not in wrong)
        if operator == "ReduceLogSumExp" and opset == 17:
            sums = [np.exp(rest).sum(1) for rest in (right[1], given[1])]
            print("  sum of each face's probabilities:", *(s.round(2).tolist() for s in sums))
            same &= bool(np.allclose(sums[0], 1, atol=1e-4)) and bool((sums[1] < 0.6).all()) and given[0].size == 1
        alone, given_alone = both(operator, opset, scores[:1])
        same &= bool(np.allclose(alone[0], given_alone[0], atol=1e-4)) and bool(np.allclose(alone[1], given_alone[1], atol=1e-4))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# An ONNX Scan over an axis of length 0 fails in onnxruntime, where a Loop of no trips gives an empty tensor.
#
# Packages: onnxruntime==1.32.0, onnx==1.23.2, numpy==2.4.6, Python 3.11, CPU provider.
# Input: a batch of no faces, as a photo without a face gives, for a graph that does something for each face: once by
#   Scan, once by Loop with as many trips as there are faces.
# Expected: both give an output of length 0, as numpy's map over nothing does, and as both do for one face and more.
# Seen 2026-11-28: Loop gives shape (0, 2); Scan raises Fail, "Invalid dim0_offset of 0", after the same graph took one
#   face without complaint. onnx's own reference evaluator raises for Scan too.
# What it means: an exported model that works in all tests with faces raises on the first photo without one. Pad to one
#   row, do not call it, or write the step as a Loop.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 2>/dev/null
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)
value = helper.make_tensor_value_info
double = helper.make_node("Add", ["row", "row"], ["twice"])


def session(nodes, initial=()):
    graph = helper.make_graph(nodes, "faces", [value("x", TensorProto.FLOAT, ["n", 2])],
                              [value("y", TensorProto.FLOAT, ["n", 2])], list(initial))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


body = helper.make_graph([double], "body", [value("row", TensorProto.FLOAT, [2])],
                         [value("twice", TensorProto.FLOAT, [2])])
scan = session([helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)])
loop_body = helper.make_graph(
    [helper.make_node("Gather", ["x", "i"], ["row"]), double, helper.make_node("Identity", ["go"], ["on"])],
    "body", [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, [])],
    [value("on", TensorProto.BOOL, []), value("twice", TensorProto.FLOAT, [2])])
zero = helper.make_tensor("zero", TensorProto.INT64, [], [0])
loop = session([helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("Gather", ["shape", "zero"], ["trips"]),
                helper.make_node("Loop", ["trips", ""], ["y"], body=loop_body)], [zero])


def answer(run, faces):
    try:
        return "shape " + str(run(faces).shape)
    except Exception as error:
        return type(error).__name__


def of_runtime(model):
    made = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda faces: made.run(None, {"x": faces})[0]


def of_reference(model):
    return lambda faces: np.asarray(ReferenceEvaluator(model).run(None, {"x": faces})[0])


seen = {}
for name, model in (("Scan", scan), ("Loop", loop)):
    for kind, made in (("onnxruntime", of_runtime), ("reference", of_reference)):
        run = made(model)
        seen[name, kind] = [answer(run, np.zeros((count, 2), np.float32)) for count in (1, 0)]
        print(f"{name} by {kind}: one face {seen[name, kind][0]}, no face {seen[name, kind][1]}")
same = (seen["Scan", "onnxruntime"] == ["shape (1, 2)", "Fail"]
        and seen["Loop", "onnxruntime"] == ["shape (1, 2)", "shape (0, 2)"])
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

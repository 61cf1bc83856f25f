#!/usr/bin/env bash
# onnxoptimizer: a Reshape that keeps a dimension ("0") behind another Reshape takes it from the wrong tensor: the three
#   faces of each photo become one.
#
# Packages: onnxoptimizer==0.4.2, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: scores of the shape (2, 3, 7), seven expressions of three faces in each of two photos, through Reshape to
#   (6, 7), Reshape to (0, -1), "keep the first, flatten the rest", as exporters write flatten, and a Softmax over the
#   last axis (opset 17); optimize() at its defaults. The same with (6, 7) and (6, -1).
# Expected: six answers of seven probabilities, as before; a 0 in a Reshape stands for that dimension of its own input.
# Seen 2026-11-29: two answers of 21 probabilities: the first Reshape is left out and the 0 now stands for the two
#   photos. Each row has the sum of 1, so that the best of the 21 looks like an answer; divided by 7 its place says the
#   face, the rest the expression. With (6, -1) all is right. The checker is content, nothing is raised or warned, even
#   in running: the graph's outputs had no fixed size.
# What it means: a batch of faces is commonly folded in and out of a batch of photos or of frames. Only the shape of
#   the output tells; where the sizes do not fit, it is an error in running instead.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxoptimizer==0.4.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

scores = np.random.default_rng(0).normal(size=(2, 3, 7)).astype(np.float32)


def network(second):
    shapes = {"faces": np.array([6, 7]), "flat": np.array(second)}
    nodes = [helper.make_node("Reshape", ["x", "faces"], ["each"]), helper.make_node("Reshape", ["each", "flat"], ["rows"]),
             helper.make_node("Softmax", ["rows"], ["y"], axis=-1)]
    graph = helper.make_graph(nodes, "faces", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 7])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "classes"])],
                              [numpy_helper.from_array(value, name) for name, value in shapes.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": scores})[0]


seen = {}
for second in ([0, -1], [6, -1]):
    before, after = answer(network(second)), answer(onnxoptimizer.optimize(network(second)))
    seen[second[0]] = before.shape, after.shape
    print(f"Reshape to {second}: {before.shape} before, {after.shape} after; best of a row {before.max(1).mean():.2f} and "
          f"{after.max(1).mean():.2f} on average; rows sum up to {after.sum(1).round(5).tolist()}")
same = seen == {0: ((6, 7), (2, 21)), 6: ((6, 7), (6, 7))}
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

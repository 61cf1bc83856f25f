#!/usr/bin/env bash
# onnxslim: a PReLU written as two clamps, of the positive and of the negative half, becomes a ReLU: negative inputs
#   count nothing.
#
# Packages: onnxslim==0.1.98, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a graph (opset 17) of Clip(x, 0, "") + 0.25 * Clip(x, "", 0), which is how clamp(min=0) and clamp(max=0) are
#   exported: an optional input that is left out is an empty name. The same with the first Clip as (x, 0), without the
#   empty name at its end, and with a bound of -0.01 for the negative half; slim() at its defaults.
# Expected: the numbers of the graph that was given; the checker is content with all three.
# Seen 2026-11-29: of -2, -1, 0, 1 and 2 the graph makes -0.5, -0.25, 0, 1 and 2, after slim() 0, 0, 0, 1.25 and 2.5:
#   x * 1.25 where positive, 0 elsewhere. Nodes with the same attributes and inputs are taken for one and the same, and
#   empty inputs are left out of that comparison, so that a lower bound of 0 and an upper bound of 0 are alike. Without
#   the empty name at the end, or with another bound, all is right. skip_optimizations=["subexpression_elimination"]
#   helps. Nothing is said, and shapes and names are as before.
# What it means: PReLU is the activation of many networks for faces, and their exports answer otherwise once they are
#   "slimmed". Compare the outputs of both files.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
import onnxslim
from onnx import TensorProto, helper, numpy_helper

x = np.array([[-2, -1, 0, 1, 2]], np.float32)


def network(lower, upper, bound=0.0):
    """max(x, 0) + 0.25 * min(x, bound)"""
    numbers = {"zero": np.float32(0), "bound": np.float32(bound), "slope": np.float32(0.25)}
    nodes = [helper.make_node("Clip", lower, ["positive"]), helper.make_node("Clip", upper, ["negative"]),
             helper.make_node("Mul", ["negative", "slope"], ["small"]), helper.make_node("Add", ["positive", "small"], ["y"])]
    graph = helper.make_graph(nodes, "prelu", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0][0].tolist()


def copy(model):
    return onnx.ModelProto.FromString(model.SerializeToString())


exported = network(["x", "zero", ""], ["x", "", "bound"])
seen = {"exported": answer(exported), "slim": answer(onnxslim.slim(copy(exported))),
        "slim, one step skipped": answer(onnxslim.slim(copy(exported), skip_optimizations=["subexpression_elimination"])),
        "slim, no empty name at the end": answer(onnxslim.slim(network(["x", "zero"], ["x", "", "bound"]))),
        "bound -0.01": answer(network(["x", "zero", ""], ["x", "", "bound"], -0.01)),
        "bound -0.01, slim": answer(onnxslim.slim(network(["x", "zero", ""], ["x", "", "bound"], -0.01)))}
for name, numbers in seen.items():
    print(f"{name}: {numbers}")
right = [-0.5, -0.25, 0.0, 1.0, 2.0]
same = seen["exported"] == right and seen["slim"] == [0.0, 0.0, 0.0, 1.25, 2.5]
same &= seen["slim, one step skipped"] == right and seen["slim, no empty name at the end"] == right
same &= seen["bound -0.01"] == seen["bound -0.01, slim"]
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

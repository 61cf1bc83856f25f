#!/usr/bin/env bash
# onnx's version converter changes what a network computes: a linear Upsample or Resize before opset 11 moves by half a
#   pixel.
#
# Packages: onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, CPU provider.
# Input: networks of one node that doubles ((1, 2), (3, 4)) with mode "linear", as Upsample of opset 9 and as Resize of
#   opset 10, by which older networks enlarge a picture or a feature map; convert_version() to opset 10, 13 and 22.
# Expected: the same numbers from the converted network, which is what a change of the opset is for.
# Seen 2026-11-28: to opset 10 they are the same, first row 1, 1.5, 2, 2. From opset 11 on the first row is 1, 1.25, 1.75,
#   2, with no warning, and the checker is content: Resize has a way to place pixels since opset 11
#   (coordinate_transformation_mode), the converter leaves it at its default half_pixel, and the older operators are
#   "asymmetric". Mode "nearest" is the same here. Setting the attribute to asymmetric gives back the first numbers.
# What it means: a network "brought up to date" answers a little differently, without an error to look for. Compare the
#   outputs before and after.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.version_converter import convert_version

picture = np.array([[[[1, 2], [3, 4]]]], np.float32)
before, after = [1, 1.5, 2, 2], [1, 1.25, 1.75, 2]


def network(kind, opset, mode):
    value = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node(kind, ["x", "scales"], ["y"], mode=mode)], "twice",
                              [value("x", TensorProto.FLOAT, [1, 1, 2, 2])], [value("y", TensorProto.FLOAT, [1, 1, 4, 4])],
                              [helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def first_row(model):
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": picture})[0][0, 0, 0].tolist()


same = True
for kind, opset, mode in (("Upsample", 9, "linear"), ("Resize", 10, "linear"), ("Upsample", 9, "nearest")):
    model = network(kind, opset, mode)
    rows = {opset: first_row(model)} | {to: first_row(convert_version(model, to)) for to in (10, 13, 22) if to > opset}
    print(f"{kind} of opset {opset}, {mode}: {rows}")
    wanted = {to: before if to < 11 else after for to in rows} if mode == "linear" else dict.fromkeys(rows, [1, 1, 2, 2])
    same &= rows == wanted
converted = convert_version(network("Upsample", 9, "linear"), 13)
node = next(node for node in converted.graph.node if node.op_type == "Resize")
node.attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
print(f"with the attribute set by hand: {first_row(converted)}")
same &= first_row(converted) == before
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

#!/usr/bin/env bash
# onnx: the reference evaluator's MaxPool takes the padding below for that to the right, and makes a picture of another
#   shape; with SAME_LOWER it looks one pixel beside.
#
# Packages: onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11.
# Input: MaxPool and AveragePool of 3 x 3 on a picture of 8 x 10: strides of 1 with pads [0, 0, 1, 1] (a row below, a
#   column to the right) and [1, 0, 0, 1]; strides of 2 with pads [0, 0, 1, 1], with auto_pad SAME_UPPER and SAME_LOWER;
#   onnx.reference.ReferenceEvaluator, ONNX Runtime, and the shape that onnx.shape_inference gives.
# Expected: the same numbers from both, in the shape that was inferred: pads are all beginnings, then all ends.
# Seen 2026-11-29: AveragePool agrees everywhere. MaxPool with strides of 1 and [0, 0, 1, 1] is 7 x 9 in ONNX Runtime and
#   by shape inference, and 6 x 10 in the reference: nothing above and below, a column on either side. With strides of 2
#   the pads are right, and SAME_UPPER too; for SAME_LOWER the reference pads at the end, as if it were SAME_UPPER.
# What it means: a test of a runtime or of a converter against "the reference" fails, or passes, for the wrong reason;
#   padding of one end is what networks from TensorFlow have.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

picture = np.random.default_rng(0).normal(size=(1, 1, 8, 10)).astype(np.float32)
cases = {"1, pads [0, 0, 1, 1]": {"strides": [1, 1], "pads": [0, 0, 1, 1]}, "1, pads [1, 0, 0, 1]": {"strides": [1, 1], "pads": [1, 0, 0, 1]},
         "2, pads [0, 0, 1, 1]": {"strides": [2, 2], "pads": [0, 0, 1, 1]}, "2, SAME_UPPER": {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
         "2, SAME_LOWER": {"strides": [2, 2], "auto_pad": "SAME_LOWER"}}
agree, shapes, found = {}, {}, {}
for layer in ("MaxPool", "AveragePool"):
    for name, attributes in cases.items():
        node = helper.make_node(layer, ["x"], ["y"], kernel_shape=[3, 3], **attributes)
        graph = helper.make_graph([node], "pool", [helper.make_tensor_value_info("x", TensorProto.FLOAT, picture.shape)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model, full_check=True)
        inferred = tuple(axis.dim_value for axis in model.graph.output[0].type.tensor_type.shape.dim)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        runtime = session.run(None, {"x": picture})[0]
        reference = ReferenceEvaluator(model).run(None, {"x": picture})[0]
        assert runtime.shape == inferred
        shapes[layer, name] = reference.shape[2:]
        found[layer, name] = reference
        agree[layer, name] = reference.shape == runtime.shape and bool(np.allclose(reference, runtime, atol=1e-5))
        print(f"{layer}, strides of {name}: inferred {inferred[2:]}, ONNX Runtime {runtime.shape[2:]}, reference {reference.shape[2:]},",
              "the same numbers" if agree[layer, name] else "other numbers")
same = all(right == (layer == "AveragePool" or name in ("2, pads [0, 0, 1, 1]", "2, SAME_UPPER")) for (layer, name), right in agree.items()
           if name != "1, pads [1, 0, 0, 1]")
same &= shapes["MaxPool", "1, pads [0, 0, 1, 1]"] == (6, 10)
same &= np.array_equal(found["MaxPool", "2, SAME_LOWER"], found["MaxPool", "2, SAME_UPPER"])
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

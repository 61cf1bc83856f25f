#!/usr/bin/env bash
# onnxoptimizer: zeros that are padded around a map before the maximum is taken are gone: the border gets other numbers.
#
# Packages: onnxoptimizer==0.4.2, onnxsim==0.8.1, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux
#   x86_64.
# Input: the beginning of ResNet50V2 as Keras Applications has it (a convolution with a bias, a padding of one zero all
#   around, a maximum over 3 x 3 in steps of 2, no activation before it), with random weights, on a face of 48 x 48, as
#   ONNX of opset 17; optimize() at its defaults, and onnxsim; the same with a Relu before the padding, as in ResNet50.
# Expected: the same numbers: a maximum in which a padded zero takes part is never below 0.
# Seen 2026-11-29: the border of the map is another one, with numbers of down to -1.6 where 0 was; its inside is the
#   same, and with a Relu all is the same. The padding becomes the pooling's own, which by ONNX's definition is no
#   zero: it takes no part. onnxsim, which uses steps of the same kind, keeps the numbers. The checker is content and
#   nothing is said.
# What it means: one family of networks answers otherwise after "optimising", the more the smaller its pictures (at 48
#   pixels a sixth of the map is border, at 224 a 28th), and a test with ResNet50 or VGG shows nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxoptimizer==0.4.2 onnxsim==0.8.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
import onnxsim
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
numbers = {"kernel": random.normal(0, 1 / 12, (8, 3, 7, 7)).astype(np.float32), "bias": random.normal(-1, 0.5, 8).astype(np.float32),
           "around": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
face = random.normal(size=(1, 3, 48, 48)).astype(np.float32)


def network(relu):
    nodes = [helper.make_node("Conv", ["x", "kernel", "bias"], ["maps"], pads=[3, 3, 3, 3], strides=[2, 2])]
    nodes += [helper.make_node("Relu", ["maps"], ["active"])] if relu else []
    nodes += [helper.make_node("Pad", ["active" if relu else "maps", "around"], ["padded"]),
              helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[2, 2])]
    graph = helper.make_graph(nodes, "stem", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 48, 48])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 12, 12])],
                              [numpy_helper.from_array(value, name) for name, value in numbers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": face})[0]


seen = {}
for relu in (False, True):
    before = answer(network(relu))
    for name, after in ("onnxoptimizer", onnxoptimizer.optimize(network(relu))), ("onnxsim", onnxsim.simplify(network(relu))[0]):
        difference = np.abs(answer(after) - before)
        inside = difference[:, :, 1:-1, 1:-1].max()
        seen[name, relu] = difference.max() > 0.5, inside < 1e-5, difference.max() < 1e-5
        print(f"{name}, {'with' if relu else 'without'} Relu: off by up to {difference.max():.3f}, inside {inside:.1g}, "
              f"{np.mean(difference > 1e-5):.1%} of the places; nodes {[node.op_type for node in after.graph.node]}, "
              f"lowest {before.min():.2f} becomes {answer(after).min():.2f}")
same = seen["onnxoptimizer", False] == (True, True, False) and seen["onnxoptimizer", True] == (False, True, True)
same &= seen["onnxsim", False][2] and seen["onnxsim", True][2]
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

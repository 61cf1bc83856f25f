#!/usr/bin/env bash
# onnxslim: weights for the seven columns of a map become weights for its seven expressions.
#
# Packages: onnxslim==0.1.98, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: a graph (opset 17) of a 1 x 1 convolution from 16 channels to seven classes on a map of 7 x 7, as a network
#   ends for faces of 224 x 224; a Mul by seven numbers from 0.1 to 1 of the shape (7,) or (1, 1, 1, 7), which weigh the
#   columns, the middle most; the mean over the map. The same with (1, 1, 7, 1) for rows, with (1, 7, 1, 1) for classes,
#   with an Add in place of the Mul, and on maps of 7 x 8; slim() at its defaults.
# Expected: the numbers of the graph that was given.
# Seen 2026-11-29: with (7,), with (1, 1, 1, 7) and with (1, 1, 7, 1) the scores of the classes are multiplied by the
#   weights of the columns or rows, and half of 1000 faces gets another label. The weights are squeezed,
#   their number is compared with that of the channels, and the axis that they stand for is not looked at; Add, where
#   it is, is right, and so is Mul with eight columns. skip_fusion_patterns=["FusionConvMul"] helps. The checker is
#   content; nothing is said.
# What it means: seven expressions on a map of 7 x 7 is the usual case here, and a test at another size of picture
#   passes. Compare the answers of both files at the size that is shipped.
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

random = np.random.default_rng(0)
kernel = random.normal(size=(7, 16, 1, 1)).astype(np.float32)


def network(shape, columns=7, kind="Mul"):
    window = np.interp(np.arange(np.prod(shape)), [0, (np.prod(shape) - 1) / 2, np.prod(shape) - 1], [0.1, 1, 0.1])
    numbers = {"kernel": kernel, "window": window.astype(np.float32).reshape(shape)}
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["maps"]), helper.make_node(kind, ["maps", "window"], ["weighted"]),
             helper.make_node("GlobalAveragePool", ["weighted"], ["y"])]
    graph = helper.make_graph(nodes, "end", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16, 7, columns])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 7, 1, 1])],
                              [numpy_helper.from_array(value, name) for name, value in numbers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def answer(model, columns):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    faces = np.random.default_rng(1).normal(size=(1000, 16, 7, columns)).astype(np.float32)
    return session.run(None, {"x": faces})[0].reshape(1000, 7)


def compared(shape, columns=7, kind="Mul", **how):
    """Largest difference that slim() makes, and the share of labels that it changes."""
    before = answer(network(shape, columns, kind), columns)
    after = answer(onnxslim.slim(network(shape, columns, kind), **how), columns)
    return float(np.abs(after - before).max()), float(np.mean(after.argmax(1) != before.argmax(1)))


cases = {"columns (7,)": compared((7,)), "columns (1, 1, 1, 7)": compared((1, 1, 1, 7)), "rows (1, 1, 7, 1)": compared((1, 1, 7, 1)),
         "classes (1, 7, 1, 1)": compared((1, 7, 1, 1)), "Add (1, 1, 1, 7)": compared((1, 1, 1, 7), kind="Add"),
         "eight columns (8,)": compared((8,), 8), "one step skipped": compared((7,), skip_fusion_patterns=["FusionConvMul"])}
for name, (difference, labels) in cases.items():
    print(f"{name}: off by up to {difference:.3g}, other labels {labels:.1%}")
wrong = [difference > 0.1 and labels > 1 / 3 for difference, labels in cases.values()]
same = wrong == [True, True, True, False, False, False, False]
same &= all(difference < 1e-5 for (difference, _), is_wrong in zip(cases.values(), wrong) if not is_wrong)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

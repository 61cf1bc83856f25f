#!/usr/bin/env bash
# tract: the activation Celu loses its factor, and a sum over a map (GlobalLpPool) becomes a mean in which negative
#   numbers are negative: labels change, shapes do not.
#
# Packages: tract==0.23.9, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: Celu (opset 12) with alpha of 0.5, 1 and 2, GlobalLpPool (opset 2) with p of 1, 2 and 3 on maps of 1 x 1, 3 x
#   3 and 7 x 7, and a small network of each: convolution, Celu with alpha 2 or GlobalLpPool, and a layer of seven
#   expressions.
# Expected: max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (ONNX, Celu), and "p value of the Lp norm used to pool
#   over the input data" (GlobalLpPool), the p-th root of the sum of |x|^p over the map, as NumPy and ONNX Runtime
#   have both.
# Seen 2026-11-29: Celu is right with alpha = 1 only. Else the factor before the bracket is missing: of -4 and alpha 2
#   it makes -0.86 for -1.73, and the slope jumps at 0, for the smoothness of which Celu was made. GlobalLpPool
#   divides by the number of places before the root, and takes the numbers as they are: with p = 1 it is the plain
#   average, with p = 2 a third for 3 x 3 and a seventh for 7 x 7, with p = 3 nan where the sum of the cubes is
#   negative. In the small networks a tenth of the faces and more get other labels. Nothing is raised or warned.
# What it means: a network that runs in a browser or a small program through tract answers otherwise than where it was
#   measured; alpha = 1, which most tests have, shows nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tract==0.23.9 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)


def answers(nodes, shape, numbers, weights=()):
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(array, name) for name, array in weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "network.onnx")
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": numbers})[0]
    return runtime, tract.onnx().load("network.onnx").into_model().into_runnable().run([numbers])[0].to_numpy()


same = True
line = np.linspace(-4, 4, 17, dtype=np.float32)
for alpha in (0.5, 1.0, 2.0):
    runtime, given = answers([helper.make_node("Celu", ["x"], ["y"], alpha=alpha)], line.shape, line)
    curve = np.exp(np.minimum(line, 0) / alpha) - 1
    print(f"Celu, alpha {alpha}: of -4 ONNX Runtime {runtime[0]:.4f}, tract {given[0]:.4f}")
    same &= bool(np.allclose(runtime, np.maximum(line, 0) + alpha * curve, atol=1e-5))
    same &= bool(np.allclose(given, np.maximum(line, 0) + curve, atol=1e-3))
for side in (1, 3, 7):
    maps = random.normal(size=(2, 5, side, side)).astype(np.float32)
    for p in (1, 2, 3):
        runtime, given = answers([helper.make_node("GlobalLpPool", ["x"], ["y"], p=p)], maps.shape, maps)
        exact = maps.astype(np.float64)
        mean = (exact ** p).mean((2, 3), keepdims=True)
        ratio = runtime / given
        print(f"GlobalLpPool, {side} x {side}, p {p}: ONNX Runtime / tract from {np.nanmin(ratio):.2f} to {np.nanmax(ratio):.2f}")
        same &= bool(np.allclose(runtime, (np.abs(exact) ** p).sum((2, 3), keepdims=True) ** (1 / p), rtol=1e-3))
        with np.errstate(invalid="ignore"):
            same &= bool(np.allclose(given, mean ** (1 / p), rtol=1e-3, atol=1e-4, equal_nan=True))
faces = random.normal(size=(300, 1, 9, 9)).astype(np.float32)
kernel, head, bias = (random.normal(size=size).astype(np.float32) for size in ((16, 1, 3, 3), (16, 7), 7))
for layer in ("Celu", "GlobalLpPool"):
    middle = ([helper.make_node("Celu", ["c"], ["a"], alpha=2.0), helper.make_node("GlobalAveragePool", ["a"], ["p"])]
              if layer == "Celu" else [helper.make_node("GlobalLpPool", ["c"], ["p"], p=2)])
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["c"]), *middle, helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("Gemm", ["f", "head", "bias"], ["y"])]
    arrays = (("kernel", kernel), ("head", head), ("bias", bias * (1 if layer == "Celu" else 10)))
    runtime, given = answers(nodes, faces.shape, faces, arrays)
    others = float(np.mean(runtime.argmax(1) != given.argmax(1)))
    print(f"small network with {layer}: other labels for {others:.0%}")
    same &= others > 0.1
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

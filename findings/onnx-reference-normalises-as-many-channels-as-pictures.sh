#!/usr/bin/env bash
# onnx: the reference evaluator's LRN treats as many channels as there are pictures in the batch, and leaves the others
#   as if their neighbours were 0.
#
# Packages: onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11.
# Input: LRN (local response normalisation, of AlexNet, GoogLeNet and the older networks for faces) with size 3, 5 and 1
#   over seven channels, on batches of 1, 2 and 7 pictures; onnx.reference.ReferenceEvaluator, ONNX Runtime, and the
#   formula of the operator's page computed in NumPy.
# Expected: the same from all three: each number is divided by (bias + alpha / size * the sum of the squares of its
#   neighbours in channel) ** beta; a picture's numbers do not depend on how many others are in the batch.
# Seen 2026-11-29: ONNX Runtime and NumPy agree. The reference agrees with them for a batch of 7 only; with one picture
#   the first channel is right and all others are divided by bias ** beta, with two the first two. The same picture has
#   other numbers in another batch. Nothing is raised; the evaluator's own definition loops over the batch where it is
#   to loop over the channels (pull request 7805 of onnx/onnx).
# What it means: who takes the reference for the truth finds a right runtime wrong, by up to 1.4 of numbers around 1, and
#   a wrong conversion right.
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

alpha, beta, bias, channels = 0.5, 0.7, 1.5, 7
faces = np.random.default_rng(0).normal(size=(7, channels, 4, 4)).astype(np.float32)
same = True
for size in (3, 5, 1):
    squares = np.pad(faces.astype(float) ** 2, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
    sums = sum(squares[:, start : start + channels] for start in range(size))
    right = faces / (bias + alpha / size * sums) ** beta
    for count in (1, 2, 7):
        node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=alpha, beta=beta, bias=bias)
        graph = helper.make_graph([node], "lrn", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, channels, 4, 4])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, channels, 4, 4])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        runtime = session.run(None, {"x": faces[:count]})[0]
        reference = ReferenceEvaluator(model).run(None, {"x": faces[:count]})[0]
        off = np.abs(reference - right[:count]).max(axis=(0, 2, 3))
        print(f"size {size}, {count} pictures: ONNX Runtime off by {np.abs(runtime - right[:count]).max():.1e}, reference by",
              *(f"{channel:.3f}" for channel in off), "in the seven channels")
        same &= np.allclose(runtime, right[:count], atol=1e-4) and bool((off[:count] < 1e-4).all() and (off[count:] > 0.1).all())
        same &= np.allclose(reference[:, count:], faces[:count, count:] / bias**beta, atol=1e-4)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

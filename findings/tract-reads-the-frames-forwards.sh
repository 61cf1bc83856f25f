#!/usr/bin/env bash
# tract: a recurrent network that reads the frames of a video backwards (direction "reverse") reads them forwards.
#
# Packages: tract==0.23.9, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: LSTM, GRU and RNN (opset 14) of 8 units over the features of 12 frames, random weights; direction "forward",
#   "reverse" and "bidirectional"; and for "reverse" ONNX Runtime's answer to the frames in the other order, the long
#   way.
# Expected: the numbers of ONNX Runtime; of "reverse" those of "forward" for the frames in the other order, put back
#   into their order, and the second half of "bidirectional" (ONNX: "specify if the RNN is forward, reverse, or
#   bidirectional").
# Seen 2026-11-29: "forward" and "bidirectional" are right to 1e-5. "reverse" gives the very numbers of "forward", all
#   frames and the last state: each of the three kinds looks from the wrong end. Nothing is raised or warned.
# What it means: an expression that is read off the frames of a video by a backward layer, alone or behind a forward
#   one as some exporters write a layer of two directions, is another one; the shapes are right. Write it as
#   "bidirectional", or turn the frames around outside.
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
frames = random.normal(size=(12, 1, 5)).astype(np.float32)
UNITS = 8


def answers(kind, direction, weights, features, by_tract=True):
    outputs = ["y", "last"]
    node = helper.make_node(kind, ["x", *weights], outputs, direction=direction, hidden_size=UNITS)
    graph = helper.make_graph([node], "frames", [helper.make_tensor_value_info("x", TensorProto.FLOAT, features.shape)],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
                              [numpy_helper.from_array(array, name) for name, array in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": features})
    if not by_tract:
        return runtime, None
    onnx.save(model, "frames.onnx")
    given = tract.onnx().load("frames.onnx").into_model().into_runnable().run([features])
    return runtime, [array.to_numpy() for array in given]


def alike(a, b):
    return all(x.shape == y.shape and bool(np.allclose(x, y, atol=1e-5)) for x, y in zip(a, b, strict=True))


same = True
for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    sizes = {"w": (2, gates * UNITS, 5), "r": (2, gates * UNITS, UNITS), "b": (2, 2 * gates * UNITS)}
    both = {name: random.normal(0, 0.5, size).astype(np.float32) for name, size in sizes.items()}
    one = {name: array[1:] for name, array in both.items()}
    forward, forward_tract = answers(kind, "forward", one, frames)
    reverse, reverse_tract = answers(kind, "reverse", one, frames)
    twice, twice_tract = answers(kind, "bidirectional", both, frames)
    turned, _ = answers(kind, "forward", one, frames[::-1].copy(), by_tract=False)
    same &= alike(reverse, [turned[0][::-1], turned[1]]) and alike([twice[0][:, 1:], twice[1][1:]], reverse)
    same &= alike(forward, forward_tract) and alike(twice, twice_tract)
    same &= alike(reverse_tract, forward) and not alike(reverse_tract, reverse)
    off = float(np.abs(reverse_tract[1] - reverse[1]).max())
    print(f"{kind}: forward {alike(forward, forward_tract)}, bidirectional {alike(twice, twice_tract)}, reverse {alike(reverse, reverse_tract)}",
          f"(last state off by {off:.2f}), tract's reverse is forward: {alike(reverse_tract, forward)}")
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# OpenVINO and tract: a network whose weights are nan answers each face with the same label, quite sure of itself,
#   where ONNX Runtime says nan.
#
# Packages: openvino==2026.4.1, tract==0.23.9, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6, Python 3.11, Linux
#   x86_64, float32 (INFERENCE_PRECISION_HINT "f32").
# Input: a convolution with weights of nan, as a training leaves them whose loss became nan, an activation, the mean
#   over the map, a layer of seven expressions with sound weights and a Softmax (opset 17), on 3 faces; the activations
#   Relu, Clip to 0..6, HardSigmoid, Sigmoid, PRelu and HardSwish. The same network with sound weights and Relu, on a
#   face with one pixel that is nan.
# Expected: nan, as ONNX Runtime and ONNX's reference give it; a nan in, a nan out is what shows a broken network.
# Seen 2026-11-29: with Relu and Clip both answer the softmax of the last layer's bias (here 0.50 for class 3), as
#   max(nan, 0) is 0 there; with HardSigmoid another fixed answer of 0.99, and tract answers with Sigmoid too. PRelu and
#   HardSwish give nan. The pixel of nan leaves no trace in either. Nothing is raised or warned.
# What it means: a check for nan in the answers, which finds a broken network in ONNX Runtime, finds nothing here, and
#   the network looks like one that has learned a single class. Look for nan in the weights before converting.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 tract==0.23.9 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1 WORK="$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import tract
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
sound = random.normal(size=(8, 3, 3, 3)).astype(np.float32)
last = random.normal(size=(7, 8)).astype(np.float32)
faces = random.uniform(0, 1, (3, 3, 16, 16)).astype(np.float32)


def network(activation, weights):
    more = {"Clip": {"low": np.float32(0), "high": np.float32(6)},
            "PRelu": {"slope": np.full((8, 1, 1), 0.2, np.float32)}}.get(activation, {})
    numbers = {"weights": weights, "last": last, "bias": np.float32([0.1, 0.5, 0, 2, 0.3, 0.1, 0.2]), **more}
    nodes = [helper.make_node("Conv", ["x", "weights"], ["map"]), helper.make_node(activation, ["map", *more], ["active"]),
             helper.make_node("GlobalAveragePool", ["active"], ["mean"]), helper.make_node("Flatten", ["mean"], ["flat"]),
             helper.make_node("Gemm", ["flat", "last", "bias"], ["scores"], transB=1),
             helper.make_node("Softmax", ["scores"], ["y"], axis=1)]
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 3, 16, 16])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 7])],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def answers(model, x):
    data = model.SerializeToString()
    path = Path(os.environ["WORK"], "network.onnx")
    path.write_bytes(data)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    runnable = tract.onnx().load(str(path)).into_model().into_runnable()
    return {"onnxruntime": session.run(None, {"x": x})[0], "openvino": compiled([x])[0],
            "tract": runnable.run([x])[0].to_numpy()}


def words(answer):
    return "nan" if np.isnan(answer).all() else f"{answer[0].max():.2f} for class {answer[0].argmax()}"


same = True
told = {"Relu": (), "Clip": (), "HardSigmoid": (), "Sigmoid": ("openvino",), "PRelu": ("openvino", "tract"),
        "HardSwish": ("openvino", "tract")}
for activation, honest in told.items():
    given = answers(network(activation, np.full_like(sound, np.nan)), faces)
    print(f"weights of nan, {activation}:", ", ".join(f"{name} {words(answer)}" for name, answer in given.items()))
    for name, answer in given.items():
        same &= bool(np.isnan(answer).all() if name == "onnxruntime" or name in honest else np.isfinite(answer).all())
    if not honest:
        same &= all(np.ptp(given[name], axis=0).max() == 0 for name in ("openvino", "tract"))
spoiled = faces.copy()
spoiled[:, 0, 5, 5] = np.nan
whole, given = answers(network("Relu", sound), faces), answers(network("Relu", sound), spoiled)
print("one pixel of nan, Relu:", ", ".join(f"{name} {words(answer)}" for name, answer in given.items()))
same &= bool(np.isnan(given["onnxruntime"]).all()) and all(np.isfinite(given[n]).all() for n in ("openvino", "tract"))
same &= np.allclose(whole["onnxruntime"], whole["openvino"], atol=1e-4) and np.allclose(whole["onnxruntime"], whole["tract"], atol=1e-4)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# onnx: the reference evaluator cuts faces out half a pixel beside their boxes in networks before opset 16 (RoiAlign).
#
# Packages: onnx==1.23.2, onnxruntime==1.32.0, openvino==2026.4.1, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: RoiAlign (average, by which the networks that find faces and read them in one go cut these out of a map) of a
#   map whose numbers are its columns and of one whose numbers are its rows, for the box (2, 2, 6, 6) in pieces of 2 x
#   2, and of random maps and boxes; opset 10, opset 16 with coordinate_transformation_mode "output_half_pixel" and
#   "half_pixel", and opset 10 brought to 16 by onnx.version_converter; ONNX' reference, ONNX Runtime and OpenVINO.
# Expected: the middles of the pieces, which are at 3 and 5 without a shift of the box: opset 16 names the modes, and
#   says of "output_half_pixel", "omit the pixel shift for the input (use this for a backward-compatible behavior)";
#   opset 10 has no mode and no shift. The converter sets just that mode.
# Seen 2026-11-29: 3 and 5 from ONNX Runtime and OpenVINO for opset 10, for "output_half_pixel" and for the converted
#   network; for "half_pixel" 2.5 and 4.5 from all three. The reference gives 3 and 5 for "output_half_pixel" and the
#   converted one, and 2.5 and 4.5 for opset 10: it takes the default of opset 16 for the older operator. Nothing is
#   raised or warned.
# What it means: who checks a runtime, or the conversion of such a network, against the reference finds a difference
#   in the one that is right; on a map of a sixteenth of the photo half a pixel is eight pixels of the face.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, version_converter
from onnx.reference import ReferenceEvaluator

core = openvino.Core()
random = np.random.default_rng(0)


def network(opset, pieces, **mode):
    node = helper.make_node("RoiAlign", ["map", "boxes", "photos"], ["y"], output_height=pieces, output_width=pieces,
                            sampling_ratio=2, **mode)
    graph = helper.make_graph([node], "cut", [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 2, 12, 12]),
                                              helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 4]),
                                              helper.make_tensor_value_info("photos", TensorProto.INT64, ["n"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, pieces, pieces])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def answers(model, image, boxes):
    feed = {"map": image, "boxes": boxes, "photos": np.zeros(len(boxes), np.int64)}
    data = model.SerializeToString()
    runtime = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feed)[0]
    vino = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(feed)[0]
    return runtime, vino, ReferenceEvaluator(model).run(None, feed)[0]


def networks(pieces):
    old = network(10, pieces)
    yield "opset 10", old
    yield "converted to 16", version_converter.convert_version(old, 16)
    yield "output_half_pixel", network(16, pieces, coordinate_transformation_mode="output_half_pixel")
    yield "half_pixel", network(16, pieces, coordinate_transformation_mode="half_pixel")


places = np.mgrid[:12, :12].astype(np.float32)[None]
corners = random.uniform(1, 5, (20, 2))
boxes = np.concatenate([corners, corners + random.uniform(2, 5, (20, 2))], 1).astype(np.float32)
noise = random.normal(size=(1, 2, 12, 12)).astype(np.float32)
same = True
for name, model in networks(2):
    found = [(cut[0, 0, :, 0].round(3).tolist(), cut[0, 1, 0].round(3).tolist()) for cut in answers(model, places, np.float32([[2, 2, 6, 6]]))]
    print(f"{name}: rows and columns of the middles: ONNX Runtime", *found[0], "OpenVINO", *found[1], "reference", *found[2])
    right = [2.5, 4.5] if name == "half_pixel" else [3, 5]
    same &= found[0] == found[1] == (right, right)
    same &= found[2] == (([2.5, 4.5],) * 2 if name in ("opset 10", "half_pixel") else (right, right))
for name, model in networks(3):
    runtime, vino, reference = answers(model, noise, boxes)
    off = float(np.abs(runtime - reference).max())
    print(f"{name}, random: reference off by {off:.3f}")
    same &= bool(np.allclose(runtime, vino, atol=1e-4)) and (off > 0.3 if name == "opset 10" else off < 1e-4)
    if name == "opset 10":
        moved = answers(model, noise, boxes - 0.5)[0]
        same &= bool(np.allclose(moved, reference, atol=1e-4))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# OpenVINO: a Resize with antialias=1 is done without it: the face that was made smaller inside the network is another
#   picture.
#
# Packages: openvino==2026.4.1, onnx==1.23.2, onnxruntime==1.32.0, pillow==13.0.0, numpy==2.4.6, Python 3.11, Linux
#   x86_64.
# Input: a network of one Resize (opset 18 and 19) from 192 x 192 to 50 x 50, linear and cubic, with antialias 0 and
#   1, on a picture of stripes of one pixel each and on one of smooth waves with noise on it, as float32; Pillow's
#   resize of the same numbers.
# Expected: with antialias=1 the numbers of ONNX Runtime, of ONNX's reference and, nearly, of Pillow (whose resize
#   always does it); or an error that it cannot be had.
# Seen 2026-11-29: with antialias=0 the same numbers. With 1 OpenVINO gives the very numbers that it gives with 0: the
#   noise stays in the picture, which is off by 14 and 18 levels on average, and the stripes, of which an even gray is
#   left in ONNX Runtime, become broad waves from black to white. ONNX Runtime is Pillow's to 0.01. Nothing is raised or
#   warned.
# What it means: networks that take a photo of any size and shrink it themselves see each face sharper and noisier
#   than in the test, which costs right answers just for large photos. OpenVINO's own preprocessing
#   (RESIZE_BILINEAR_PILLOW) does it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

random = np.random.default_rng(0)
place = np.arange(192)
waves = 127 + 60 * np.sin(place / 20) + 40 * np.cos(place / 15)[:, None]
pictures = {"stripes": np.where(place % 2, 255.0, 0.0) * np.ones((192, 1)),
            "noisy": np.clip(waves + random.normal(0, 30, (192, 192)), 0, 255)}
same = True
for name, picture in pictures.items():
    x = picture.astype(np.float32)[None, None]
    for mode, pillow in (("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC)):
        by_pillow = np.asarray(Image.fromarray(x[0, 0]).resize((50, 50), pillow))
        for opset in (18, 19):
            made = {}
            for antialias in (0, 1):
                more = {"cubic_coeff_a": -0.5} if mode == "cubic" else {}
                node = helper.make_node("Resize", ["x", "", "", "size"], ["y"], mode=mode, antialias=antialias, **more)
                graph = helper.make_graph(
                    [node], "shrink", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 192, 192])],
                    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 50, 50])],
                    [numpy_helper.from_array(np.int64([1, 1, 50, 50]), "size")])
                model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
                onnx.checker.check_model(model, full_check=True)
                core = openvino.Core()
                compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
                session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
                made[antialias] = session.run(None, {"x": x})[0][0, 0], compiled([x])[0][0, 0]
                if opset == 19 and name == "noisy" and mode == "linear":
                    by_reference = ReferenceEvaluator(model).run(None, {"x": x})[0][0, 0]
                    same &= bool(np.allclose(by_reference, made[antialias][0], atol=0.01))
            (plain, plain_openvino), (smooth, smooth_openvino) = made[0], made[1]
            inside = np.s_[2:-2, 2:-2]
            print(f"{name}, {mode}, opset {opset}: without, the two differ by {np.abs(plain - plain_openvino).max():.4f} at most; "
                  f"with, by {np.abs(smooth - smooth_openvino).mean():.1f} on average; onnxruntime and Pillow by "
                  f"{np.abs(smooth - by_pillow)[inside].max():.2f} at most; spread {smooth.std():.1f} and {smooth_openvino.std():.1f}; "
                  f"OpenVINO with and without the same: {np.array_equal(plain_openvino, smooth_openvino)}")
            same &= bool(np.allclose(plain, plain_openvino, atol=0.01)) and bool(np.array_equal(plain_openvino, smooth_openvino))
            same &= bool(np.abs(smooth - by_pillow)[inside].max() < 1)
            if name == "noisy":
                same &= bool(np.abs(smooth - smooth_openvino).mean() > 8)
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

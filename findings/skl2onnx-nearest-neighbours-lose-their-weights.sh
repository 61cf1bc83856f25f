#!/usr/bin/env bash
# skl2onnx: KNeighborsClassifier(weights="distance") becomes a network in which each neighbour has the same weight.
#
# Packages: skl2onnx==1.20.0, onnxruntime==1.32.0, scikit-learn==1.9.1, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: scikit-learn's digits in 0..1, 1000 to learn from and 797 to answer with noise added, 3, 5 and 10 neighbours,
#   weights="uniform" and "distance", converted by to_onnx and run as float32.
# Expected: the labels and probabilities of the classifier that was converted, to the precision of a float32.
# Seen 2026-11-28: "uniform" is the same to 1e-6. "distance" gives what "uniform" gives, to 1e-6: the graph multiplies
#   the distances by -1 and then takes Max(.., 1e-6), so that the weight of each neighbour is a million. Probabilities
#   are off by up to 0.05, and the accuracies are those of "uniform" (0.954 for 0.961 with three neighbours).
# What it means: the gain of weighting by distance, measured in scikit-learn, is not in what is shipped; an even vote
#   is then decided by the order of the classes instead of by the nearer face.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet skl2onnx==1.20.0 onnxruntime==1.32.0 scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
export ORT_DISABLE_TELEMETRY=1
"$work/venv/bin/python" - <<'PY'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

images, digits = load_digits(return_X_y=True)
random = np.random.default_rng(0)
order = random.permutation(len(images))
images, digits = (images[order] / 16).astype(np.float32), digits[order]
asked = (images[1000:] + random.normal(0, 0.25, images[1000:].shape)).astype(np.float32)


def off(a, b):
    return float(np.abs(a - b).max())


same = True
for count in (3, 5, 10):
    own, converted, accuracy = {}, {}, {}
    for weights in ("uniform", "distance"):
        model = KNeighborsClassifier(count, weights=weights).fit(images[:1000], digits[:1000])
        graph = to_onnx(model, images[:1], options={"zipmap": False}, target_opset=17)
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        label, converted[weights] = session.run(None, {"X": asked})
        own[weights] = model.predict_proba(asked)
        accuracy[weights] = (model.predict(asked) == digits[1000:]).mean(), (label == digits[1000:]).mean()
    away = {weights: off(own[weights], converted[weights]) for weights in own}
    print(f"{count} neighbours: accuracy by distance {accuracy['distance'][0]:.4f}, converted {accuracy['distance'][1]:.4f}, "
          f"uniform {accuracy['uniform'][0]:.4f}; probabilities off by {away['distance']:.3f} by distance, by "
          f"{away['uniform']:.0e} uniform; converted distance from uniform {off(own['uniform'], converted['distance']):.0e}")
    same &= away["uniform"] < 1e-5 and away["distance"] > 0.02 and off(own["uniform"], converted["distance"]) < 1e-5
    same &= accuracy["distance"][1] == accuracy["uniform"][0] < accuracy["distance"][0]
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

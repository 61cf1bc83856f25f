#!/usr/bin/env bash
# Keras: a network that says the same for every class, or nan, has a top-1 accuracy of 100 %.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, on the processor.
# Input: 700 faces, a hundred of each of seven expressions, and answers of 1/7 for each class, and of nan for each, as a
#   training leaves them whose loss became nan; sparse_categorical_accuracy, sparse_top_k_categorical_accuracy with k of
#   1 to 3, the same with one-hot labels, and model.evaluate() of a layer with weights of 0.
# Expected: top-1 is the accuracy, 1/7 for an answer that does not depend on the face; 2/7 and 3/7, by chance, for top-2
#   and top-3; 0 for nan, or nan.
# Seen 2026-11-29: accuracy 0.143 for both, top-1, top-2 and top-3 1.0 for both, in evaluate() as well. A label counts
#   as found where fewer than k classes have a higher score than it, and no score is higher than one that is even, or
#   than nan. The documentation of the metric has no word on equal scores or on nan.
# What it means: a search that keeps the training with the best top-2 accuracy, a common number for faces whose
#   expression is mixed, keeps the one that broke. Outputs that are saturated (several classes at 1.0 exactly, from a
#   sigmoid or float16) are counted too well by the same way.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work" "$work/venv/bin/python" - 2>/dev/null <<'PY'
import keras
import numpy as np

label = np.repeat(np.arange(7), 100)
seen = {}
for name, value in ("even", 1 / 7), ("nan", np.nan):
    answer = np.full((700, 7), value, "float32")
    top = [keras.metrics.SparseTopKCategoricalAccuracy(k=k) for k in (1, 2, 3)]
    hot = [keras.metrics.TopKCategoricalAccuracy(k=k) for k in (1, 2, 3)]
    for metric in top:
        metric.update_state(label, answer)
    for metric in hot:
        metric.update_state(np.eye(7)[label], answer)
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    accuracy.update_state(label, answer)
    seen[name] = [round(float(metric.result()), 3) for metric in (accuracy, *top, *hot)]
    print(f"{name}: accuracy {seen[name][0]}, top-1 to top-3 {seen[name][1:4]}, with one-hot labels {seen[name][4:]}")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(7, activation="softmax", kernel_initializer="zeros")])
model.compile(loss="sparse_categorical_crossentropy",
              metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=1, name="top")])
found = model.evaluate(np.random.default_rng(0).normal(size=(700, 4)), label, verbose=0, return_dict=True)
print("evaluate:", {name: round(value, 3) for name, value in found.items()})
same = seen == {"even": [0.143, 1, 1, 1, 1, 1, 1], "nan": [0.143, 1, 1, 1, 1, 1, 1]}
same &= round(found["accuracy"], 3) == 0.143 and found["top"] == 1
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# Keras on JAX: a face whose label is no class of the network has a loss of 0, as if it were answered perfectly.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, on the processor.
# Input: seven outputs of a softmax that are all alike, and the labels 1 to 7 as RAF-DB's list gives them, instead of 0 to 6;
#   and -1, as some sets mark faces without a label. sparse_categorical_crossentropy, of probabilities and of logits, and
#   evaluate() of a model that is sure of class 0.
# Expected: an error, as the TensorFlow backend on the processor raises it ("outside the valid range").
# Seen 2026-11-28: log 7 = 1.9459 for the labels 1 to 6, and 0 for 7 and for -1, with no gradient. evaluate() of 10 faces of
#   class 7 says loss 0.0 and accuracy 0.0. Nothing is raised or warned.
# What it means: the loss looks better than it is by the share of that class (every seventh face of an even set), the last
#   class is never learned, and only its recall of 0 tells. Look at min() and max() of the labels first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work" "$work/venv/bin/python" - 2>/dev/null <<'PY'
import jax
import keras
import numpy as np

labels = np.array([1, 2, 3, 4, 5, 6, 7, -1])
even = np.full((len(labels), 7), 1 / 7, "float32")
of_each = keras.losses.sparse_categorical_crossentropy
by_probability, by_logits = np.asarray(of_each(labels, even)), np.asarray(of_each(labels, np.log(even), from_logits=True))
for label, loss in zip(labels, by_logits):
    print(f"label {label}: loss {loss:.4f}")
gradient = np.asarray(jax.grad(lambda logits: of_each(labels, logits, from_logits=True).sum())(np.log(even)))
print("gradient at label 7:", gradient[6].tolist())
model = keras.Sequential([keras.Input((7,)), keras.layers.Softmax()])
model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
sure = np.tile(np.array([[9, 0, 0, 0, 0, 0, 0]], "float32"), (10, 1))
loss, accuracy = model.evaluate(sure, np.full(10, 7), verbose=0)
print(f"evaluate() of 10 faces of class 7: loss {loss}, accuracy {accuracy}")
wanted = np.where((labels >= 0) & (labels < 7), np.log(7), 0)
same = np.allclose(by_probability, wanted, atol=1e-5) and np.allclose(by_logits, wanted, atol=1e-5)
same &= not gradient[6:].any() and gradient[:6].any() and loss == 0 and accuracy == 0
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

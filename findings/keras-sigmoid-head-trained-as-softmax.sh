#!/usr/bin/env bash
# Keras on TensorFlow: categorical cross-entropy of a sigmoid output inside a graph is that of a softmax.
#
# Packages: keras==3.15.1, tensorflow-cpu==2.21.0, Python 3.11, Linux x86_64.
# Input: logits (2, 0, -1), target class 0, a layer `Activation("sigmoid")`, and keras.losses.categorical_crossentropy with
#   its default from_logits=False, which divides outputs by their sum: -log(0.8808 / (0.8808 + 0.5 + 0.2689)) = 0.6275.
# Expected: the same number from evaluate() as from the outputs that predict() gives.
# Seen 2026-11-28: evaluate() says 0.1698, which is the cross-entropy of softmax(2, 0, -1). The backend finds the tensor
#   from which the activation was made and takes that as logits, whichever of the two activations it was. Two columns of
#   a comparison, softmax and sigmoid, then agree to the last digit. Called on the values themselves it gives 0.6275.
#   A new tensor in between (outputs * 1.0) has no such way back, and evaluate() says 0.6275 too.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 tensorflow-cpu==2.21.0 2>/dev/null
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" - 2>/dev/null <<'PY'
import keras
import numpy as np

logits, target = np.array([[2.0, 0.0, -1.0]], "float32"), np.array([[1.0, 0.0, 0.0]], "float32")


def evaluated(loss):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(inputs))
    model.compile(loss=loss)
    return model, float(model.evaluate(logits, target, verbose=0))


model, in_graph = evaluated(keras.losses.categorical_crossentropy)
_, through_new_tensor = evaluated(lambda y, p: keras.losses.categorical_crossentropy(y, p * 1.0))
outputs = model.predict(logits, verbose=0)
of_outputs = float(keras.losses.categorical_crossentropy(target, outputs)[0])
softmax = float(-np.log(np.exp(logits[0, 0]) / np.exp(logits[0]).sum()))
print(f"evaluate() {in_graph:.4f}, of the outputs {of_outputs:.4f}, softmax of the logits {softmax:.4f}, "
      f"evaluate() through a new tensor {through_new_tensor:.4f}")
same = abs(in_graph - softmax) < 1e-4 and abs(of_outputs - 0.6275) < 1e-3 and abs(through_new_tensor - of_outputs) < 1e-4
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

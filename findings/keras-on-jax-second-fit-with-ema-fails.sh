#!/usr/bin/env bash
# Keras on JAX: a model whose optimizer keeps a moving average of the weights can be fitted once, and not again.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, Linux, on the processor.
# Input: SGD(use_ema=True), model.fit(x, y), and then model.fit(x, y) again, or model.evaluate(x, y) and a look at the optimizer's
#   variables.
# Expected: training that goes on, as on TensorFlow; the documentation of `use_ema` names no backend.
# Seen 2026-11-28: at its end, fit puts the averages into the model: each weight and its average are one and the same buffer from then on.
#   The next fit gives both away to the compiled step ("Attempt to donate the same buffer twice") and ends in a TypeError ('NoneType'
#   object is not callable); evaluate gives the weights away, and the averages with them ("Array has been deleted"). Copies help:
#   weight.assign(keras.ops.copy(weight)) for each weight after fit.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
cat > "$work/fit.py" <<'PY'
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
y = x[:, :1]


def fitted():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    model.fit(x, y, verbose=0)
    return model


def what_comes_of(action):
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "goes on"


def evaluated(model):
    model.evaluate(x, y, verbose=0)
    return [np.asarray(variable) for variable in model.optimizer.variables]


model = fitted()
print("second fit:", what_comes_of(lambda: model.fit(x, y, verbose=0)))
model = fitted()
print("averages after evaluate:", what_comes_of(lambda: evaluated(model)))
model = fitted()
for weight in model.trainable_variables:
    weight.assign(keras.ops.copy(weight))
print("second fit with copies:", what_comes_of(lambda: model.fit(x, y, verbose=0)))
PY
seen=$(KERAS_BACKEND=jax "$work/venv/bin/python" "$work/fit.py" 2>/dev/null)
echo "$seen"
grep -q "second fit: TypeError" <<< "$seen" && grep -q "averages after evaluate: RuntimeError: Array has been deleted" <<< "$seen" \
  && grep -q "second fit with copies: goes on" <<< "$seen" || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"

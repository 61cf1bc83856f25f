#!/usr/bin/env bash
# Keras: with gradient_accumulation_steps=k the averages of use_ema=True are updated at each micro-batch, k times an update.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, on the processor.
# Input: one weight w trained from 0 towards 10 by SGD(0.1, use_ema=True, ema_momentum=0.9), ten updates, each from k equal
#   micro-batches, for k = 1, 2, 4 and 8, so that the gradient of each update is the same for every k.
# Expected: the same weight and the same average for every k: ten updates are ten updates, and optimizer.iterations says 10.
# Seen 2026-11-28: without averages w is 8.93 and iterations 10 for every k. The average is 5.28, 6.64, 7.81 and 8.41 for
#   k = 1, 2, 4 and 8: it takes w in at every micro-batch, also at the k - 1 of k at which w stays as it is, so that a
#   momentum m acts like about m**k for each update. Nothing is said.
# What it means: who halves the batch to fit the memory and accumulates over two keeps the training but shortens the
#   average to half its updates; with 0.99 and k = 8 it reaches back over about 13 updates in place of 100. Setting
#   ema_momentum to m**(1/k) comes near (4.93 for k = 8); it lags, as most micro-batches come before their update.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work" "$work/venv/bin/python" - 2>/dev/null <<'PY'
import keras
import numpy as np

one = np.ones((1, 1), "float32")


def ends_on(averaged, steps, momentum=0.9):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    optimizer = keras.optimizers.SGD(0.1, use_ema=averaged, ema_momentum=momentum,
                                     gradient_accumulation_steps=steps if steps > 1 else None)
    model.compile(optimizer, "mse")
    model.fit(one, 10 * one, epochs=10 * steps, verbose=0)
    assert int(optimizer.iterations) == 10
    return round(float(np.ravel(model.get_weights()[0])[0]), 4)


seen = {}
for steps in (1, 2, 4, 8):
    seen[steps] = ends_on(False, steps), ends_on(True, steps), ends_on(True, steps, 0.9 ** (1 / steps))
    print("k = {}: plain {}, average {}, with momentum 0.9 ** (1 / k) {}".format(steps, *seen[steps]))
same = (all(abs(plain - 8.9263) < 1e-3 for plain, _, _ in seen.values())
        and np.allclose([average for _, average, _ in seen.values()], [5.28, 6.64, 7.81, 8.41], atol=0.006)
        and all(4.2 < rooted <= 5.29 for _, _, rooted in seen.values()))
raise SystemExit(0 if same else "changed since 2026-11-28")
PY
echo "as seen on 2026-11-28"

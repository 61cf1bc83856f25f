#!/usr/bin/env bash
# Keras: a training resumed by BackupAndRestore writes worse weights over the best ones of ModelCheckpoint.
#
# Packages: keras==3.15.1, jax==0.10.2, Python 3.11.
# Input: one weight w, trained from 0 towards 10, with a validation that wants 4, so that the validation loss falls and
#   rises again as in overfitting: 4.00, 0.16, 0.77, 3.63 … Callbacks: BackupAndRestore,
#   ModelCheckpoint(save_best_only=True), EarlyStopping(patience=2). Once in one go; once with Ctrl-C after epoch 3 and
#   the same program started again.
# Expected: the same best.keras and the same last epoch; BackupAndRestore is there to go on as if nothing had happened.
# Seen 2026-11-28: in one go it stops after epoch 4, best.keras holds w = 3.60 (epoch 2, loss 0.16). Resumed it stops
#   after epoch 6, and best.keras holds w = 5.90 (epoch 4, loss 3.63). Weights and epoch are restored; what the other
#   callbacks remember (best value, epochs waited) is not, and nothing says so.
# What it means: the better file is gone after an interruption. Give each start a file of its own, or pass
#   ModelCheckpoint's initial_value_threshold from the history so far; EarlyStopping has no such way.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 2>/dev/null
cat > "$work/train.py" <<'PY'
import sys
from pathlib import Path

import keras
import numpy as np

folder, interrupt = Path(sys.argv[1]), "interrupt" in sys.argv
folder.mkdir(exist_ok=True)


class CtrlC(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if interrupt and epoch == 3:
            raise KeyboardInterrupt


class Losses(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(f"  epoch {epoch + 1}: val_loss {logs['val_loss']:.2f}")


model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
model.compile(keras.optimizers.SGD(0.1), "mse")
one = np.ones((1, 1), "float32")
try:
    model.fit(one, 10 * one, validation_data=(one, 4 * one), epochs=20, verbose=0, callbacks=[
        keras.callbacks.BackupAndRestore(folder / "backup"),
        keras.callbacks.ModelCheckpoint(folder / "best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping("val_loss", patience=2), Losses(), CtrlC()])
except KeyboardInterrupt:
    print("  interrupted")
best = float(np.ravel(keras.saving.load_model(folder / "best.keras").get_weights()[0])[0])
print(f"  best.keras: w = {best:.2f}, its val_loss {(best - 4) ** 2:.2f}")
PY
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work"
train() { "$work/venv/bin/python" "$work/train.py" "$@" 2>/dev/null; }
whole=$(train "$work/whole"); first=$(train "$work/parts" interrupt); second=$(train "$work/parts")
printf 'in one go:\n%s\nuntil Ctrl-C:\n%s\nstarted again:\n%s\n' "$whole" "$first" "$second"
grep -q "w = 3.60" <<<"$whole" && ! grep -q "epoch 5" <<<"$whole" && grep -q "w = 3.60" <<<"$first" &&
  grep -q "w = 5.90" <<<"$second" && grep -q "epoch 6" <<<"$second" && ! grep -q "epoch 7" <<<"$second" ||
  { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"

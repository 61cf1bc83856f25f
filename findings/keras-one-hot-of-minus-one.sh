#!/usr/bin/env bash
# Keras: the label -1 becomes the last class by to_categorical of an array, and no class at all by to_categorical of a
#   tensor of the same numbers.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, Python 3.11, on the processor.
# Input: labels of seven expressions with -1 for faces without one (as lists mark them), with 7, which RAF-DB's last
#   class is before 1 is taken away, and with -8, through keras.utils.to_categorical(.., 7), as a NumPy array and as a
#   tensor of the backend, and through keras.ops.one_hot.
# Expected: an error for each number outside 0..6, or the same rows from all three; the documentation asks for "integers
#   from 0 to num_classes - 1".
# Seen 2026-11-29: of an array, 7 and -8 raise an IndexError, and -1 is the last class: index -1 of NumPy. Of a tensor,
#   and from one_hot, all three numbers are rows of zeros without a word. Categorical cross-entropy of such a row is 0,
#   so that the face costs nothing; categorical_accuracy takes it for class 0, the argmax of zeros.
# What it means: the same labels train the last expression with every unlabelled face, or nothing, depending on whether
#   they were made a tensor before; that 7 raises suggests that the range is looked at. Look at min() first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 2>/dev/null
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work" "$work/venv/bin/python" - 2>/dev/null <<'PY'
import keras
import numpy as np

ways = {"to_categorical of an array": lambda label: keras.utils.to_categorical(np.array([label]), 7),
        "to_categorical of a tensor": lambda label: keras.utils.to_categorical(keras.ops.convert_to_tensor([label]), 7),
        "one_hot": lambda label: keras.ops.one_hot(np.array([label]), 7)}
seen = {}
for name, way in ways.items():
    for label in (6, -1, 7, -8):
        try:
            seen[name, label] = np.asarray(way(label))[0].astype(int).tolist()
        except IndexError as error:
            seen[name, label] = type(error).__name__
        print(f"{name}, {label}: {seen[name, label]}")
answer = np.array([[0.9, 0.05, 0.01, 0.01, 0.01, 0.01, 0.01]], "float32")
row = np.zeros((1, 7), "float32")
loss = float(keras.losses.categorical_crossentropy(row, answer)[0])
right = float(np.ravel(keras.metrics.categorical_accuracy(row, answer))[0])
print(f"row of zeros and an answer of class 0: loss {loss:.3f}, accuracy {right:.0f}")
last, none = [0, 0, 0, 0, 0, 0, 1], [0] * 7
same = all(seen[name, 6] == last for name in ways) and loss == 0 and right == 1
same &= [seen["to_categorical of an array", label] for label in (-1, 7, -8)] == [last, "IndexError", "IndexError"]
same &= all(seen[name, label] == none for name in list(ways)[1:] for label in (-1, 7, -8))
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

#!/usr/bin/env bash
# Keras: perfect answers have an AUC of 0.57, if the validation set has faces of four of the seven expressions.
#
# Packages: keras==3.15.1, jax==0.10.2, jaxlib==0.10.2, scikit-learn==1.9.1, Python 3.11, on the processor.
# Input: 70 faces of all seven expressions, of four of them, and of a single one, each answered with a probability of 1
#   for the right one; AUC(multi_label=True, num_labels=7) with curve "ROC" and "PR", F1Score(average="macro"), and
#   AUC() without multi_label; of the four, scikit-learn's roc_auc_score for each class.
# Expected: 1 for perfect answers; an AUC of a class without a face is not defined, and scikit-learn warns and says nan.
# Seen 2026-11-29: with seven all are 1. With four, AUC and F1 are 0.571, four sevenths, and with one 0.143 (the AUC of
#   ROC 0.0, as a class that all faces have counts as 0 too): a class without a face, or without another, counts as 0,
#   the score of the worst ranking there is. AUC() of all numbers together is 1. No warning, and the documentation has
#   no word on it.
# What it means: in a fold, a subset of one person or a batch of fit's progress bar the number shows which expressions
#   occur, not how well they are told, and early stopping on val_auc compares sets. Average over the classes that occur.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 scikit-learn==1.9.1 2>/dev/null
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$work" "$work/venv/bin/python" - 2>/dev/null <<'PY'
import warnings

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

seen = {}
for expressions in (7, 4, 1):
    label = np.eye(7, dtype="float32")[np.arange(70) % expressions]
    metrics = [keras.metrics.AUC(multi_label=True, num_labels=7), keras.metrics.AUC(multi_label=True, num_labels=7, curve="PR"),
               keras.metrics.F1Score(average="macro"), keras.metrics.AUC()]
    for metric in metrics:
        metric.update_state(label, label)
    seen[expressions] = [round(float(metric.result()), 3) for metric in metrics]
    print(f"{expressions} expressions: AUC {seen[expressions][0]}, of precision and recall {seen[expressions][1]}, macro F1 "
          f"{seen[expressions][2]}, AUC of all together {seen[expressions][3]}")
label = np.eye(7)[np.arange(70) % 4]
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    single = roc_auc_score(label, label, average=None)
print(f"scikit-learn of the four: {single.tolist()}, warnings: {len(said)}")
same = seen == {7: [1.0, 1.0, 1.0, 1.0], 4: [0.571, 0.571, 0.571, 1.0], 1: [0.0, 0.143, 0.143, 1.0]}
same &= single[:4].tolist() == [1.0] * 4 and bool(np.isnan(single[4:]).all()) and len(said) > 0
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"

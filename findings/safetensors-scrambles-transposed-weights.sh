#!/usr/bin/env bash
# safetensors 0.8 writes a transposed numpy array in the wrong order under the right shape; 0.7 wrote it right.
#
# Packages: safetensors==0.8.0 and safetensors==0.7.0, numpy==2.4.6, Python 3.11, Linux x86_64.
# Input: the kernel of a convolution, of shape (3, 3, 2, 4) as Keras keeps it, transposed to (4, 2, 3, 3) as PyTorch
#   and ONNX keep it: save_file({"kernel": kernel.transpose(3, 2, 0, 1)}), and load_file.
# Expected: the array that was given, or an error: the docstring asks for contiguous arrays, the function does not look.
# Seen 2026-11-28: with 0.8.0 the shape and each single value are there, but in the order of the memory of the original:
#   70 of the 72 values stand in a wrong place. Nothing is raised or warned. The same for an array in Fortran's order.
#   With 0.7.0, which copied each array, all come back as given.
# What it means: converted weights load without complaint into a network that answers at random, after an update of a
#   package only. np.ascontiguousarray() of each array before saving helps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cat > "$work/kernel.py" <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

kernel = np.arange(3 * 3 * 2 * 4, dtype="float32").reshape(3, 3, 2, 4)
ways = {"as it is": kernel, "transposed": kernel.transpose(3, 2, 0, 1), "Fortran order": np.asfortranarray(kernel),
        "transposed and copied": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))}
wrong = []
for way, given in ways.items():
    save_file({"kernel": given}, sys.argv[1])
    loaded = load_file(sys.argv[1])["kernel"]
    assert loaded.shape == given.shape and sorted(loaded.ravel()) == sorted(given.ravel())
    wrong.append(int((loaded != given).sum()))
print(safetensors.__version__, {way: f"{count} of {kernel.size} in a wrong place" for way, count in zip(ways, wrong)})
PY
for version in 0.8.0 0.7.0; do
  python3 -m venv --clear "$work/venv"
  "$work/venv/bin/pip" install --quiet safetensors==$version numpy==2.4.6 2>/dev/null
  "$work/venv/bin/python" "$work/kernel.py" "$work/kernel.safetensors" | tee -a "$work/seen"
done
grep -q "^0.8.0 .*'as it is': '0 .*'transposed': '[1-9].*'Fortran order': '[1-9].*'transposed and copied': '0 " "$work/seen" &&
  [ "$(grep '^0.7.0 ' "$work/seen" | grep -o "'0 of" | wc -l)" = 4 ] || { echo "changed since 2026-11-28"; exit 1; }
echo "as seen on 2026-11-28"
